/*
 * rehearsal_child — builds a generation, seals what was read for it, sends both and ends.
 */
#include "server/rehearsal_child.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/yielding.h"
#include "bridge/bundle.h"
#include "bridge/generation.h"
#include "bridge/inventory.h"
#include "server/difference.h"

/* As `ps` shows it; at most 15 bytes. */
#define NAME "rehearsal"

/* Descriptors up to the last of these are the process's own. */
#define CHANNEL (STDERR_FILENO + 1)
#define RUNNING (STDERR_FILENO + 2)

/* Of the errors themselves; the rest is for the number of the others. */
#define TOLD_BYTES_MAX (REHEARSAL_ERRORS_BYTES_MAX - 64)

struct errors {
    int fd; /* a memfd */
    size_t bytes, untold;
};

static void tell(void *data, struct slice error)
{
    struct errors *errors = data;

    if (errors->untold > 0 || error.length >= TOLD_BYTES_MAX - errors->bytes) {
        errors->untold++;
        return;
    }
    dprintf(errors->fd, "%.*s\n", SLICE_FORMAT(error));
    errors->bytes += error.length + 1;
}

static void tell_system_error(struct errors *errors, const char *what)
{
    char text[256];
    int length = snprintf(text, sizeof(text), "moongate: %s: %s", what, strerrordesc_np(errno));
    tell(errors, slice_of(text, (size_t)length));
}

/* A configuration may ask for any amount of memory: who serves is not to be ended for it. */
static void be_ended_first(void)
{
    int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);

    if (fd < 0)
        return;
    dprintf(fd, "1000");
    close(fd);
}

/* What a plugin starts has neither: who waits on the channel is to see this process's end. */
static int keep_descriptors(int fd, int running_inventory_fd)
{
    int running =
        fcntl(running_inventory_fd, F_DUPFD, RUNNING + 1); /* neither is in the way then */

    if (fd != CHANNEL)
        dup3(fd, CHANNEL, O_CLOEXEC);
    running = running >= 0 ? dup3(running, RUNNING, O_CLOEXEC) : -1;
    close_range(running >= 0 ? RUNNING + 1 : RUNNING, ~0U, 0);
    return running;
}

/*
 * The master's handlers, masks and descriptors are not for this process: a plugin runs in it, and
 * a listening socket held here would be one nobody accepts from. The inventory's descriptor in it;
 * -1: there is none.
 */
static int leave_master(pid_t master, int fd, int running_inventory_fd)
{
    sigset_t none;

    prctl(PR_SET_NAME, NAME);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != master)
        _exit(1);
    for (int number = 1; number < NSIG; number++)
        signal(number, SIG_DFL);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    int running = keep_descriptors(fd, running_inventory_fd);
    be_ended_first();
    return running;
}

/* The first that is -1 ends the list. */
static void send_all(struct rehearsal_message *message, const int fds[REHEARSAL_FDS])
{
    size_t count = 0;
    while (count < REHEARSAL_FDS && fds[count] >= 0)
        count++;
    size_t bytes = count * sizeof(fds[0]);
    _Alignas(struct cmsghdr) char control[CMSG_SPACE(REHEARSAL_FDS * sizeof(int))] = {0};
    struct iovec part = {message, sizeof(*message)};
    struct msghdr header = {.msg_iov = &part,
                            .msg_iovlen = 1,
                            .msg_control = control,
                            .msg_controllen = CMSG_SPACE(bytes)};
    struct cmsghdr *rights = CMSG_FIRSTHDR(&header);

    rights->cmsg_level = SOL_SOCKET;
    rights->cmsg_type = SCM_RIGHTS;
    rights->cmsg_len = CMSG_LEN(bytes);
    memcpy(CMSG_DATA(rights), fds, bytes);
    while (sendmsg(CHANNEL, &header, 0) < 0 && errno == EINTR)
        continue;
}

/* Here, where nobody waits for a processor, and not in the master. -1: there is none. */
static int difference_from(int running, int inventory_fd)
{
    struct difference *difference = difference_create(running, inventory_fd);

    if (difference == NULL)
        return -1;
    int fd = difference_seal(difference);
    difference_destroy(&difference);
    return fd;
}

void rehearsal_child_run(const struct rehearsal_options *options, int fd, pid_t master)
{
    int running = leave_master(master, fd, options->running_inventory_fd);
    struct errors errors = {.fd = memfd_create("moongate errors", MFD_CLOEXEC)};
    struct rehearsal_message message = {.is_good = false};
    struct bundle *bundle = bundle_create();
    struct inventory *inventory = inventory_create();
    struct generation_options build = {.config_path = options->config_path,
                                       .bundle = bundle,
                                       .inventory = inventory,
                                       .is_thrown_away = true,
                                       .lua_root = options->installation->lua_root,
                                       .plugin_root = options->installation->plugin_root,
                                       .on_error = tell,
                                       .on_error_data = &errors};

    alarm(REHEARSAL_SECONDS_MAX);
    if (options->is_idle)
        yielding_begin();
    const struct generation *generation = generation_build(&build);
    int bundle_fd = bundle_seal(bundle), inventory_fd = -1, difference_fd = -1;
    if (bundle_fd < 0)
        tell_system_error(&errors, "cannot keep what was read");
    if (generation != NULL && bundle_fd >= 0) {
        message = (struct rehearsal_message){true, *generation_plan(generation)};
        inventory_add_files(inventory, bundle);
        inventory_fd = inventory_seal(inventory); /* without one, differences are not told */
        difference_fd = difference_from(running, inventory_fd);
    }
    if (errors.untold > 0)
        dprintf(errors.fd, "... and %zu more errors\n", errors.untold);
    send_all(&message, (int[]){errors.fd, bundle_fd, inventory_fd, difference_fd});
    _exit(0); /* what was built goes with the process */
}
