/*
 * hash — SipHash with one round a word and three at the end.
 */
#include "base/hash.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>

static inline uint64_t rotate(uint64_t word, int bits)
{
    return word << bits | word >> (64 - bits);
}

static inline void sip_round(struct hash_prefix *sip)
{
    sip->v0 += sip->v1;
    sip->v1 = rotate(sip->v1, 13) ^ sip->v0;
    sip->v0 = rotate(sip->v0, 32);
    sip->v2 += sip->v3;
    sip->v3 = rotate(sip->v3, 16) ^ sip->v2;
    sip->v0 += sip->v3;
    sip->v3 = rotate(sip->v3, 21) ^ sip->v0;
    sip->v2 += sip->v1;
    sip->v1 = rotate(sip->v1, 17) ^ sip->v2;
    sip->v2 = rotate(sip->v2, 32);
}

static inline void sip_start(struct hash_prefix *sip, const struct hash_key *key)
{
    sip->v0 = key->low ^ 0x736f6d6570736575;
    sip->v1 = key->high ^ 0x646f72616e646f6d;
    sip->v2 = key->low ^ 0x6c7967656e657261;
    sip->v3 = key->high ^ 0x7465646279746573;
}

static inline void sip_word(struct hash_prefix *sip, uint64_t word)
{
    sip->v3 ^= word;
    sip_round(sip);
    sip->v0 ^= word;
}

/* Little-endian, as the definition has it. */
static inline uint64_t load(const char *start)
{
    uint64_t word;
    memcpy(&word, start, sizeof(word));
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    word = __builtin_bswap64(word);
#endif
    return word;
}

static inline uint64_t load_half(const char *start)
{
    uint32_t word;
    memcpy(&word, start, sizeof(word));
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    word = __builtin_bswap32(word);
#endif
    return word;
}

/* Of fewer bytes than a word has: in pieces that overlap, since memcpy() of a length that the
 * compiler does not know is a call. */
static inline uint64_t load_rest(const char *start, size_t bytes)
{
    if (bytes >= 4)
        return load_half(start) | load_half(start + bytes - 4) << 8 * (bytes - 4);
    if (bytes == 0)
        return 0;
    const unsigned char *at = (const unsigned char *)start;
    return at[0] | (uint64_t)at[bytes / 2] << 8 * (bytes / 2) |
           (uint64_t)at[bytes - 1] << 8 * (bytes - 1);
}

/* All whole words of the slice; what is left comes back, zero-padded. */
static inline uint64_t sip_words(struct hash_prefix *sip, struct slice slice)
{
    while (slice.length >= 8) {
        sip_word(sip, load(slice.start));
        slice = slice_after(slice, 8);
    }
    return load_rest(slice.start, slice.length);
}

static inline uint64_t sip_finish(struct hash_prefix *sip)
{
    for (int i = 0; i < 3; i++)
        sip_round(sip);
    return sip->v0 ^ sip->v1 ^ sip->v2 ^ sip->v3;
}

static inline uint64_t sip_end(struct hash_prefix *sip, uint64_t rest, size_t length)
{
    sip_word(sip, rest | (uint64_t)length << 56);
    sip->v2 ^= 0xff;
    return sip_finish(sip);
}

void hash_key_init(struct hash_key *key)
{
    if (getrandom(key, sizeof(*key), 0) == (ssize_t)sizeof(*key))
        return;
    fprintf(stderr, "moongate: the kernel gives no random bytes\n");
    abort();
}

uint64_t hash_slice(const struct hash_key *key, struct slice slice)
{
    struct hash_prefix sip;
    sip_start(&sip, key);
    uint64_t rest = sip_words(&sip, slice);
    return sip_end(&sip, rest, slice.length);
}

struct hash_prefix hash_prefix_of(const struct hash_key *key, struct slice one)
{
    struct hash_prefix sip;
    sip_start(&sip, key);
    sip_word(&sip, one.length);
    sip_word(&sip, sip_words(&sip, one));
    return sip;
}

uint64_t hash_after(const struct hash_prefix *prefix, struct slice other)
{
    struct hash_prefix sip = *prefix;
    uint64_t rest = sip_words(&sip, other);
    return sip_end(&sip, rest, other.length);
}

uint64_t hash_pair(const struct hash_key *key, struct slice one, struct slice other)
{
    struct hash_prefix prefix = hash_prefix_of(key, one);
    return hash_after(&prefix, other);
}

/* The second half as SipHash of 128 bits has it. */
struct hash_wide hash_pair_wide(const struct hash_key *key, struct slice one, struct slice other)
{
    struct hash_prefix sip;
    sip_start(&sip, key);
    sip_word(&sip, one.length);
    sip_word(&sip, sip_words(&sip, one));
    uint64_t rest = sip_words(&sip, other);
    uint64_t low = sip_end(&sip, rest, other.length);
    sip.v1 ^= 0xdd;
    return (struct hash_wide){low, sip_finish(&sip)};
}
