/*
 * bells — eventfds by the number of a lane.
 */
#include "shm/bells.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/descriptor.h"
#include "base/mem.h"

int *bells_create(uint32_t lanes)
{
    int *bells = mem_zeroed_array(lanes, sizeof(*bells));

    for (uint32_t lane = 0; lane < lanes; lane++)
        bells[lane] = -1;
    return bells;
}

void bells_destroy(int **bells, uint32_t lanes)
{
    for (uint32_t lane = 0; *bells != NULL && lane < lanes; lane++)
        descriptor_close(&(*bells)[lane]);
    free(*bells);
    *bells = NULL;
}

bool bells_hang(int *bells, uint32_t first, uint32_t count)
{
    for (uint32_t lane = first; lane < first + count; lane++) {
        if (bells[lane] < 0)
            bells[lane] = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
        if (bells[lane] < 0)
            return false;
    }
    return true;
}

void bells_ring(const int *bells, uint32_t lane)
{
    const uint64_t one = 1;
    ssize_t written;

    if (bells[lane] < 0)
        return;
    do
        written = write(bells[lane], &one, sizeof(one));
    while (written < 0 && errno == EINTR); /* EAGAIN: it has been rung so often already */
}

bool bells_hear(int bell)
{
    uint64_t count;
    return read(bell, &count, sizeof(count)) >= 0 || errno == EAGAIN;
}
