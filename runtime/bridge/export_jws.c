/*
 * export_jws — keys that verify signatures, made and used for Lua.
 */
#include "bridge/exports.h"
#include "bridge/generation_private.h"
#include "crypto/jws_algorithm.h"

/* Of a form of enum moon_jws_form; `parts` begin with the algorithm's name. */
static struct jws_key *make(const struct jws_algorithm *algorithm, int form,
                            const struct slice *parts, const char **why)
{
    switch ((enum moon_jws_form)form) {
    case MOON_JWS_SECRET:
        return jws_key_of_secret(algorithm, parts[1], why);
    case MOON_JWS_PEM:
        return jws_key_of_pem(algorithm, parts[1], why);
    case MOON_JWS_RSA:
        return jws_key_of_rsa(algorithm, parts[1], parts[2], why);
    case MOON_JWS_POINT:
        return jws_key_of_point(algorithm, parts[1], parts[2], why);
    case MOON_JWS_EDWARDS:
        return jws_key_of_edwards(algorithm, parts[1], parts[2], why);
    }
    *why = "there is no such form of keys";
    return NULL;
}

double moon_jws_key(struct generation *generation, int form, const struct slice *parts,
                    struct slice *error)
{
    const struct jws_algorithm *algorithm = jws_algorithm_of(parts[0]);
    const char *why = "the algorithm is not known; expected HS256, HS384, HS512, RS256, RS384, "
                      "RS512, PS256, PS384, PS512, ES256, ES384, ES512 or EdDSA";
    struct jws_key *key = algorithm != NULL ? make(algorithm, form, parts, &why) : NULL;
    double number = KEY_RING_NONE;

    if (key != NULL) {
        number = key_ring_add(&generation->keys, &key);
        why = "there are 65536 keys already";
    }
    *error = number == KEY_RING_NONE ? slice_from_string(why) : SLICE_NONE;
    return number;
}

bool moon_jws_pem_algorithm(const char *pem, size_t length, struct slice *name)
{
    const char *why;
    const struct jws_algorithm *algorithm = jws_key_pem_algorithm(exports_slice(pem, length), &why);

    *name = algorithm != NULL ? algorithm->name : slice_from_string(why);
    return algorithm != NULL;
}

void moon_jws_forget(struct generation *generation, double key)
{
    key_ring_remove(&generation->keys, key);
}

bool moon_jws_verifies(struct generation *generation, double key, const char *token, size_t length)
{
    const struct jws_key *known = key_ring_find(&generation->keys, key);
    return known != NULL && jws_key_verifies_token(known, exports_slice(token, length));
}
