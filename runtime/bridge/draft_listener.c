/*
 * draft_listener — an address to listen on: its line in the plan, and its options with TLS ready to
 * use.
 */
#include <openssl/ssl.h>
#include <stdio.h>

#include "base/mem.h"
#include "bridge/draft.h"
#include "bridge/exports.h"
#include "gateway/protocols.h"
#include "net/tls_registry.h"

/* Of the ALPN list (RFC 7301) that a listener offers. */
#define ALPN_BYTES_MAX 256

static double refuse(struct draft *draft, struct slice error)
{
    draft->error = error;
    return -1;
}

/* All protocols that have a name in ALPN, or the one that the listener names. */
static size_t write_alpn(const struct http_protocol *only, unsigned char alpn[ALPN_BYTES_MAX])
{
    size_t length = 0;
    const struct http_protocol *protocol;

    for (size_t i = 0; (protocol = protocols_at(i)) != NULL; i++) {
        size_t name_length = protocol->alpn != NULL ? strlen(protocol->alpn) : 0;
        if (name_length == 0 || (only != NULL && only != protocol) ||
            length + name_length + 1 > ALPN_BYTES_MAX)
            continue;
        alpn[length] = (unsigned char)name_length;
        memcpy(alpn + length + 1, protocol->alpn, name_length);
        length += name_length + 1;
    }
    return length;
}

/* NULL with draft->error when one cannot be read. */
static const struct tls_identity *identities(struct generation *generation, size_t *count)
{
    struct draft *draft = generation->draft;
    struct tls_identity *list =
        arena_zeroed(&draft->scratch, (draft->entry_count + 1) * sizeof(*list));

    *count = 0;
    for (size_t i = 0; i < draft->entry_count; i++) {
        const struct draft_entry *entry = &draft->entries[i];
        if (entry->which != DRAFT_PAIR + MOON_BUILD_CERTIFICATE)
            continue;
        struct tls_identity *identity = &list[(*count)++];
        if (!draft_pem(generation, entry->value, &identity->key) ||
            !draft_pem(generation, entry->name, &identity->certificate))
            return NULL;
    }
    return list;
}

static bool finish_tls(struct generation *generation, struct listen_options *options)
{
    struct draft *draft = generation->draft;
    unsigned char alpn[ALPN_BYTES_MAX];
    char error[TLS_CONTEXT_ERROR_BYTES];
    struct tls_server_options tls = {
        .client_certificate =
            (enum tls_client_certificate)draft_count(draft, MOON_BUILD_TLS_CLIENT, 0),
        .alpn = alpn,
        .alpn_length = write_alpn(options->protocol, alpn),
        .takes_expired_lists = draft_number(draft, MOON_BUILD_CLIENT_CRL_EXPIRED, 0) != 0,
        .version_min =
            draft_count(draft, MOON_BUILD_TLS_VERSION, 2) == 3 ? TLS1_3_VERSION : TLS1_2_VERSION,
    };

    tls.identities = identities(generation, &tls.identity_count);
    if (tls.identities == NULL)
        return false;
    if (tls.identity_count == 0)
        return true;
    if (!draft_pem(generation, draft->texts[MOON_BUILD_CLIENT_CA], &tls.client_authority) ||
        !draft_pem(generation, draft->texts[MOON_BUILD_CLIENT_CRL], &tls.revoked))
        return false;
    options->listener.tls = tls_registry_server(&tls, error);
    if (options->listener.tls == NULL)
        draft->error = arena_copy(&draft->scratch, slice_from_string(error));
    return options->listener.tls != NULL;
}

static void add_to_plan(struct generation *generation, struct slice address, bool is_admin)
{
    struct plan *plan = &generation->plan;
    struct plan_listener *listener = &plan->listeners[plan->listener_count++];
    struct slice source = draft_text(generation->draft, MOON_BUILD_SOURCE, SLICE(""));

    *listener = (struct plan_listener){.is_admin = is_admin};
    snprintf(listener->address, sizeof(listener->address), "%.*s", SLICE_FORMAT(address));
    snprintf(listener->source, sizeof(listener->source), "%.*s", SLICE_FORMAT(source));
}

double draft_finish_listener(struct generation *generation)
{
    struct draft *draft = generation->draft;
    struct slice address = draft_text(draft, MOON_BUILD_ADDRESS, SLICE(""));
    struct slice protocol = draft_text(draft, MOON_BUILD_LISTENER_PROTOCOL, SLICE(""));
    struct address parsed;

    if (generation->plan.listener_count == PLAN_LISTENERS_MAX)
        return refuse(draft, SLICE("too many listeners; expected at most 64"));
    if (address.length >= ADDRESS_TEXT_BYTES || !address_parse(address, &parsed))
        return refuse(draft,
                      arena_format(&draft->scratch, "\"%.*s\" is not an address to listen on",
                                   SLICE_FORMAT(address)));
    struct listen_options options = {
        .name = arena_copy(&generation->arena, address),
        .is_admin = draft_number(draft, MOON_BUILD_ADMIN, 0) != 0,
        .protocol = protocol.length > 0 ? protocols_find(protocol) : NULL,
        .listener.proxy_protocol =
            (enum listener_proxy_protocol)draft_count(draft, MOON_BUILD_PROXY_PROTOCOL, 0),
    };
    if (protocol.length > 0 && options.protocol == NULL)
        return refuse(draft, arena_format(&draft->scratch, "unknown protocol \"%.*s\"",
                                          SLICE_FORMAT(protocol)));
    options.listener.proxy_sources =
        draft_blocks(generation, MOON_BUILD_PROXY_SOURCE, &options.listener.proxy_source_count);
    if (options.listener.proxy_sources == NULL || !finish_tls(generation, &options))
        return -1;
    generation->listeners[generation->plan.listener_count] = options;
    add_to_plan(generation, address, options.is_admin);
    return (double)generation->plan.listener_count - 1;
}
