/*
 * reload_answer — what those are told who asked for a reload, for people and for programs.
 */
#pragma once

#include "base/buffer.h"
#include "server/history.h"
#include "server/reload_job.h"

struct difference;

struct reload_answer {
    struct slice errors;                 /* empty: it went well */
    bool may_pass;                       /* they are of the moment, and not of the files */
    bool is_unchanged;                   /* all was read as it had been before */
    bool has_nobody;                     /* who would run it: no worker serves yet */
    bool is_preview;                     /* nothing was done, only read */
    const struct difference *difference; /* NULL: it is not known */
    unsigned unapplied;                  /* of enum history_unapplied */
    const struct history *history;
    struct buffer text, json, brief; /* made by reload_answer_write() */
};

void reload_answer_write(struct reload_answer *answer);
void reload_answer_clear(struct reload_answer *answer);

/* Of a gateway that begins, or ends. */
struct reload_outcome reload_answer_refusal(void);
