/*
 * listener_bar — keeps new connections away from a socket that is about to be closed.
 */
#include <linux/filter.h>

#include "net/listener.h"

/*
 * A filter that drops SYN without ACK, of all that comes for the socket. What the kernel still
 * drops is sent again, and refused once the socket is closed.
 */
void listener_bar(int fd)
{
    enum { FLAGS_OFFSET = 13, SYN = 0x02, ACK = 0x10 };
    struct sock_filter program[] = {
        {BPF_LD | BPF_B | BPF_ABS, 0, 0, FLAGS_OFFSET},
        {BPF_ALU | BPF_AND | BPF_K, 0, 0, SYN | ACK},
        {BPF_JMP | BPF_JEQ | BPF_K, 0, 1, SYN},
        {BPF_RET | BPF_K, 0, 0, 0},
        {BPF_RET | BPF_K, 0, 0, UINT32_MAX},
    };
    struct sock_fprog filter = {.len = sizeof(program) / sizeof(program[0]), .filter = program};

    /* Where there are no filters, some who connect in this moment see a reset: no harm but that. */
    setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &filter, sizeof(filter));
}
