/* Helpers of the store's tests: a folder, a store, a loop, and calls that wait. */
#ifndef MW_TEST_STORE_FIXTURE_H
#define MW_TEST_STORE_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "store/store.h"

struct fixture {
  char folder[64];
  struct mw_store *store;
  struct mw_loop loop;
};

extern int64_t fixture_now; /* the time of the store's clock */
int64_t fixture_clock(void);

static inline struct mw_slice str(const char *text) { return mw_slice_str(text); }

/* For cmocka: opens a new store in a folder of its own; closes and removes them. */
int fixture_setup(void **state);
int fixture_teardown(void **state);

/* Opens the store of the folder; a `map_size` of 0 stands for the default. Returns mw_store_open()'s result. */
int fixture_open(struct fixture *f, size_t map_size, struct mw_err *err);
void fixture_reopen(struct fixture *f);

/* Returns the path of a file of the folder, owned. */
char *fixture_path(const struct fixture *f, const char *name);

int fixture_make_folder(struct fixture *f);
void fixture_remove_folder(const struct fixture *f);

/* ---- calls that wait ---- */

struct outcome {
  bool done;
  int code;
  uint64_t revision;
  char text[200];
};

/* For mw_store_commit() and the like: records the result in a struct outcome, once. */
void take_outcome(void *arg, const struct mw_store_result *result);

/* Runs the loop until the outcome is there. */
struct outcome wait_for(struct mw_loop *loop, struct outcome *outcome);

/* Takes and commits the transaction, and waits. */
struct outcome commit(struct mw_store *store, struct mw_loop *loop, struct mw_store_txn *txn);

/* Return owned transactions with one change. */
struct mw_store_txn *txn_put(const char *key, const char *value);
struct mw_store_txn *txn_delete(const char *key);

/* Commits a change that must succeed; put() returns its revision. */
uint64_t put(struct fixture *f, const char *key, const char *value);
void erase(struct fixture *f, const char *key);

/* Returns the next number of the sequence; it may have to wait for a reservation. */
uint64_t next_number(struct mw_store *store, struct mw_loop *loop, const char *name);

/* Asserts the value of a key; NULL for none. */
void expect(struct fixture *f, const char *key, const char *value);

#endif
