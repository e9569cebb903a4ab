/* Checks a store's file completely: every page, the list of free pages, and the checksum of every record and
 * counter. */
#ifndef MW_STORE_LMDB_STORE_CHECK_H
#define MW_STORE_LMDB_STORE_CHECK_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

struct mw_store_check {
  /* Receives each finding, without a newline. */
  void (*found)(void *arg, const char *words);
  void *arg;

  /* Set by mw_store_check(). */
  uint64_t records, damaged;
  uint64_t without_checksum; /* records without a checksum, from format 1: only their pages were checked */
  uint64_t pages;            /* in use or free */
  bool running;              /* a server has the store open; the check read one snapshot */
  bool is_sound;             /* the check found no damage */
};

/* Checks the store in `folder` without writing. If a server runs, the check reads one snapshot, which prevents the
 * reuse of the pages that the server frees meanwhile. Not in a process that has the store open itself: LMDB allows
 * one environment for each process and file. Returns 0 when the check is complete; MW_ENOTFOUND, MW_EFORMAT (not a
 * store, or a newer format), MW_EIO or MW_ENOMEM. */
int mw_store_check(const char *folder, struct mw_store_check *check, struct mw_err *err);

#endif
