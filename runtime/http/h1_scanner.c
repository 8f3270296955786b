/*
 * h1_scanner — a machine of a few states, each with a loop over the bytes it takes.
 *
 * A state's function moves `offset` as far as its bytes go and then names the next
 * state; where the bytes received end, the machine stops and later resumes in the
 * same state. Every verdict depends on bytes up to the offence alone, so that a
 * head gets the same answer however it is cut into pieces.
 */
#include "http/h1_scanner.h"

#include <assert.h>

#include "http/octet.h"

#define METHOD_BYTES_MAX 32

enum state {
    REQUEST_START,
    START_LF,
    METHOD,
    TARGET,
    REQUEST_VERSION,
    REQUEST_LINE_CR,
    STATUS_VERSION,
    STATUS_SPACE,
    STATUS,
    STATUS_END,
    REASON,
    LINE_LF,
    FIELD_START,
    NAME,
    VALUE,
    END_LF,
    DONE,
};

void h1_scanner_init(struct h1_scanner *scanner, bool is_response,
                     const struct h1_scanner_limits *limits)
{
    assert(limits->head_bytes_max > 0);
    *scanner = (struct h1_scanner){
        .limits = *limits,
        .is_response = is_response,
        .state = is_response ? STATUS_VERSION : REQUEST_START,
    };
}

void h1_scanner_init_trailers(struct h1_scanner *scanner, bool is_response, size_t bytes_max)
{
    const struct h1_scanner_limits limits = {.head_bytes_max = bytes_max};
    h1_scanner_init(scanner, is_response, &limits);
    scanner->state = FIELD_START;
}

static COLD bool refuse_as(struct h1_scanner *scanner, enum fault fault, size_t offset)
{
    scanner->fault = fault;
    scanner->fault_offset = offset;
    return false;
}

static COLD bool refuse(struct h1_scanner *scanner)
{
    enum fault fault = scanner->is_response ? FAULT_UPSTREAM_MALFORMED : FAULT_REQUEST_MALFORMED;
    return refuse_as(scanner, fault, scanner->offset);
}

static bool go(struct h1_scanner *scanner, enum state state)
{
    scanner->state = state;
    return true;
}

/* The functions below return whether to go on: false without a fault asks for more bytes. */

static bool take(struct h1_scanner *scanner, struct slice head, char expected, enum state next)
{
    if (head.start[scanner->offset] != expected)
        return refuse(scanner);
    scanner->offset++;
    scanner->element_start = scanner->offset;
    return go(scanner, next);
}

/* Moves on to the first byte that is not of `set`. */
static void skip(struct h1_scanner *scanner, struct slice head, unsigned set)
{
    const char *at = head.start + scanner->offset, *end = head.start + head.length;
    while (at < end && octet_is(*at, set))
        at++;
    scanner->offset = (size_t)(at - head.start);
}

static size_t element_length(const struct h1_scanner *scanner)
{
    return scanner->offset - scanner->element_start;
}

static bool is_usual_version(const char *at)
{
    return memcmp(at, "HTTP/1.", 7) == 0 && (at[7] == '0' || at[7] == '1');
}

static bool scan_request_start(struct h1_scanner *scanner, struct slice head)
{
    if (head.start[scanner->offset] == '\r')
        return take(scanner, head, '\r', START_LF);
    return go(scanner, METHOD);
}

static bool scan_method(struct h1_scanner *scanner, struct slice head)
{
    skip(scanner, head, OCTET_TOKEN);
    if (element_length(scanner) > METHOD_BYTES_MAX)
        return refuse_as(scanner, FAULT_METHOD_UNKNOWN, scanner->element_start);
    if (scanner->offset == head.length)
        return false;
    if (element_length(scanner) == 0)
        return refuse(scanner);
    return take(scanner, head, ' ', TARGET);
}

static bool scan_target(struct h1_scanner *scanner, struct slice head)
{
    skip(scanner, head, OCTET_TARGET);
    if (element_length(scanner) > scanner->limits.target_bytes_max)
        return refuse_as(scanner, FAULT_REQUEST_TARGET_TOO_LONG,
                         scanner->element_start + scanner->limits.target_bytes_max);
    if (scanner->offset == head.length)
        return false;
    if (element_length(scanner) == 0)
        return refuse(scanner);
    return take(scanner, head, ' ', REQUEST_VERSION);
}

/* "HTTP/1.1" or "HTTP/1.0", when all of it is there. */
static bool skip_usual_version(struct h1_scanner *scanner, struct slice head)
{
    if (element_length(scanner) > 0 || head.length - scanner->offset < 8 ||
        !is_usual_version(head.start + scanner->offset))
        return false;
    scanner->offset += 8;
    return true;
}

/* "HTTP/" and two digits around a dot, of which only 1.0 and 1.1 pass. */
static bool scan_version(struct h1_scanner *scanner, struct slice head, enum state next)
{
    static const char PATTERN[] = "HTTP/d.d";

    if (skip_usual_version(scanner, head))
        return go(scanner, next);
    while (element_length(scanner) < sizeof(PATTERN) - 1) {
        if (scanner->offset == head.length)
            return false;
        char c = head.start[scanner->offset], expected = PATTERN[element_length(scanner)];
        if (expected == 'd' ? !octet_is(c, OCTET_DIGIT) : c != expected)
            return refuse(scanner);
        scanner->offset++;
    }
    const char *digits = head.start + scanner->offset - 3;
    if (digits[0] == '1' && (digits[2] == '0' || digits[2] == '1'))
        return go(scanner, next);
    if (scanner->is_response)
        return refuse(scanner);
    return refuse_as(scanner, FAULT_VERSION_UNSUPPORTED, scanner->element_start);
}

static bool scan_status(struct h1_scanner *scanner, struct slice head)
{
    while (element_length(scanner) < 3) {
        if (scanner->offset == head.length)
            return false;
        char c = head.start[scanner->offset];
        bool is_first = element_length(scanner) == 0;
        if (!octet_is(c, OCTET_DIGIT) || (is_first && (c < '1' || c > '5')))
            return refuse(scanner);
        scanner->offset++;
    }
    return go(scanner, STATUS_END);
}

/* Many servers leave the space out where the reason is empty; http-parser takes it as well. */
static bool scan_status_end(struct h1_scanner *scanner, struct slice head)
{
    if (head.start[scanner->offset] == '\r')
        return go(scanner, REASON);
    return take(scanner, head, ' ', REASON);
}

static bool scan_value(struct h1_scanner *scanner, struct slice head)
{
    const char *end = head.start + head.length;
    scanner->offset = (size_t)(octet_value_end(head.start + scanner->offset, end) - head.start);
    if (scanner->offset == head.length)
        return false;
    return take(scanner, head, '\r', LINE_LF);
}

/* Whole fields: what is wrong, or not all there, is for the machine. */
static void take_lines(struct h1_scanner *scanner, struct slice head, struct h1_lines *lines)
{
    const char *at = head.start + scanner->offset, *end = head.start + head.length;

    if (lines != NULL && lines->fields == NULL)
        lines->fields = at;
    scanner->offset = (size_t)(h1_lines_take(lines, at, end) - head.start);
    scanner->element_start = scanner->offset;
}

static bool scan_field_start(struct h1_scanner *scanner, struct slice head, struct h1_lines *lines)
{
    take_lines(scanner, head, lines);
    if (scanner->offset == head.length)
        return false;
    if (head.start[scanner->offset] == '\r')
        return take(scanner, head, '\r', END_LF);
    if (lines != NULL)
        lines->head = NULL; /* this one is not among them */
    return go(scanner, NAME);
}

/* A blank is not of a name: that refuses folded lines and indented fields too. */
static bool scan_name(struct h1_scanner *scanner, struct slice head)
{
    skip(scanner, head, OCTET_TOKEN);
    if (scanner->offset == head.length)
        return false;
    if (element_length(scanner) == 0)
        return refuse(scanner);
    return take(scanner, head, ':', VALUE);
}

static bool step(struct h1_scanner *scanner, struct slice head, struct h1_lines *lines)
{
    switch ((enum state)scanner->state) {
    case REQUEST_START:
        return scan_request_start(scanner, head);
    case START_LF:
        return take(scanner, head, '\n', METHOD);
    case METHOD:
        return scan_method(scanner, head);
    case TARGET:
        return scan_target(scanner, head);
    case REQUEST_VERSION:
        return scan_version(scanner, head, REQUEST_LINE_CR);
    case REQUEST_LINE_CR:
        return take(scanner, head, '\r', LINE_LF);
    case STATUS_VERSION:
        return scan_version(scanner, head, STATUS_SPACE);
    case STATUS_SPACE:
        return take(scanner, head, ' ', STATUS);
    case STATUS:
        return scan_status(scanner, head);
    case STATUS_END:
        return scan_status_end(scanner, head);
    case REASON:
    case VALUE:
        return scan_value(scanner, head);
    case LINE_LF:
        return take(scanner, head, '\n', FIELD_START);
    case FIELD_START:
        return scan_field_start(scanner, head, lines);
    case NAME:
        return scan_name(scanner, head);
    case END_LF:
        return take(scanner, head, '\n', DONE);
    case DONE:
        return false;
    }
    return false;
}

/* Where the line after a whole request line begins that has nothing wrong about it; or NULL. */
static const char *skip_usual_request_line(const struct h1_scanner *scanner, const char *at,
                                           const char *end)
{
    const char *start = at;

    while (at < end && octet_is(*at, OCTET_TOKEN))
        at++;
    if (UNLIKELY(at == end || at == start || *at != ' ' || at - start > METHOD_BYTES_MAX))
        return NULL;
    const char *target = ++at;
    while (at < end && octet_is(*at, OCTET_TARGET))
        at++;
    if (UNLIKELY(end - at < (ptrdiff_t)sizeof(" HTTP/1.1\r\n") - 1 || at == target || *at != ' ' ||
                 (size_t)(at - target) > scanner->limits.target_bytes_max))
        return NULL;
    bool is_usual = is_usual_version(at + 1) && at[9] == '\r' && at[10] == '\n';
    return is_usual ? at + 11 : NULL;
}

/* The same of a status line that has a reason, or the space before one. */
static const char *skip_usual_status_line(const char *at, const char *end)
{
    if (UNLIKELY(end - at < 15 || !is_usual_version(at) || at[8] != ' ' || at[9] < '1' ||
                 at[9] > '5' || !octet_is(at[10], OCTET_DIGIT) || !octet_is(at[11], OCTET_DIGIT) ||
                 at[12] != ' '))
        return NULL;
    at = octet_value_end(at + 13, end);
    return end - at >= 2 && at[0] == '\r' && at[1] == '\n' ? at + 2 : NULL;
}

/* A head that is all there with nothing wrong about it takes no steps of the machine, which goes on
 * where this ends. */
static void scan_usual(struct h1_scanner *scanner, struct slice head, struct h1_lines *lines)
{
    const char *end = head.start + head.length;
    const char *fields = scanner->is_response ? skip_usual_status_line(head.start, end)
                                              : skip_usual_request_line(scanner, head.start, end);

    if (UNLIKELY(fields == NULL))
        return;
    scanner->state = FIELD_START;
    scanner->offset = (size_t)(fields - head.start);
    take_lines(scanner, head, lines);
    const char *at = head.start + scanner->offset;
    if (UNLIKELY(end - at < 2 || at[0] != '\r' || at[1] != '\n'))
        return;
    scanner->offset += 2;
    scanner->state = DONE;
}

enum h1_scan h1_scanner_scan(struct h1_scanner *scanner, struct slice head)
{
    return h1_scanner_scan_lines(scanner, head, NULL);
}

static OUT_OF_LINE void run(struct h1_scanner *scanner, struct slice head, struct h1_lines *lines)
{
    bool goes_on = scanner->fault == FAULT_NONE;

    while (goes_on && scanner->offset < head.length && scanner->state != DONE)
        goes_on = step(scanner, head, lines);
}

enum h1_scan h1_scanner_scan_lines(struct h1_scanner *scanner, struct slice head,
                                   struct h1_lines *lines)
{
    if (lines != NULL)
        h1_lines_begin(lines, scanner->offset == 0 ? head.start : NULL);
    bool is_full = head.length >= scanner->limits.head_bytes_max;
    if (is_full)
        head.length = scanner->limits.head_bytes_max;

    if (scanner->state == REQUEST_START || scanner->state == STATUS_VERSION)
        scan_usual(scanner, head, lines);
    if (UNLIKELY(scanner->state != DONE))
        run(scanner, head, lines);

    if (scanner->fault == FAULT_NONE && scanner->state != DONE && is_full)
        refuse_as(scanner,
                  scanner->is_response ? FAULT_UPSTREAM_HEAD_TOO_LARGE
                                       : FAULT_REQUEST_HEAD_TOO_LARGE,
                  head.length);
    if (scanner->fault != FAULT_NONE)
        return H1_SCAN_REFUSED;
    return scanner->state == DONE ? H1_SCAN_DONE : H1_SCAN_MORE;
}
