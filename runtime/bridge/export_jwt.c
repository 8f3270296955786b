/*
 * export_jwt — tokens minted for Lua, by libjwt.
 *
 * libjwt signs and nothing else: what it parses it does not parse strictly (any spelling of
 * base64url, numbers of any kind for times), it knows neither PS256 nor EdDSA nor JWK, reads the
 * PEM again for each token, and leaves the algorithm to the token. See crypto/jws_key.h.
 */
#include <jwt.h>
#include <openssl/crypto.h>

#include "base/mem.h"
#include "bridge/exports.h"

#define KEY_BYTES_MAX 65536

static bool fill(jwt_t *token, jwt_alg_t algorithm, struct slice key, const char *header,
                 const char *claims)
{
    return jwt_set_alg(token, algorithm, (const unsigned char *)key.start, (int)key.length) == 0 &&
           jwt_add_headers_json(token, header) == 0 && jwt_add_grants_json(token, claims) == 0;
}

/* Copies what was minted, which libjwt owns; -1 when nothing was, or it has no room. */
static double hand_over(char *minted, char *token, size_t room)
{
    size_t length = minted != NULL ? strlen(minted) : 0;
    bool fits = length > 0 && length <= room;

    if (fits)
        memcpy(token, minted, length);
    free(minted);
    return fits ? (double)length : -1;
}

double moon_jwt_mint(const struct slice *parts, char *token, size_t room)
{
    char *name = slice_to_string(parts[0]), *key = slice_to_string(parts[1]);
    char *header = slice_to_string(parts[2]), *claims = slice_to_string(parts[3]);
    jwt_alg_t algorithm = jwt_str_alg(name);
    jwt_t *made = NULL;
    char *minted = NULL;

    if (algorithm != JWT_ALG_INVAL && algorithm != JWT_ALG_NONE &&
        parts[1].length < KEY_BYTES_MAX && jwt_new(&made) == 0 &&
        fill(made, algorithm, slice_of(key, parts[1].length), header, claims))
        minted = jwt_encode_str(made);
    jwt_free(made);
    OPENSSL_cleanse(key, parts[1].length);
    free(name);
    free(key);
    free(header);
    free(claims);
    return hand_over(minted, token, room);
}
