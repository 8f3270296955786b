/*
 * edits — one list of changes for all steps, and going through it.
 */
#include "bridge/edits.h"

#include "bridge/decision.h"
#include "bridge/exports.h"

struct edit {
    enum moon_edit kind;
    int number;          /* as enum moon_edit has it; of a RENAME, the id of the name in `value` */
    struct header field; /* its name alone, where there is no value */
};

/* In the generation's arena. */
struct edits {
    uint32_t count, capacity;
    uint32_t additions; /* fields that an answer may have more than before, without limits' */
    bool tells_limits;
    bool sets_full_status, sets_empty_status; /* of answers with a body, without one */
    struct edit items[];
};

struct edits *moon_edits_begin(struct generation *generation, uint32_t count)
{
    struct edits *edits =
        arena_zeroed(&generation->arena, sizeof(*edits) + count * sizeof(edits->items[0]));
    edits->capacity = count;
    return edits;
}

static void sum_up(struct edits *edits, const struct edit *edit)
{
    switch (edit->kind) {
    case MOON_EDIT_SET:
    case MOON_EDIT_ADD:
    case MOON_EDIT_SET_ID:
        edits->additions++;
        break;
    case MOON_EDIT_STATUS:
        if (status_has_no_body(edit->number))
            edits->sets_empty_status = true;
        else
            edits->sets_full_status = true;
        break;
    case MOON_EDIT_LIMITS:
        edits->tells_limits = true;
        break;
    case MOON_EDIT_STEP:
    case MOON_EDIT_REMOVE:
    case MOON_EDIT_RENAME:
        break;
    }
}

/* Scalars, as the FFI does not compile structs by value. */
/* NOLINTNEXTLINE(readability-function-size) */
void moon_edits_put(struct generation *generation, struct edits *edits, int kind, const char *name,
                    size_t name_length, const char *value, size_t value_length, int number)
{
    assert(edits->count < edits->capacity);
    struct edit *edit = &edits->items[edits->count++];
    struct header *field = &edit->field;

    edit->kind = (enum moon_edit)kind;
    field->name = arena_copy(&generation->arena, exports_slice(name, name_length));
    field->value = arena_copy(&generation->arena, exports_slice(value, value_length));
    field->id = header_id_of(field->name);
    edit->number = edit->kind == MOON_EDIT_RENAME ? (int)header_id_of(field->value) : number;
    sum_up(edits, edit);
}

void moon_edits_keep(struct exchange *exchange, const struct edits *edits)
{
    struct generation_native *native = decision_native(exchange);
    if (native != NULL)
        native->edits = edits;
}

/* As Lua does it: those that there are come after all others, in their order. */
static void rename_fields(struct exchange *exchange, const struct edit *edit)
{
    struct headers *headers = &exchange->response->headers;
    struct header_key from = {edit->field.name, edit->field.id};
    struct header_key to = {edit->field.value, (enum header_id)edit->number};
    const struct header *first = headers_find(headers, from.name);
    size_t count = 0;

    if (first == NULL)
        return;
    struct slice *values = arena_alloc(&exchange->arena, headers->count * sizeof(*values));
    for (const struct header *h = first; h != NULL; h = headers_find_next(headers, h))
        values[count++] = h->value;
    headers_remove_key(headers, from);
    headers_remove_key(headers, to);
    for (size_t i = 0; i < count; i++) {
        struct header field = {.name = to.name, .value = values[i], .id = to.id};
        headers_add_field(headers, &exchange->arena, &field);
    }
}

static void set_id(struct exchange *exchange, const struct edit *edit)
{
    struct header field = edit->field;

    field.value = exchange_id(exchange);
    headers_set_field(&exchange->response->headers, &exchange->arena, &field);
}

static void apply(struct decision *decision, const struct edit *edit)
{
    struct exchange *exchange = decision->exchange;
    struct headers *headers = &exchange->response->headers;
    struct header_key key = {edit->field.name, edit->field.id};

    switch (edit->kind) {
    case MOON_EDIT_STEP:
        ledger_enter(&decision->ledger, (uint32_t)edit->number, 1);
        break;
    case MOON_EDIT_SET:
        headers_set_field(headers, &exchange->arena, &edit->field);
        break;
    case MOON_EDIT_ADD:
        headers_add_field(headers, &exchange->arena, &edit->field);
        break;
    case MOON_EDIT_REMOVE:
        headers_remove_key(headers, key);
        break;
    case MOON_EDIT_RENAME:
        rename_fields(exchange, edit);
        break;
    case MOON_EDIT_STATUS:
        if (!exchange->is_gateway_made)
            moon_set_status(exchange, edit->number, NULL, 0);
        break;
    case MOON_EDIT_SET_ID:
        set_id(exchange, edit);
        break;
    case MOON_EDIT_LIMITS:
        limit_fields_write(decision);
        break;
    }
}

static bool has_room(const struct edits *edits, const struct decision *decision)
{
    uint32_t told = edits->tells_limits ? LIMIT_NOTE_FIELDS * decision->limits.count : 0;
    return decision->exchange->response->headers.count + edits->additions + told <= HEADERS_MAX;
}

/* Whether it may have each status that it is to be given. */
static bool fits_status(const struct edits *edits, const struct exchange *exchange)
{
    if (exchange->is_gateway_made)
        return true;
    return status_has_no_body(exchange->response->status) ? !edits->sets_full_status
                                                          : !edits->sets_empty_status;
}

bool edits_run(struct exchange *exchange)
{
    const struct generation_native *native = decision_native(exchange);

    if (native == NULL || native->edits == NULL)
        return false;
    const struct edits *edits = native->edits;
    struct decision *decision = decision_of(exchange);
    /* Steps that have raised are left out: Lua knows which. */
    if (decision->response_failures > 0 || !has_room(edits, decision) ||
        !fits_status(edits, exchange))
        return false;
    decision_open_ledger(decision);
    ledger_begin(&decision->ledger);
    for (uint32_t i = 0; i < edits->count; i++)
        apply(decision, &edits->items[i]);
    ledger_end(&decision->ledger);
    return true;
}
