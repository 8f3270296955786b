/*
 * object_accounts — how much of an object store is taken by the objects of each account.
 *
 * Found out by looking through all first pages, some at a time: nothing is counted when objects
 * come and go, so they cost nothing, and no process that is killed leaves a wrong count.
 */
#pragma once

#include "shm/object_store.h"

/* Accounts that are told apart; what others have is one sum. */
#define OBJECT_ACCOUNTS_MAX 1024

/* Plain data, zero at the beginning. */
struct object_accounts {
    uint64_t bytes[OBJECT_ACCOUNTS_MAX], others;
    uint32_t accounts[OBJECT_ACCOUNTS_MAX]; /* 0: free */
    uint32_t page, count;
};

/* Looks at so many pages more, of which each object takes some 100 ns; false when that were all.
 * What comes and goes meanwhile is counted or not. */
bool object_accounts_look(const struct object_store *store, struct object_accounts *held,
                          uint32_t pages);
/* The bytes of an account, which are nobody's afterwards. */
uint64_t object_accounts_take(struct object_accounts *held, uint32_t account);
/* All that was not taken. */
uint64_t object_accounts_rest(const struct object_accounts *held);
