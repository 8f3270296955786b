/*
 * store_killer — ends this process right after its n-th store into a range of memory, or stops it
 * right before one, so that others can do something between what it has read and what it writes.
 *
 * The memory is read-only meanwhile. A store into it faults, is let through as one step of the
 * processor, and counted; then the memory is read-only again. So every store is seen, also one that
 * changes nothing. Of a long copy only the first stores count: it does not matter how far it came.
 */
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <ucontext.h>
#include <unistd.h>

bool store_killer_works(void);
/* From page to page; for the rest of this process's life, or until it is disarmed. Of no stores:
 * it is not ended. */
void store_killer_arm(void *memory, size_t bytes, unsigned stores);
void store_killer_disarm(void);
/* Before it is armed: it stops right before that store, to be continued. */
void store_killer_stop_before(unsigned store);

#define COPY_STORES_MAX 8
#define COPY_STEP_MAX   64 /* bytes that the widest store writes */

static struct {
    char *memory;
    size_t bytes;
    unsigned seen, last, stop; /* 0: none */
    uintptr_t address;         /* of the store that is let through */
    unsigned in_a_row;         /* stores before it, each right behind the one before */
} state;

#if defined(__x86_64__)
#define TRAP_FLAG 0x100

bool store_killer_works(void)
{
    return true;
}

static void set_trap(void *context, bool is_set)
{
    greg_t *flags = &((ucontext_t *)context)->uc_mcontext.gregs[REG_EFL];
    *flags = is_set ? *flags | TRAP_FLAG : *flags & ~TRAP_FLAG;
}
#else
bool store_killer_works(void)
{
    return false;
}

static void set_trap(void *context, bool is_set)
{
}
#endif

static void on_fault(int number, siginfo_t *info, void *context)
{
    uintptr_t address = (uintptr_t)info->si_addr, start = (uintptr_t)state.memory;

    if (address - start >= state.bytes) {
        signal(SIGSEGV, SIG_DFL); /* no store of ours: it will fault again */
        return;
    }
    bool goes_on = address > state.address && address - state.address <= COPY_STEP_MAX;
    state.in_a_row = goes_on ? state.in_a_row + 1 : 0;
    state.address = address;
    if (state.in_a_row < COPY_STORES_MAX && state.seen + 1 == state.stop)
        kill(getpid(), SIGSTOP);
    mprotect(state.memory, state.bytes, PROT_READ | PROT_WRITE);
    set_trap(context, true);
}

static void on_step(int number, siginfo_t *info, void *context)
{
    if (state.in_a_row < COPY_STORES_MAX)
        state.seen++;
    if (state.seen == state.last)
        kill(getpid(), SIGKILL);
    mprotect(state.memory, state.bytes, PROT_READ);
    set_trap(context, false);
}

void store_killer_arm(void *memory, size_t bytes, unsigned stores)
{
    struct sigaction fault = {.sa_sigaction = on_fault, .sa_flags = SA_SIGINFO};
    struct sigaction step = {.sa_sigaction = on_step, .sa_flags = SA_SIGINFO};

    state.memory = memory;
    state.bytes = bytes;
    state.last = stores;
    if (sigaction(SIGSEGV, &fault, NULL) != 0 || sigaction(SIGTRAP, &step, NULL) != 0 ||
        mprotect(memory, bytes, PROT_READ) != 0)
        _exit(71);
}

void store_killer_disarm(void)
{
    mprotect(state.memory, state.bytes, PROT_READ | PROT_WRITE);
}

void store_killer_stop_before(unsigned store)
{
    state.stop = store;
}
