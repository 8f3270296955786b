/*
 * proxy_protocol — the two forms of the header, by their exact grammar.
 *
 * Specification: HAProxy's proxy-protocol.txt, sections 2.1 (text) and 2.2 (binary).
 */
#include "net/proxy_protocol.h"

#define V1_BYTES_MAX       107
#define V2_PREFIX_BYTES    16 /* signature, version and command, family, length */
#define V2_UNIX_PATH_BYTES 108
#define TLV_CRC32C         0x03
#define TLV_PREFIX_BYTES   3

static const struct slice SIGNATURE = SLICE("\r\n\r\n\0\r\nQUIT\n");

/* Whether `bytes` are the start of `whole`, or `whole` is the start of them. */
static bool agrees(struct slice bytes, struct slice whole)
{
    size_t length = bytes.length < whole.length ? bytes.length : whole.length;
    return memcmp(bytes.start, whole.start, length) == 0;
}

/*
 * The part of `*rest` before the next space, which is taken off as well; all of it when there is
 * none.
 */
static struct slice take_word(struct slice *rest)
{
    struct slice word = slice_of(rest->start, slice_find(*rest, ' '));
    *rest = slice_after(*rest, word.length < rest->length ? word.length + 1 : word.length);
    return word;
}

static bool read_port(struct slice text, uint16_t *port)
{
    uint64_t number;
    if (!slice_to_uint64(text, &number) || number > UINT16_MAX)
        return false;
    *port = (uint16_t)number;
    return text.start[0] != '0' || text.length == 1;
}

/* "192.0.2.1 198.51.100.1 4711 443" */
static bool read_v1_addresses(struct slice rest, sa_family_t family,
                              struct proxy_protocol_header *header)
{
    uint16_t source_port, destination_port;
    struct slice source = take_word(&rest), destination = take_word(&rest);
    struct slice source_port_text = take_word(&rest);

    /* What is left is the last port: a space at its end or a fifth word is no number. */
    return read_port(source_port_text, &source_port) && read_port(rest, &destination_port) &&
           address_parse_host(source, source_port, &header->source) &&
           address_parse_host(destination, destination_port, &header->destination) &&
           header->source.any.sa_family == family && header->destination.any.sa_family == family;
}

/* `line` is without its end. */
static bool read_v1_line(struct slice line, struct proxy_protocol_header *header)
{
    header->has_addresses = true;
    if (slice_starts_with(line, SLICE("PROXY TCP4 ")))
        return read_v1_addresses(slice_after(line, 11), AF_INET, header);
    if (slice_starts_with(line, SLICE("PROXY TCP6 ")))
        return read_v1_addresses(slice_after(line, 11), AF_INET6, header);
    header->has_addresses = false;
    return slice_equals(line, SLICE("PROXY UNKNOWN")) ||
           slice_starts_with(line, SLICE("PROXY UNKNOWN "));
}

static enum proxy_protocol_result read_v1(struct slice bytes, struct proxy_protocol_header *header)
{
    if (!agrees(bytes, SLICE("PROXY TCP4 ")) && !agrees(bytes, SLICE("PROXY TCP6 ")) &&
        !agrees(bytes, SLICE("PROXY UNKNOWN")))
        return PROXY_PROTOCOL_MALFORMED;

    struct slice line = slice_of(bytes.start, slice_find(bytes, '\r'));
    if (line.length + 2 > V1_BYTES_MAX || slice_find(line, '\n') < line.length)
        return PROXY_PROTOCOL_MALFORMED;
    if (line.length + 2 > bytes.length)
        return PROXY_PROTOCOL_MORE;
    if (bytes.start[line.length + 1] != '\n' || !read_v1_line(line, header))
        return PROXY_PROTOCOL_MALFORMED;
    header->length = line.length + 2;
    return PROXY_PROTOCOL_DONE;
}

static size_t byte_at(struct slice bytes, size_t at)
{
    return (unsigned char)bytes.start[at];
}

/* Network order. */
static size_t number_at(struct slice bytes, size_t at)
{
    return byte_at(bytes, at) << 8 | byte_at(bytes, at + 1);
}

static struct address v4_at(struct slice bytes, size_t host, size_t port)
{
    struct address address = {.length = sizeof(address.v4)};
    address.v4.sin_family = AF_INET;
    memcpy(&address.v4.sin_addr, bytes.start + host, sizeof(address.v4.sin_addr));
    memcpy(&address.v4.sin_port, bytes.start + port, sizeof(address.v4.sin_port));
    return address;
}

static struct address v6_at(struct slice bytes, size_t host, size_t port)
{
    struct address address = {.length = sizeof(address.v6)};
    address.v6.sin6_family = AF_INET6;
    memcpy(&address.v6.sin6_addr, bytes.start + host, sizeof(address.v6.sin6_addr));
    memcpy(&address.v6.sin6_port, bytes.start + port, sizeof(address.v6.sin6_port));
    return address;
}

/*
 * Padded with NUL bytes, or without any when it fills its field: then it fits no sockaddr_un with
 * an end.
 */
static struct address path_at(struct slice bytes, size_t at)
{
    struct address address = {.length = offsetof(struct sockaddr_un, sun_path)};
    size_t length = strnlen(bytes.start + at, V2_UNIX_PATH_BYTES);

    address.path.sun_family = AF_UNIX;
    if (length > 0 && length < sizeof(address.path.sun_path)) {
        memcpy(address.path.sun_path, bytes.start + at, length);
        address.length += (socklen_t)length + 1;
    }
    return address;
}

/* Bytes that the addresses of this family and transport take; SIZE_MAX when there is no such. */
static size_t v2_address_bytes(size_t family)
{
    switch (family) {
    case 0x00: /* unspecified */
        return 0;
    case 0x11: /* TCP over IPv4 */
        return 12;
    case 0x21: /* TCP over IPv6 */
        return 36;
    case 0x31: /* unix stream */
        return 2 * (size_t)V2_UNIX_PATH_BYTES;
    default: /* datagrams, which a stream cannot have been, or never assigned */
        return SIZE_MAX;
    }
}

static void read_v2_addresses(struct slice bytes, size_t family,
                              struct proxy_protocol_header *header)
{
    size_t at = V2_PREFIX_BYTES;

    header->has_addresses = true;
    if (family == 0x11) {
        header->source = v4_at(bytes, at, at + 8);
        header->destination = v4_at(bytes, at + 4, at + 10);
    } else if (family == 0x21) {
        header->source = v6_at(bytes, at, at + 32);
        header->destination = v6_at(bytes, at + 16, at + 34);
    } else {
        header->source = path_at(bytes, at);
        header->destination = path_at(bytes, at + V2_UNIX_PATH_BYTES);
    }
}

/*
 * Of all `bytes`, taking the four at `zeroed` for zero (RFC 3720, B.4; no table, for it is read
 * once a connection).
 */
static uint32_t crc32c(struct slice bytes, size_t zeroed)
{
    uint32_t crc = UINT32_MAX;

    for (size_t i = 0; i < bytes.length; i++) {
        crc ^= i - zeroed < 4 ? 0 : (uint32_t)byte_at(bytes, i);
        for (int bit = 0; bit < 8; bit++)
            crc = (crc >> 1) ^ (0x82f63b78U & (0U - (crc & 1)));
    }
    return ~crc;
}

static bool checksum_holds(struct slice header, size_t at)
{
    uint32_t sent = (uint32_t)(number_at(header, at) << 16 | number_at(header, at + 2));
    return crc32c(header, at) == sent;
}

/* From `at` to the end there are whole TLVs, with at most one checksum, which holds. */
static bool tlvs_hold(struct slice header, size_t at)
{
    bool has_checksum = false;

    while (at < header.length) {
        if (header.length - at < TLV_PREFIX_BYTES)
            return false;
        size_t type = byte_at(header, at), length = number_at(header, at + 1);
        at += TLV_PREFIX_BYTES;
        if (length > header.length - at)
            return false;
        if (type == TLV_CRC32C) {
            if (has_checksum || length != 4 || !checksum_holds(header, at))
                return false;
            has_checksum = true;
        }
        at += length;
    }
    return true;
}

static enum proxy_protocol_result read_v2_body(struct slice bytes,
                                               struct proxy_protocol_header *header)
{
    size_t family = byte_at(bytes, 13), address_bytes = v2_address_bytes(family);

    header->length = bytes.length;
    header->has_addresses = false;
    /* LOCAL, a health check of the sender's own: family and content mean nothing. */
    if (byte_at(bytes, 12) == 0x20)
        return PROXY_PROTOCOL_DONE;
    if (address_bytes > bytes.length - V2_PREFIX_BYTES ||
        !tlvs_hold(bytes, V2_PREFIX_BYTES + address_bytes))
        return PROXY_PROTOCOL_MALFORMED;
    if (address_bytes > 0)
        read_v2_addresses(bytes, family, header);
    return PROXY_PROTOCOL_DONE;
}

static enum proxy_protocol_result read_v2(struct slice bytes, struct proxy_protocol_header *header)
{
    if (!agrees(bytes, SIGNATURE))
        return PROXY_PROTOCOL_MALFORMED;
    if (bytes.length > 12 && byte_at(bytes, 12) != 0x20 && byte_at(bytes, 12) != 0x21)
        return PROXY_PROTOCOL_MALFORMED;
    if (bytes.length < V2_PREFIX_BYTES)
        return PROXY_PROTOCOL_MORE;

    size_t length = V2_PREFIX_BYTES + number_at(bytes, 14);
    if (length > PROXY_PROTOCOL_BYTES_MAX)
        return PROXY_PROTOCOL_MALFORMED;
    if (length > bytes.length)
        return PROXY_PROTOCOL_MORE;
    return read_v2_body(slice_of(bytes.start, length), header);
}

enum proxy_protocol_result proxy_protocol_read(struct slice bytes, unsigned versions,
                                               struct proxy_protocol_header *header)
{
    *header = (struct proxy_protocol_header){0};
    if (bytes.length == 0)
        return PROXY_PROTOCOL_MORE;
    if (bytes.start[0] == 'P' && (versions & 1) != 0)
        return read_v1(bytes, header);
    if (bytes.start[0] == '\r' && (versions & 2) != 0)
        return read_v2(bytes, header);
    return PROXY_PROTOCOL_MALFORMED;
}
