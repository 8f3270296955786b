/*
 * purge_verb — `moongate purge`: what is to be purged, as options, made a request.
 */
#pragma once

/* The exit code. */
int purge_verb_run(int argc, char **argv);
