/*
 * abi_crypto — what Lua may call for digests, encodings, keys and tokens.
 *
 * As abi.h, which it follows in the text that Lua loads.
 */

/* ---- digests, encodings, random bytes; results are written where the caller made room ---- */

/* 32 bytes. False only where the library refuses. */
bool moon_sha256(const char *bytes, size_t length, char *digest);
bool moon_hmac_sha256(const char *key, size_t key_length, const char *bytes, size_t length,
                      char *digest);
/* HKDF of RFC 5869 with SHA-256; `parts`: secret, salt, info. Up to 8160 bytes; false beyond, and
 * for an empty secret. */
bool moon_hkdf_sha256(const struct slice *parts, char *key, size_t length);
/*
 * AES-256-GCM (crypto/aead.h). `parts`: key (32 bytes), nonce (24 bytes), what it is bound to, the
 * text; sealed it is 16 bytes longer. Opening: false unless all is as it was.
 */
bool moon_seal(const struct slice *parts, char *sealed);
bool moon_open(const struct slice *parts, char *text);
/* From the system's cryptographic source. */
bool moon_random(char *bytes, size_t length);
/* In a time that depends on the length alone. */
bool moon_equals(const char *one, const char *other, size_t length);
/* Whether the bytes are UTF-8 (RFC 3629). */
bool moon_is_utf8(const char *text, size_t length);
/* Twice as many bytes; lower case. Decoding takes either case, false for what is not hex. */
void moon_hex_encode(const char *bytes, size_t length, char *text);
bool moon_hex_decode(const char *text, size_t length, char *bytes);
/* RFC 4648, 4; `is_url`: section 5, without padding. At most 4 for every 3 bytes begun; returns
 * how many. */
size_t moon_base64_encode(const char *bytes, size_t length, bool is_url, char *text);
/* Never longer than the text; returns the length, -1 for what moon_base64_encode would not write.
 */
double moon_base64_decode(const char *text, size_t length, bool is_url, char *bytes);

/*
 * ---- signatures of tokens (crypto/jws_key.h) and how tokens are made ----
 *
 * A key is for one algorithm, and has a number that no other key ever has. `parts` of a key are the
 * algorithm's name, then, by its form: the secret; the PEM text; modulus and exponent; x and y;
 * "Ed25519" or "Ed448" and x. All but the PEM are bytes. Keys live until they are forgotten, at
 * most as long as the generation.
 */

enum moon_jws_form {
    MOON_JWS_SECRET,
    MOON_JWS_PEM,
    MOON_JWS_RSA,
    MOON_JWS_POINT,
    MOON_JWS_EDWARDS
};
/* The key's number, or -1 with a sentence in `error`. Also while the generation is built. */
double moon_jws_key(struct generation *generation, int form, const struct slice *parts,
                    struct slice *error);
/* What a public key or certificate in PEM is for; false with a sentence instead of the name. */
bool moon_jws_pem_algorithm(const char *pem, size_t length, struct slice *name);
void moon_jws_forget(struct generation *generation, double key);
/* Whether the signature of HEADER.PAYLOAD.SIGNATURE is that of the key; false, too, for a number
 * that is no key's. */
bool moon_jws_verifies(struct generation *generation, double key, const char *token, size_t length);
/* `parts`: algorithm, key (a secret's bytes, or a private key in PEM), further header parameters
 * and claims as JSON objects. Returns the token's length, -1 when libjwt cannot, or `room` is less.
 */
double moon_jwt_mint(const struct slice *parts, char *token, size_t room);
