/*
 * main — the gateway with the two-stream protocol added: what a new protocol takes is one
 * registration.
 */
#include "codec.h"
#include "gateway/protocols.h"
#include "server/command_line.h"

int main(int argc, char **argv)
{
    protocols_register(&TWO_STREAM_PROTOCOL);
    return command_line_run(argc, argv);
}
