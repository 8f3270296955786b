/*
 * hash — SipHash with one round a word and three at the end.
 */
#include "base/hash.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>

struct sip {
    uint64_t v0, v1, v2, v3;
};

static inline uint64_t rotate(uint64_t word, int bits)
{
    return word << bits | word >> (64 - bits);
}

static inline void sip_round(struct sip *sip)
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

static void sip_start(struct sip *sip, const struct hash_key *key)
{
    sip->v0 = key->low ^ 0x736f6d6570736575;
    sip->v1 = key->high ^ 0x646f72616e646f6d;
    sip->v2 = key->low ^ 0x6c7967656e657261;
    sip->v3 = key->high ^ 0x7465646279746573;
}

static inline void sip_word(struct sip *sip, uint64_t word)
{
    sip->v3 ^= word;
    sip_round(sip);
    sip->v0 ^= word;
}

/* Little-endian, as the definition has it; `bytes` is at most 8. */
static inline uint64_t load(const char *start, size_t bytes)
{
    uint64_t word = 0;
    if (bytes > 0)
        memcpy(&word, start, bytes);
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    word = __builtin_bswap64(word);
#endif
    return word;
}

/* All whole words of the slice; what is left comes back, zero-padded. */
static inline uint64_t sip_words(struct sip *sip, struct slice slice)
{
    while (slice.length >= 8) {
        sip_word(sip, load(slice.start, 8));
        slice = slice_after(slice, 8);
    }
    return load(slice.start, slice.length);
}

static uint64_t sip_end(struct sip *sip, uint64_t rest, size_t length)
{
    sip_word(sip, rest | (uint64_t)length << 56);
    sip->v2 ^= 0xff;
    for (int i = 0; i < 3; i++)
        sip_round(sip);
    return sip->v0 ^ sip->v1 ^ sip->v2 ^ sip->v3;
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
    struct sip sip;
    sip_start(&sip, key);
    uint64_t rest = sip_words(&sip, slice);
    return sip_end(&sip, rest, slice.length);
}

uint64_t hash_pair(const struct hash_key *key, struct slice one, struct slice other)
{
    struct sip sip;
    sip_start(&sip, key);
    sip_word(&sip, one.length);
    sip_word(&sip, sip_words(&sip, one));
    uint64_t rest = sip_words(&sip, other);
    return sip_end(&sip, rest, other.length);
}
