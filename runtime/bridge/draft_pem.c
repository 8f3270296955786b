/*
 * draft_pem — certificates, keys and authorities of a configuration: a path, or the text itself.
 */
#include "base/mem.h"
#include "bridge/bundle.h"
#include "bridge/draft.h"

bool draft_pem(struct generation *generation, struct slice given, struct tls_pem *pem)
{
    struct draft *draft = generation->draft;

    *pem = (struct tls_pem){.text = SLICE_NONE};
    if (given.start == NULL)
        return true;
    if (slice_starts_with(given, SLICE("-----BEGIN"))) {
        *pem = (struct tls_pem){.name = SLICE("the PEM text"), .text = given};
        return true;
    }
    int error = bundle_read(generation->bundle, given, &pem->text);
    pem->name = given;
    if (error != 0)
        draft->error = arena_format(&draft->scratch, "%.*s: %s", SLICE_FORMAT(given),
                                    bundle_error_text(error));
    return error == 0;
}
