/* Failures that a store survives: a disk that fails for a while, removed files, and damaged pages that make LMDB
 * assert. Reads continue. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "observe/log.h"
#include "store/lmdb/lmdb_impl.h"

/* Refuses writes for good, and logs the reason once. On the writer's thread. */
static void MW_PRINTF(2, 3) refuse_writes(struct mw_lmdb *lm, const char *fmt, ...) {
  if (atomic_load(&lm->writes_refused)) return;
  va_list args;
  va_start(args, fmt);
  vsnprintf(lm->failure, sizeof lm->failure, fmt, args);
  va_end(args);
  atomic_store(&lm->writes_refused, true);
  mw_log(MW_LOG_ERROR, NULL, "store: %s; writes are refused from now on", lm->failure);
}

/* ---- the meta page ----
 * If LMDB cannot write a meta page, it sets a flag in its environment, after which no transaction can begin, not
 * even to read. Its API cannot clear the flag. The page may or may not be on disk. The writer saves the page's bytes
 * before each commit and clears the flag at once, so that reads continue. It writes the bytes back before its next
 * transaction, until that succeeds; the file is then in the state before the failed commit. */

enum { META_FAILED = 0x80000000 }; /* MDB_FATAL_ERROR in mdb.c */

/* The environment is opaque. The flags are the word that changes when a flag is set through the API. */
void mw_lmdb_find_flags(struct mw_lmdb *lm) {
  enum { WORDS = 16 };
  uint32_t before[WORDS], *words = (uint32_t *)(void *)lm->env;
  memcpy(before, words, sizeof before);
  if (mdb_env_set_flags(lm->env, MDB_NOMEMINIT, 1) != 0) return;
  int changed = 0;
  size_t at = 0;
  for (size_t i = 0; i < WORDS; i++) {
    if (words[i] == before[i]) continue;
    changed++;
    at = i;
  }
  if (changed == 1 && (words[at] ^ before[at]) == MDB_NOMEMINIT) lm->flags = (_Atomic uint32_t *)(words + at);
  mdb_env_set_flags(lm->env, MDB_NOMEMINIT, 0);
}

void mw_lmdb_save_meta(struct mw_lmdb *lm) {
  if (!lm->pages.base) return;
  lm->saved_page = mdb_txn_id(lm->write) & 1;
  memcpy(lm->saved, lm->pages.base + lm->saved_page * lm->page_size, sizeof lm->saved);
}

void mw_lmdb_commit_failed(struct mw_lmdb *lm) {
  if (!lm->flags || !(atomic_load(lm->flags) & META_FAILED)) return;
  atomic_store(&lm->meta_failed, true);
  atomic_fetch_and(lm->flags, ~(uint32_t)META_FAILED);
}

static int restore_meta(struct mw_lmdb *lm, struct mw_err *err) {
  int fd;
  int rc = mdb_env_get_fd(lm->env, &fd);
  if (rc != 0) return mw_lmdb_fail(lm, rc, err);
  off_t at = (off_t)(lm->saved_page * lm->page_size);
  ssize_t written = pwrite(fd, lm->saved, sizeof lm->saved, at);
  if (written == sizeof lm->saved && fdatasync(fd) == 0) {
    atomic_store(&lm->meta_failed, false);
    return 0;
  }
  rc = written >= 0 && written < (ssize_t)sizeof lm->saved ? EIO : errno;
  return mw_err_set(err, mw_lmdb_code(rc), "%s: the disk fails: %s", lm->path, strerror(rc));
}

/* ---- assertions ---- */

static _Thread_local jmp_buf *trap;
static _Thread_local char trapped_text[160];

static void on_assert(MDB_env *env, const char *text) {
  if (!trap) return; /* LMDB aborts */
  snprintf(trapped_text, sizeof trapped_text, "%s", text);
  longjmp(*trap, 1);
}

void mw_lmdb_set_trap(MDB_env *env) { mdb_env_set_assert(env, on_assert); }

int mw_lmdb_trapped(struct mw_lmdb *lm, int (*write)(struct mw_lmdb *lm, void *arg), void *arg) {
  jmp_buf here;
  if (setjmp(here) != 0) {
    trap = NULL;
    lm->assert_failed = true; /* the transaction stays open and keeps LMDB's lock */
    refuse_writes(lm, "%s: damaged (%s): run `moonwire store check`, restore a backup", lm->path, trapped_text);
    return MDB_CORRUPTED;
  }
  trap = &here;
  int rc = write(lm, arg);
  trap = NULL;
  return rc;
}

/* ---- functions of the vtable ---- */

void mw_lmdb_inspect(struct mw_backend *backend) {
  struct mw_lmdb *lm = mw_lmdb_of(backend);
  int dead;
  /* Frees the slots of killed readers (a backup, a check), whose snapshots would stay. */
  if (!lm->assert_failed) mdb_reader_check(lm->env, &dead);
  if (atomic_load(&lm->mapped.faulted)) {
    refuse_writes(lm, "%s: a page of the file cannot be read: it was cut short, or the disk fails; restart to recover",
                  lm->path);
  }
  const char *path = mw_lmdb_files_lost(lm);
  if (path) refuse_writes(lm, "%s was removed or replaced while in use: put it back if you can, and restart", path);
}

int mw_lmdb_usable(struct mw_lmdb *lm, struct mw_err *err) {
  if (atomic_load(&lm->mapped.faulted)) mw_lmdb_inspect(&lm->base);
  if (atomic_load(&lm->writes_refused)) return mw_err_set(err, MW_EIO, "%s", lm->failure);
  return atomic_load(&lm->meta_failed) ? restore_meta(lm, err) : 0;
}

bool mw_lmdb_failure(struct mw_backend *backend, char *words, size_t cap) {
  struct mw_lmdb *lm = mw_lmdb_of(backend);
  if (atomic_load(&lm->writes_refused)) {
    snprintf(words, cap, "%s", lm->failure);
    return true;
  }
  if (!atomic_load(&lm->meta_failed)) return false;
  snprintf(words, cap, "%s: the disk fails", lm->path);
  return true;
}
