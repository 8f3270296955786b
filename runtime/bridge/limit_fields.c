/*
 * limit_fields — a list of notes, and the writing of their fields.
 */
#include "bridge/limit_fields.h"

#include "base/put.h"
#include "bridge/decision.h"
#include "bridge/exports.h"
#include "bridge/numbers.h"

/* In the generation's arena. */
struct limit_told {
    struct header policy;
    struct header_key field;
    struct slice subject;
};

struct limit_note {
    struct limit_note *next;
    const struct limit_told *told;
    uint32_t step;
    uint64_t left, seconds;
};

struct limit_told *moon_limit_told(struct generation *generation, const char *policy,
                                   size_t policy_length, const char *subject, size_t subject_length)
{
    static const struct slice POLICY = SLICE("ratelimit-policy"), FIELD = SLICE("ratelimit");
    struct arena *arena = &generation->arena;
    struct limit_told *told = arena_zeroed(arena, sizeof(*told));

    told->policy.name = POLICY;
    told->policy.value = arena_copy(arena, exports_slice(policy, policy_length));
    told->policy.id = header_id_of(POLICY);
    told->field = (struct header_key){FIELD, header_id_of(FIELD)};
    told->subject = arena_copy(arena, exports_slice(subject, subject_length));
    return told;
}

static struct limit_note *add_note(struct decision *decision, const struct limit_told *told)
{
    struct limit_notes *notes = &decision->limits;
    struct limit_note *added = arena_alloc(&decision->exchange->arena, sizeof(*added));

    *added = (struct limit_note){.told = told, .step = decision->ledger.step};
    if (notes->last != NULL)
        notes->last->next = added;
    else
        notes->first = added;
    notes->last = added;
    notes->count++;
    return added;
}

/* A limit belongs to one step of a chain. */
void limit_fields_note(struct decision *decision, const struct limit_told *told, uint64_t left,
                       uint64_t seconds)
{
    struct limit_note *note = decision->limits.first;

    while (note != NULL && note->told != told)
        note = note->next;
    if (note == NULL)
        note = add_note(decision, told);
    note->left = left;
    note->seconds = seconds;
}

static bool write_note(struct exchange *exchange, const struct limit_note *note)
{
    static const struct slice BETWEEN = SLICE(";t=");
    struct headers *headers = &exchange->response->headers;
    const struct limit_told *told = note->told;
    char *text = arena_alloc(&exchange->arena,
                             told->subject.length + BETWEEN.length + 2 * (size_t)SLICE_DIGITS_MAX);
    char *at = put(text, told->subject);
    at = put_uint64(at, note->left);
    at = put(at, BETWEEN);
    at = put_uint64(at, note->seconds);
    struct header field = {.name = told->field.name,
                           .value = slice_of(text, (size_t)(at - text)),
                           .id = told->field.id};
    return headers_add_field(headers, &exchange->arena, &told->policy) &&
           headers_add_field(headers, &exchange->arena, &field);
}

bool limit_fields_write(struct decision *decision)
{
    for (const struct limit_note *note = decision->limits.first; note != NULL; note = note->next) {
        if (note->step == decision->ledger.step && !write_note(decision->exchange, note))
            return false;
    }
    return true;
}

int moon_limit_write(struct exchange *exchange)
{
    if (exchange->response == NULL)
        return MOON_FIELD_NO_MESSAGE;
    return limit_fields_write(decision_of(exchange)) ? MOON_FIELD_OK : MOON_FIELD_FULL;
}
