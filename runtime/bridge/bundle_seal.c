/*
 * bundle_seal — a bundle as a run of bytes in a memfd: a header, its entries in order, their bytes.
 *
 * Made and read by the same binary, so numbers are as they are in memory. The reader trusts
 * nothing: the process that made it had plugins in it.
 */
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/descriptor.h"
#include "base/mem.h"
#include "bridge/bundle_private.h"

#define MAGIC        "moon1"
#define DIGEST_BYTES 32

struct sealed_header {
    char magic[8];
    uint64_t count;
    unsigned char digest[DIGEST_BYTES];
};

/* Its path and its content follow those of the entry before. */
struct sealed_entry {
    uint32_t kind;
    int32_t error;
    uint64_t path_bytes, content_bytes;
};

static void digest_number(EVP_MD_CTX *context, uint64_t number)
{
    EVP_DigestUpdate(context, &number, sizeof(number));
}

/* With their lengths, so that no two lists of files are one run of bytes. */
static void digest_files(struct bundle_entry *const *entries, size_t count, unsigned char *digest)
{
    EVP_MD_CTX *context = EVP_MD_CTX_new();

    if (context == NULL || EVP_DigestInit_ex(context, EVP_sha256(), NULL) != 1) {
        fprintf(stderr, "moongate: OpenSSL has no SHA-256\n");
        abort();
    }
    for (size_t i = 0; i < count; i++) {
        const struct bundle_entry *entry = entries[i];
        if (entry->kind != BUNDLE_FILE || entry->error != 0)
            continue;
        digest_number(context, entry->path.length);
        EVP_DigestUpdate(context, entry->path.start, entry->path.length);
        digest_number(context, entry->content.length);
        EVP_DigestUpdate(context, entry->content.start, entry->content.length);
    }
    EVP_DigestFinal_ex(context, digest, NULL);
    EVP_MD_CTX_free(context);
}

static int by_path(const void *one, const void *other)
{
    return bundle_compare(*(struct bundle_entry *const *)one, *(struct bundle_entry *const *)other);
}

/* An array of the heap. */
static struct bundle_entry **sorted(const struct bundle *bundle)
{
    struct bundle_entry **entries = mem_zeroed_array(bundle->count + 1, sizeof(*entries));

    if (bundle->count > 0)
        memcpy(entries, bundle->entries, bundle->count * sizeof(*entries));
    qsort(entries, bundle->count, sizeof(*entries), by_path);
    return entries;
}

static char *put(char *to, const void *bytes, size_t length)
{
    if (length > 0)
        memcpy(to, bytes, length);
    return to + length;
}

static void write_to(char *at, const struct bundle *bundle, struct bundle_entry *const *entries)
{
    size_t count = bundle->count;
    struct sealed_header header = {.magic = MAGIC, .count = count};

    digest_files(entries, count, header.digest);
    at = put(at, &header, sizeof(header));
    for (size_t i = 0; i < count; i++) {
        struct sealed_entry sealed = {.kind = entries[i]->kind,
                                      .error = entries[i]->error,
                                      .path_bytes = entries[i]->path.length,
                                      .content_bytes = entries[i]->content.length};
        at = put(at, &sealed, sizeof(sealed));
    }
    for (size_t i = 0; i < count; i++) {
        at = put(at, entries[i]->path.start, entries[i]->path.length);
        at = put(at, entries[i]->content.start, entries[i]->content.length);
    }
}

static bool write_all(int fd, const struct bundle *bundle)
{
    size_t bytes =
        sizeof(struct sealed_header) + bundle->count * sizeof(struct sealed_entry) + bundle->bytes;

    if (ftruncate(fd, (off_t)bytes) != 0)
        return false;
    void *map = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (map == MAP_FAILED)
        return false;
    struct bundle_entry **entries = sorted(bundle);
    write_to(map, bundle, entries);
    free((void *)entries);
    munmap(map, bytes);
    return true;
}

int bundle_seal(const struct bundle *bundle)
{
    int fd = memfd_create("moongate bundle", MFD_CLOEXEC | MFD_ALLOW_SEALING);

    return descriptor_sealed(fd, fd >= 0 && write_all(fd, bundle));
}

/* Takes `bytes` off the start of what is left; false when there are not as many. */
static bool take(struct slice *rest, uint64_t bytes, struct slice *taken)
{
    if (bytes > rest->length)
        return false;
    *taken = slice_of(rest->start, bytes);
    *rest = slice_after(*rest, bytes);
    return true;
}

static bool is_header(const struct sealed_header *header)
{
    return memcmp(header->magic, (char[8]){MAGIC}, sizeof(header->magic)) == 0 &&
           header->count <= BUNDLE_ENTRIES_MAX;
}

/* Each in the order behind the one before, which also says that there is one for each path. */
static bool take_entry(struct bundle *bundle, const struct sealed_entry *sealed, struct slice *rest)
{
    struct bundle_entry *entry = &bundle->sealed[bundle->count];

    *entry = (struct bundle_entry){.kind = (enum bundle_kind)sealed->kind, .error = sealed->error};
    if (sealed->kind > BUNDLE_FOLDER || !take(rest, sealed->path_bytes, &entry->path) ||
        !take(rest, sealed->content_bytes, &entry->content) ||
        (bundle->count > 0 && bundle_compare(entry - 1, entry) >= 0))
        return false;
    bundle->entries[bundle->count++] = entry;
    bundle->bytes += entry->path.length + entry->content.length;
    return true;
}

static void make_room(struct bundle *bundle, size_t count)
{
    bundle->sealed = mem_zeroed_array(count, sizeof(*bundle->sealed));
    bundle->entries = mem_zeroed_array(count, sizeof(*bundle->entries));
    bundle->capacity = count;
}

static bool take_all(struct bundle *bundle)
{
    struct slice rest = slice_of(bundle->map, bundle->map_bytes), taken;
    struct sealed_header header;

    if (!take(&rest, sizeof(header), &taken))
        return false;
    memcpy(&header, taken.start, sizeof(header));
    if (!is_header(&header) || !take(&rest, header.count * sizeof(struct sealed_entry), &taken) ||
        rest.length > BUNDLE_BYTES_MAX)
        return false;
    make_room(bundle, header.count);
    for (uint64_t i = 0; i < header.count; i++) {
        struct sealed_entry sealed;
        memcpy(&sealed, taken.start + i * sizeof(sealed), sizeof(sealed));
        if (!take_entry(bundle, &sealed, &rest))
            return false;
    }
    bundle->sealed_count = bundle->count;
    return rest.length == 0;
}

struct bundle *bundle_open(int fd)
{
    struct stat file;

    if (!descriptor_is_sealed(fd) || fstat(fd, &file) != 0 || file.st_size == 0)
        return NULL;
    void *map = mmap(NULL, (size_t)file.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
    if (map == MAP_FAILED)
        return NULL;
    struct bundle *bundle = bundle_create();
    bundle->map = map;
    bundle->map_bytes = (size_t)file.st_size;
    if (!take_all(bundle))
        bundle_release(&bundle);
    return bundle;
}

static bool read_header(int fd, struct sealed_header *header)
{
    return descriptor_is_sealed(fd) &&
           pread(fd, header, sizeof(*header), 0) == (ssize_t)sizeof(*header) && is_header(header);
}

bool bundle_is_same(int fd, int other_fd)
{
    struct sealed_header header, other;

    return read_header(fd, &header) && read_header(other_fd, &other) &&
           memcmp(header.digest, other.digest, DIGEST_BYTES) == 0;
}
