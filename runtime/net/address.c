/*
 * address — reading, writing and comparing socket addresses.
 */
#include "net/address.h"

#include <arpa/inet.h>
#include <stdio.h>

static const unsigned char V4_MAPPED[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

/* A host's bytes in network order; a v4-mapped v6 host is its v4. */
struct host {
    int family; /* AF_UNSPEC: has no host */
    unsigned char bytes[16];
};

static void set_v4(struct address *address, struct in_addr host, uint16_t port)
{
    *address = (struct address){.length = sizeof(address->v4)};
    address->v4 =
        (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons(port), .sin_addr = host};
}

static void set_v6(struct address *address, struct in6_addr host, uint16_t port)
{
    *address = (struct address){.length = sizeof(address->v6)};
    address->v6 =
        (struct sockaddr_in6){.sin6_family = AF_INET6, .sin6_port = htons(port), .sin6_addr = host};
}

/* A port or a prefix length: 0 to 65535, without leading zeros. */
static bool parse_number(struct slice text, uint16_t *number)
{
    uint64_t value;
    if (!slice_to_uint64(text, &value) || value > UINT16_MAX)
        return false;
    if (text.start[0] == '0' && text.length > 1)
        return false;
    *number = (uint16_t)value;
    return true;
}

static bool parse_path(struct slice path, struct address *address)
{
    if (path.length == 0 || path.start[0] != '/' || path.length >= sizeof(address->path.sun_path))
        return false;
    if (memchr(path.start, '\0', path.length) != NULL)
        return false;
    *address = (struct address){
        .length = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + path.length + 1)};
    address->path = (struct sockaddr_un){.sun_family = AF_UNIX};
    memcpy(address->path.sun_path, path.start, path.length);
    return true;
}

bool address_parse_host(struct slice host, uint16_t port, struct address *address)
{
    char text[INET6_ADDRSTRLEN];
    struct in_addr v4;
    struct in6_addr v6;

    if (host.length == 0 || host.length >= sizeof(text) ||
        memchr(host.start, '\0', host.length) != NULL)
        return false;
    memcpy(text, host.start, host.length);
    text[host.length] = '\0';

    if (inet_pton(AF_INET, text, &v4) == 1)
        set_v4(address, v4, port);
    else if (inet_pton(AF_INET6, text, &v6) == 1)
        set_v6(address, v6, port);
    else
        return false;
    return true;
}

/* `text` begins with a bracket. */
static bool parse_bracketed(struct slice text, struct address *address)
{
    uint16_t port;
    size_t end = slice_find(text, ']');

    if (text.length - end < 2 || text.start[end + 1] != ':')
        return false;
    return parse_number(slice_after(text, end + 2), &port) &&
           address_parse_host(slice_of(text.start + 1, end - 1), port, address) &&
           address->any.sa_family == AF_INET6;
}

bool address_parse(struct slice text, struct address *address)
{
    uint16_t port;

    if (slice_starts_with(text, SLICE("unix:")))
        return parse_path(slice_after(text, 5), address);
    if (slice_starts_with(text, SLICE("[")))
        return parse_bracketed(text, address);

    size_t colon = slice_find(text, ':');
    if (colon == text.length || !parse_number(slice_after(text, colon + 1), &port))
        return false;
    if (colon == 0) {
        set_v6(address, in6addr_any, port);
        address->both_families = true;
        return true;
    }
    return address_parse_host(slice_of(text.start, colon), port, address);
}

void address_from_socket(const struct sockaddr *socket_address, socklen_t length,
                         struct address *address)
{
    *address = (struct address){0};
    if (length < sizeof(socket_address->sa_family) || length > sizeof(address->path))
        return;
    sa_family_t family = socket_address->sa_family;
    if ((family == AF_INET && length == sizeof(address->v4)) ||
        (family == AF_INET6 && length == sizeof(address->v6)) || family == AF_UNIX) {
        memcpy(&address->path, socket_address, length);
        address->length = length;
    }
}

static struct host host_of(const struct address *address)
{
    struct host host = {.family = AF_UNSPEC};

    if (address->length == 0 || address->any.sa_family == AF_UNIX)
        return host;
    if (address->any.sa_family == AF_INET) {
        host.family = AF_INET;
        memcpy(host.bytes, &address->v4.sin_addr, 4);
    } else if (IN6_IS_ADDR_V4MAPPED(&address->v6.sin6_addr)) {
        host.family = AF_INET;
        memcpy(host.bytes, address->v6.sin6_addr.s6_addr + sizeof(V4_MAPPED), 4);
    } else {
        host.family = AF_INET6;
        memcpy(host.bytes, &address->v6.sin6_addr, 16);
    }
    return host;
}

/* The path of a unix socket; empty when unnamed or abstract. */
static struct slice path_of(const struct address *address)
{
    size_t before = offsetof(struct sockaddr_un, sun_path);
    if (address->length <= before)
        return slice_of(address->path.sun_path, 0);
    return slice_of(address->path.sun_path,
                    strnlen(address->path.sun_path, address->length - before));
}

static struct slice printed(const char *text, int length)
{
    return slice_of(text, (size_t)length);
}

struct slice address_format(const struct address *address, char text[ADDRESS_TEXT_BYTES])
{
    struct host host = host_of(address);
    char name[INET6_ADDRSTRLEN];

    if (address->length == 0)
        return printed(text, snprintf(text, ADDRESS_TEXT_BYTES, "unknown"));
    if (address->both_families)
        return printed(text, snprintf(text, ADDRESS_TEXT_BYTES, ":%u", address_port(address)));
    if (host.family == AF_UNSPEC) {
        struct slice path = path_of(address);
        return printed(text, snprintf(text, ADDRESS_TEXT_BYTES, "unix%s%.*s",
                                      path.length > 0 ? ":" : "", SLICE_FORMAT(path)));
    }
    inet_ntop(host.family, host.bytes, name, sizeof(name));
    return printed(text,
                   snprintf(text, ADDRESS_TEXT_BYTES, host.family == AF_INET ? "%s:%u" : "[%s]:%u",
                            name, address_port(address)));
}

static char *put_octet(char *at, unsigned octet)
{
    if (octet >= 100)
        *at++ = (char)('0' + octet / 100);
    if (octet >= 10)
        *at++ = (char)('0' + octet / 10 % 10);
    *at++ = (char)('0' + octet % 10);
    return at;
}

/* Each connection asks for it, and inet_ntop() takes a tenth of what one costs. */
static struct slice format_v4(const uint8_t octets[4], char *text)
{
    char *end = put_octet(text, octets[0]);

    for (int i = 1; i < 4; i++) {
        *end++ = '.';
        end = put_octet(end, octets[i]);
    }
    *end = '\0';
    return slice_of(text, (size_t)(end - text));
}

struct slice address_format_host(const struct address *address, char text[ADDRESS_TEXT_BYTES])
{
    struct host host = host_of(address);

    if (host.family == AF_UNSPEC)
        return printed(text, snprintf(text, ADDRESS_TEXT_BYTES, "%s",
                                      address->length == 0 ? "unknown" : "unix"));
    if (host.family == AF_INET)
        return format_v4(host.bytes, text);
    inet_ntop(host.family, host.bytes, text, ADDRESS_TEXT_BYTES);
    return slice_from_string(text);
}

uint16_t address_port(const struct address *address)
{
    if (address->length == 0 || address->any.sa_family == AF_UNIX)
        return 0;
    return ntohs(address->any.sa_family == AF_INET ? address->v4.sin_port : address->v6.sin6_port);
}

bool address_is_loopback(const struct address *address)
{
    struct host host = host_of(address);

    if (host.family == AF_UNSPEC)
        return address->length > 0;
    if (host.family == AF_INET)
        return host.bytes[0] == 127;
    return memcmp(host.bytes, &in6addr_loopback, 16) == 0;
}

bool address_equals(const struct address *one, const struct address *other)
{
    struct host first = host_of(one), second = host_of(other);

    if (one->length == 0 || other->length == 0 || first.family != second.family)
        return false;
    if (first.family == AF_UNSPEC)
        return path_of(one).length > 0 && slice_equals(path_of(one), path_of(other));
    return memcmp(first.bytes, second.bytes, sizeof(first.bytes)) == 0 &&
           address_port(one) == address_port(other) && one->both_families == other->both_families;
}

/* Whether the first `bits` bits are equal. */
static bool prefix_equals(const unsigned char *one, const unsigned char *other, unsigned bits)
{
    unsigned whole = bits / 8, rest = bits % 8;

    if (memcmp(one, other, whole) != 0)
        return false;
    return rest == 0 || ((one[whole] ^ other[whole]) >> (8 - rest)) == 0;
}

static bool has_bits_beyond(const unsigned char bytes[16], unsigned bits)
{
    for (unsigned i = bits; i < 128; i++) {
        if (bytes[i / 8] & (0x80 >> (i % 8)))
            return true;
    }
    return false;
}

bool address_block_parse(struct slice text, struct address_block *block)
{
    struct address address;
    size_t slash = slice_find(text, '/');

    if (!address_parse_host(slice_of(text.start, slash), 0, &address))
        return false;
    struct host host = host_of(&address);
    uint16_t bits_max = address.any.sa_family == AF_INET ? 32 : 128;
    uint16_t bits = bits_max;
    if (slash < text.length && !parse_number(slice_after(text, slash + 1), &bits))
        return false;
    /* "::ffff:10.0.0.0/104" counts v6's bits, of which v4 has the last 32. */
    unsigned bits_before = bits_max == 128 && host.family == AF_INET ? 96 : 0;
    if (bits > bits_max || bits < bits_before)
        return false;

    block->family = host.family;
    block->bits = bits - bits_before;
    memcpy(block->bytes, host.bytes, sizeof(block->bytes));
    return !has_bits_beyond(block->bytes, block->bits);
}

bool address_block_contains(const struct address_block *block, const struct address *address)
{
    struct host host = host_of(address);
    return host.family == block->family && prefix_equals(host.bytes, block->bytes, block->bits);
}

bool address_block_of(const struct address *address, struct address_block *block)
{
    struct host host = host_of(address);

    block->family = host.family;
    block->bits = host.family == AF_INET ? 32 : 128;
    memcpy(block->bytes, host.bytes, sizeof(block->bytes));
    return host.family != AF_UNSPEC;
}
