/*
 * request_ids — takes ids off the end of a block of random bytes, and wipes what it took.
 */
#include "gateway/request_ids.h"

#include <openssl/rand.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"

static void refill(struct request_ids *ids)
{
    if (RAND_bytes(ids->random, sizeof(ids->random)) != 1) {
        log_write(LOG_ERROR, "the system has no random bytes");
        log_stop();
        abort();
    }
    ids->left = REQUEST_IDS_AT_A_TIME;
}

void request_ids_next(struct request_ids *ids, char text[REQUEST_ID_TEXT_BYTES])
{
    static const char DIGITS[] = "0123456789abcdef";

    if (ids->left == 0)
        refill(ids);
    unsigned char *random = ids->random + --ids->left * REQUEST_ID_BYTES;
    for (size_t i = 0; i < REQUEST_ID_BYTES; i++) {
        text[2 * i] = DIGITS[random[i] >> 4];
        text[2 * i + 1] = DIGITS[random[i] & 15];
    }
    memset(random, 0, REQUEST_ID_BYTES);
}
