/*
 * tls_sessions — a short list in order of use.
 *
 * Walked from the front: one comparison per session kept, a microsecond at its fullest,
 * paid once for each new connection, which costs hundreds.
 */
#include "net/tls_sessions.h"

#include <assert.h>
#include <string.h>

#include "base/mem.h"

struct tls_session {
    struct list node;
    SSL_SESSION *session;
    char *key;
};

void tls_sessions_init(struct tls_sessions *sessions)
{
    list_init(&sessions->kept);
    sessions->count = 0;
}

static void drop(struct tls_sessions *sessions, struct tls_session *kept)
{
    assert(sessions->count > 0);

    list_remove(&kept->node);
    sessions->count--;
    SSL_SESSION_free(kept->session);
    free(kept->key);
    free(kept);
}

static struct tls_session *find(struct tls_sessions *sessions, const char *key)
{
    for (struct list *at = sessions->kept.next; at != &sessions->kept; at = at->next) {
        struct tls_session *kept = CONTAINER_OF(at, struct tls_session, node);
        if (strcmp(kept->key, key) == 0)
            return kept;
    }
    return NULL;
}

void tls_sessions_clear(struct tls_sessions *sessions)
{
    while (!list_is_empty(&sessions->kept))
        drop(sessions, CONTAINER_OF(sessions->kept.next, struct tls_session, node));
}

void tls_sessions_put(struct tls_sessions *sessions, const char *key, SSL_SESSION *session)
{
    tls_sessions_remove(sessions, key);
    if (sessions->count == TLS_SESSIONS_MAX)
        drop(sessions, CONTAINER_OF(sessions->kept.prev, struct tls_session, node));

    struct tls_session *kept = mem_zeroed(sizeof(*kept));
    kept->key = mem_string(key);
    kept->session = session;
    list_push_front(&sessions->kept, &kept->node);
    sessions->count++;
}

SSL_SESSION *tls_sessions_find(struct tls_sessions *sessions, const char *key)
{
    struct tls_session *kept = find(sessions, key);

    if (kept == NULL)
        return NULL;
    list_remove(&kept->node);
    list_push_front(&sessions->kept, &kept->node);
    return kept->session;
}

void tls_sessions_remove(struct tls_sessions *sessions, const char *key)
{
    struct tls_session *kept = find(sessions, key);

    if (kept != NULL)
        drop(sessions, kept);
}
