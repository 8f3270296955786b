/*
 * chunked_body — fuzzes the reader of chunked bodies; the first byte chooses request or response.
 *
 * However the bytes are cut, data, end, trailers and verdict are the same; and data that
 * was read, written as chunks again, is read again.
 */
#include <assert.h>
#include <stdlib.h>

#include "http/h1_body.h"
#include "http/h1_writer.h"

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);

#define INPUT_BYTES_MAX   512
#define WRITTEN_BYTES_MAX 65536

static const struct h1_body_limits LIMITS = {.extension_bytes_max = 24, .trailer_bytes_max = 100};

static const struct h1_body_framing FRAMING = {BODY_STREAMED, MESSAGE_LENGTH_UNKNOWN, true};

/* What came of one body. */
struct outcome {
    enum fault fault;
    bool is_complete;
    uint64_t offset;
    size_t length;
    char data[INPUT_BYTES_MAX];
    size_t trailers_count;
};

/* False when there is no more to read. The piece lies in a block of exactly its size. */
static bool read_piece(struct h1_body *body, const unsigned char *data, size_t size,
                       struct outcome *outcome)
{
    char *copy = malloc(size > 0 ? size : 1);
    if (size > 0)
        memcpy(copy, data, size);
    struct slice input = slice_of(copy, size), run;
    while (outcome->fault == FAULT_NONE && !body->is_complete && input.length > 0) {
        struct slice before = input;
        outcome->fault = h1_body_read(body, &input, &run);
        assert(run.length <= before.length && outcome->length + run.length <= INPUT_BYTES_MAX);
        assert(outcome->fault != FAULT_NONE || input.length < before.length);
        if (outcome->fault == FAULT_NONE && run.length > 0)
            memcpy(outcome->data + outcome->length, run.start, run.length);
        if (outcome->fault == FAULT_NONE)
            outcome->length += run.length;
    }
    free(copy);
    return outcome->fault == FAULT_NONE && !body->is_complete;
}

static void read_trailers(struct h1_body *body, struct outcome *outcome)
{
    struct arena arena;
    struct headers trailers;
    uint32_t at = 0;

    arena_init(&arena);
    assert(h1_body_trailers(body, &arena, &trailers) == FAULT_NONE);
    for (const struct header *h; (h = headers_next(&trailers, &at)) != NULL;) {
        assert(headers_is_name(h->name) && headers_is_value(h->value));
        assert((header_flags_of(h->id) & HEADER_NOT_IN_TRAILERS) == 0);
        outcome->trailers_count++;
    }
    arena_clear(&arena);
}

static struct outcome read_cut(const unsigned char *data, size_t size, size_t cut, bool is_response)
{
    struct outcome outcome = {0};
    struct h1_body body;

    h1_body_init(&body, is_response, FRAMING, &LIMITS);
    if (read_piece(&body, data, cut, &outcome))
        read_piece(&body, data + cut, size - cut, &outcome);
    outcome.is_complete = body.is_complete && outcome.fault == FAULT_NONE;
    outcome.offset = body.offset;
    if (outcome.is_complete)
        read_trailers(&body, &outcome);
    h1_body_clear(&body);
    return outcome;
}

static void check_cuts(const unsigned char *data, size_t size, bool is_response,
                       const struct outcome *whole)
{
    for (size_t cut = 1; cut < size; cut++) {
        struct outcome torn = read_cut(data, size, cut, is_response);
        assert((torn.fault == FAULT_NONE) == (whole->fault == FAULT_NONE));
        assert(torn.is_complete == whole->is_complete);
        /* Which of two offences is told, and where, depends on how early http-parser objects. */
        if (whole->fault != FAULT_NONE)
            continue;
        assert(torn.offset == whole->offset && torn.trailers_count == whole->trailers_count);
        assert(torn.length == whole->length);
        assert(memcmp(torn.data, whole->data, whole->length) == 0);
    }
}

static void check_written(const struct outcome *outcome, bool is_response)
{
    struct buffer out;
    size_t half = outcome->length / 2;

    buffer_init(&out, WRITTEN_BYTES_MAX, NULL);
    if (half > 0)
        assert(h1_writer_chunk_start(&out, half) &&
               buffer_append(&out, slice_of(outcome->data, half)) && h1_writer_chunk_end(&out));
    if (outcome->length > half)
        assert(h1_writer_chunk_start(&out, outcome->length - half) &&
               buffer_append(&out, slice_of(outcome->data + half, outcome->length - half)) &&
               h1_writer_chunk_end(&out));
    assert(h1_writer_last_chunk(&out, NULL));
    struct slice written = buffer_slice(&out);
    struct outcome again = read_cut((const unsigned char *)written.start, written.length,
                                    written.length / 3, is_response);
    assert(again.is_complete && again.length == outcome->length);
    assert(memcmp(again.data, outcome->data, outcome->length) == 0);
    buffer_clear(&out);
}

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
    if (size == 0 || size > INPUT_BYTES_MAX)
        return 0;
    bool is_response = data[0] % 2 == 1;
    data++;
    size--;
    struct outcome whole = read_cut(data, size, size, is_response);
    assert(whole.offset <= size);
    check_cuts(data, size, is_response, &whole);
    if (whole.is_complete)
        check_written(&whole, is_response);
    return 0;
}
