/*
 * proxy_protocol — fuzzes the reader of PROXY headers: bounds, and that more bytes never change an
 * answer.
 */
#include <assert.h>
#include <stdlib.h>

#include "net/proxy_protocol.h"

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);

/* A block of exactly its size, so that the sanitizer sees reads beyond it. */
static enum proxy_protocol_result read_copy(const unsigned char *data, size_t size,
                                            unsigned versions, struct proxy_protocol_header *header)
{
    char *copy = malloc(size > 0 ? size : 1);
    if (size > 0)
        memcpy(copy, data, size);
    enum proxy_protocol_result result = proxy_protocol_read(slice_of(copy, size), versions, header);
    free(copy);
    return result;
}

static void check_header(const struct proxy_protocol_header *header, size_t size)
{
    char text[ADDRESS_TEXT_BYTES];

    assert(header->length > 0 && header->length <= size);
    assert(header->length <= PROXY_PROTOCOL_BYTES_MAX);
    assert(header->has_addresses == (header->source.length > 0));
    assert(header->has_addresses == (header->destination.length > 0));
    assert(address_format(&header->source, text).length < sizeof(text));
    assert(address_format(&header->destination, text).length < sizeof(text));
}

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
    struct proxy_protocol_header header, shorter;
    enum proxy_protocol_result result = read_copy(data, size, 3, &header);

    if (result == PROXY_PROTOCOL_DONE) {
        check_header(&header, size);
        assert(read_copy(data, header.length, 3, &shorter) == PROXY_PROTOCOL_DONE);
        assert(shorter.length == header.length);
        assert(read_copy(data, header.length - 1, 3, &shorter) == PROXY_PROTOCOL_MORE);
    }
    if (result == PROXY_PROTOCOL_MORE)
        assert(size < PROXY_PROTOCOL_BYTES_MAX);
    if (result != PROXY_PROTOCOL_MALFORMED && size > 0)
        assert(read_copy(data, size / 2, 3, &shorter) != PROXY_PROTOCOL_MALFORMED);
    return 0;
}
