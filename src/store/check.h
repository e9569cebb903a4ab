/* Checks a store's file whole: every page, the list of free pages, and the checksum of every record and counter. */
#ifndef MW_STORE_CHECK_H
#define MW_STORE_CHECK_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

struct mw_store_check {
  /* Takes each finding, without a line end. */
  void (*found)(void *arg, const char *words);
  void *arg;

  /* Set by mw_store_check(). */
  uint64_t records, damaged;
  uint64_t bare;   /* records without a checksum, of an older format: of these only the pages were checked */
  uint64_t pages;  /* in use or free */
  bool running;    /* a server has the store open; the check saw one state of it */
  bool sound;      /* nothing was found */
};

/* Checks the store in `folder`; nothing is written. Where a server runs, the check reads one snapshot, which keeps
 * the pages that the server frees meanwhile from being used again. Not in a process that has the store open itself: LMDB
 * allows one environment a process and file. Returns 0 when the check could be made; MW_ENOTFOUND, MW_EFORMAT (not a
 * store, or one of a newer format), MW_EIO or MW_ENOMEM. */
int mw_store_check(const char *folder, struct mw_store_check *check, struct mw_err *err);

#endif
