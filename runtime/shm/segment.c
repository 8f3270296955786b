/*
 * segment — a sealed memfd that begins with a directory of its regions.
 */
#include "shm/segment.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define SEGMENT_MAGIC  0x657461676e6f6f6dULL
#define SEGMENT_LAYOUT 1

struct region {
    char name[SEGMENT_NAME_BYTES_MAX + 1];
    uint64_t start, bytes; /* start counts from that of the segment */
    uint32_t layout, unused;
};

struct directory {
    uint64_t magic; /* stored last: a segment without it was never finished */
    uint32_t layout, region_bytes;
    uint64_t bytes;
    struct hash_key hash_key;
    uint64_t count; /* counts a region once it is written: what is beyond does not exist */
    struct region regions[SEGMENT_REGIONS_MAX];
};

#define FIRST_REGION \
    ((sizeof(struct directory) + SEGMENT_PAGE_BYTES - 1) & ~(size_t)(SEGMENT_PAGE_BYTES - 1))
_Static_assert(FIRST_REGION < SEGMENT_BYTES_MIN, "the directory leaves room");

static struct directory *directory_of(const struct segment *segment)
{
    assert(segment->memory != NULL);
    return (struct directory *)segment->memory;
}

static bool map(struct segment *segment, size_t bytes, int fd)
{
    void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (memory == MAP_FAILED)
        return false;
    *segment = (struct segment){.memory = memory, .bytes = bytes, .fd = fd};
    return true;
}

/* Sealed, because a file that shrinks under its mapping kills everyone who reads it. */
static bool make_file(struct segment *segment, size_t bytes, int fd)
{
    return ftruncate(fd, (off_t)bytes) == 0 &&
           fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) == 0 &&
           map(segment, bytes, fd);
}

bool segment_init(struct segment *segment, size_t bytes)
{
    assert(bytes >= SEGMENT_BYTES_MIN);
    bytes = (bytes + SEGMENT_PAGE_BYTES - 1) & ~(size_t)(SEGMENT_PAGE_BYTES - 1);
    int fd = memfd_create("moongate", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (fd < 0)
        return false;
    if (!make_file(segment, bytes, fd)) {
        int error = errno;
        close(fd);
        errno = error;
        return false;
    }
    struct directory *directory = directory_of(segment);
    directory->layout = SEGMENT_LAYOUT;
    directory->region_bytes = sizeof(struct region);
    directory->bytes = bytes;
    hash_key_init(&directory->hash_key);
    __atomic_store_n(&directory->magic, SEGMENT_MAGIC, __ATOMIC_RELEASE);
    return true;
}

static bool is_ours(const struct segment *segment)
{
    const struct directory *directory = directory_of(segment);
    return directory->magic == SEGMENT_MAGIC && directory->layout == SEGMENT_LAYOUT &&
           directory->region_bytes == sizeof(struct region) && directory->bytes == segment->bytes &&
           directory->count <= SEGMENT_REGIONS_MAX;
}

bool segment_init_from_fd(struct segment *segment, int fd)
{
    struct stat status;
    if (fstat(fd, &status) != 0)
        return false;
    if (status.st_size < SEGMENT_BYTES_MIN) {
        errno = EPROTO;
        return false;
    }
    if (!map(segment, (size_t)status.st_size, fd))
        return false;
    if (is_ours(segment))
        return true;
    munmap(segment->memory, segment->bytes);
    *segment = (struct segment){.fd = -1};
    errno = EPROTO;
    return false;
}

void segment_clear(struct segment *segment)
{
    if (segment->memory == NULL)
        return;
    munmap(segment->memory, segment->bytes);
    close(segment->fd);
    *segment = (struct segment){.fd = -1};
}

static size_t next_start(const struct directory *directory)
{
    if (directory->count == 0)
        return FIRST_REGION;
    const struct region *last = &directory->regions[directory->count - 1];
    return (last->start + last->bytes + SEGMENT_PAGE_BYTES - 1) & ~(size_t)(SEGMENT_PAGE_BYTES - 1);
}

static const struct region *find(const struct directory *directory, const char *name)
{
    for (size_t i = 0; i < directory->count; i++) {
        if (strcmp(directory->regions[i].name, name) == 0)
            return &directory->regions[i];
    }
    return NULL;
}

void *segment_allot(struct segment *segment, const char *name, uint32_t layout, size_t bytes)
{
    struct directory *directory = directory_of(segment);
    size_t length = strlen(name);
    assert(length > 0 && length <= SEGMENT_NAME_BYTES_MAX);

    const struct region *found = find(directory, name);
    if (found != NULL) {
        bool is_same = found->layout == layout && found->bytes == bytes;
        return is_same ? segment->memory + found->start : NULL;
    }
    if (directory->count == SEGMENT_REGIONS_MAX || bytes > segment_room(segment))
        return NULL;
    struct region *region = &directory->regions[directory->count];
    *region = (struct region){.start = next_start(directory), .bytes = bytes, .layout = layout};
    memcpy(region->name, name, length);
    __atomic_store_n(&directory->count, directory->count + 1, __ATOMIC_RELEASE);
    return segment->memory + region->start;
}

size_t segment_room(const struct segment *segment)
{
    size_t start = next_start(directory_of(segment));
    return start < segment->bytes ? segment->bytes - start : 0;
}

const struct hash_key *segment_hash_key(const struct segment *segment)
{
    return &directory_of(segment)->hash_key;
}
