/*
 * digester — one algorithm, one context.
 */
#include "crypto/digester.h"

#include <assert.h>
#include <openssl/evp.h>

#include "base/mem.h"

struct digester {
    EVP_MD *algorithm;
    EVP_MD_CTX *context;
};

struct digester *digester_create(void)
{
    struct digester *digester = mem_zeroed(sizeof(*digester));
    digester->algorithm = EVP_MD_fetch(NULL, "SHA256", NULL);
    digester->context = EVP_MD_CTX_new();
    assert(digester->algorithm != NULL && digester->context != NULL);
    return digester;
}

void digester_destroy(struct digester **digester)
{
    EVP_MD_CTX_free((*digester)->context);
    EVP_MD_free((*digester)->algorithm);
    free(*digester);
    *digester = NULL;
}

bool digester_sha256(struct digester *digester, struct slice bytes, char *digest)
{
    EVP_MD_CTX *context = digester->context;
    return EVP_DigestInit_ex(context, digester->algorithm, NULL) == 1 &&
           EVP_DigestUpdate(context, bytes.start, bytes.length) == 1 &&
           EVP_DigestFinal_ex(context, (unsigned char *)digest, NULL) == 1;
}
