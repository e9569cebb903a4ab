/* Internals of the LMDB engine, shared by lmdb_open.c (opening), lmdb.c (the vtable and writing), lmdb_view.c
 * (reading), lmdb_failure.c (failing disks, lost files), lmdb_format.c (formats and their upgrade), lmdb_files.c (the
 * folder and its locks), lmdb_check.c (damage), and below them lmdb_record.c and lmdb_error.c.
 *
 * The file `store.mdb` holds three databases:
 *   data    key                        -> a record (record.h)
 *   expiry  expiry (8, big-endian) key -> nothing
 *   meta    'f'                        -> the number of the format (8 bytes)
 *           'c' name                   -> a counter (record.h)
 * Numbers are in the machine's byte order, as everywhere in an LMDB file, except where they have to sort.
 *
 * LMDB follows page numbers without checking them. Reads therefore use tree.h; LMDB only keeps their pages from
 * being reused. Before a write, tree.h walks the pages that LMDB will follow, unless every page was checked when the
 * store was opened. */
#ifndef MW_STORE_LMDB_LMDB_IMPL_H
#define MW_STORE_LMDB_LMDB_IMPL_H

#include <lmdb.h>
#include <pthread.h>
#include <sys/stat.h>

#include "base/list.h"
#include "store/lmdb/lmdb.h"
#include "store/page/mapped_range.h"
#include "store/page/tree.h"

/* page.h and lmdb_failure.c rely on LMDB 0.9: on its file layout, and on a flag in its environment. mw_lmdb_open()
 * refuses a library of another version. */
#if MDB_VERSION_MAJOR != 0 || MDB_VERSION_MINOR != 9
#error "the store needs LMDB 0.9"
#endif

enum {
  MW_LMDB_FORMAT = 2,
  MW_LMDB_READERS = 8190, /* greatest number of views, idle ones included */
  MW_LMDB_SHARDS = 16,
  MW_LMDB_IDLE = 16, /* greatest number of idle views of a shard, because they occupy reader slots */
  MW_LMDB_META = MW_PAGE_HEADER + MW_META_SIZE
};

/* This counter holds the revision up to which records may be of format 1. */
#define MW_UNCHECKSUMMED_COUNTER mw_slice("u", 1)

/* Idle views, kept because a new view searches for a reader slot under a lock. A thread always uses the same shard,
 * so that threads rarely compete for a lock. */
struct mw_lmdb_shard {
  _Alignas(64) pthread_mutex_t lock;
  struct mw_list idle;
  size_t n_idle, n_open;
};

/* A file that must stay in place. */
struct mw_lmdb_file_identity {
  char *path;
  dev_t device;
  ino_t inode;
};

struct mw_lmdb {
  struct mw_backend base;
  MDB_env *env;
  MDB_dbi main, data, expiry, meta;
  struct mw_pages pages;
  uint64_t unchecksummed_until; /* records up to this revision may be of format 1 */
  bool fully_checked;           /* every page was checked when the store was opened */
  struct mw_mapped_range mapped;

  /* The writer's. */
  MDB_txn *write;                        /* between begin and commit */
  bool assert_failed;                    /* an assertion of LMDB failed */
  struct mw_tree data_tree, expiry_tree; /* of the last commit */
  /* with `checked_key`: the tree and key whose pages were checked last; unused if `fully_checked` */
  const struct mw_tree *checked_tree;
  size_t checked_key_len;
  uint8_t checked_key[512];

  int lock_fd;         /* locks the folder for this process; -1 without files */
  int data_fd;         /* locks the data file; -1 without files */
  char *path;          /* of the data file, for messages */
  size_t page_size;    /* bytes */
  size_t excess_pages; /* excess of the databases' page counts over the file's pages: damage */
  /* greatest number of pages for records; the map is larger, so that a full store can still delete */
  size_t limit_pages;

  /* State of lmdb_failure.c. */
  _Atomic uint32_t *flags;     /* LMDB's own flags, or NULL */
  uint8_t saved[MW_LMDB_META]; /* the meta page that the commit under way overwrites */
  size_t saved_page;
  struct mw_lmdb_file_identity identities[3]; /* data file, lock, folder; unused entries have no path */
  char failure[256];           /* why writes are refused for good; set before `writes_refused`, then constant */
  _Atomic bool writes_refused; /* writes are refused for good */
  _Atomic bool meta_failed;    /* the meta page must be restored before the next write */

  struct mw_lmdb_shard shards[MW_LMDB_SHARDS];
};

static inline MDB_val mw_lmdb_val(struct mw_slice s) { return (MDB_val){s.len, (void *)(uintptr_t)s.data}; }

static inline struct mw_lmdb *mw_lmdb_of(struct mw_backend *backend) {
  return MW_CONTAINER(backend, struct mw_lmdb, base);
}

/* ---- lmdb_error.c ---- */

/* Returns the MW_E* code for an LMDB or system error. */
int mw_lmdb_code(int rc);

/* Each sets `err` and returns its MW_E* code: for an LMDB or system error of an open store, for one while it opens, and
 * for errno of a call on `path`. */
int mw_lmdb_fail(struct mw_lmdb *lm, int rc, struct mw_err *err);
int mw_lmdb_fail_open(struct mw_lmdb *lm, int rc, struct mw_err *err);
int mw_lmdb_fail_errno(struct mw_err *err, const char *path);

/* ---- lmdb_record.c: entries of the main and the meta database ---- */

/* Reads the tree record of the database `name` in `txn`. Returns 0 or MW_EDATA. */
int mw_lmdb_tree(struct mw_lmdb *lm, MDB_txn *txn, const char *name, struct mw_tree *out);

/* Builds the meta key of a counter in `bytes` of 512. */
MDB_val mw_lmdb_counter_key(struct mw_slice name, uint8_t *bytes);

/* Sets the counter `name` in `txn`. Returns LMDB's code. */
int mw_lmdb_set_counter(struct mw_lmdb *lm, MDB_txn *txn, struct mw_slice name, uint64_t value);

/* ---- lmdb_view.c: the reading half of the vtable ---- */

int mw_lmdb_view_open(struct mw_backend *backend, struct mw_view **out, struct mw_err *err);
void mw_lmdb_view_close(struct mw_view *view);
bool mw_lmdb_views_open(struct mw_backend *backend);
int mw_lmdb_view_get(struct mw_view *view, struct mw_slice key, struct mw_record *out);
int mw_lmdb_view_next(struct mw_view *view, struct mw_slice prefix, struct mw_slice after, bool reverse,
                      struct mw_record *out);
int mw_lmdb_view_counter(struct mw_view *view, struct mw_slice name, uint64_t *out);

/* Call it after a seek with `cursor` that did not find `key`. Returns MW_EDATA if the record is there with a damaged
 * key, and MW_ENOTFOUND otherwise. */
int mw_lmdb_absent(const struct mw_cursor *cursor, struct mw_slice key);
void mw_lmdb_views_init(struct mw_lmdb *lm);
void mw_lmdb_views_fini(struct mw_lmdb *lm);

/* ---- lmdb.c: the vtable ---- */

extern const struct mw_backend_ops mw_lmdb_ops;

/* ---- lmdb_files.c ---- */

/* "FOLDER/NAME" on the heap, or NULL. */
char *mw_lmdb_join(const char *folder, const char *name);

/* Creates the folder, locks it and the data file, and records their identities. Returns 0, MW_EBUSY, MW_EIO, MW_EFULL
 * or MW_ENOMEM. */
int mw_lmdb_files_open(struct mw_lmdb *lm, const char *folder, struct mw_err *err);
void mw_lmdb_files_close(struct mw_lmdb *lm);

/* Returns the path of a file that was removed or replaced, or NULL. */
const char *mw_lmdb_files_lost(const struct mw_lmdb *lm);

/* ---- lmdb_format.c ---- */

/* Opens the databases: creates those of an empty file, upgrades those of format 1. Returns 0, MW_EFORMAT, MW_EFULL,
 * MW_EIO or MW_ENOMEM. */
int mw_lmdb_databases(struct mw_lmdb *lm, struct mw_err *err);

/* Returns 0 for a format that this version reads; MW_EFORMAT for a newer one, or for 0. */
int mw_lmdb_format_ok(const char *path, uint64_t format, struct mw_err *err);

/* ---- lmdb_failure.c: failing disks and lost files ---- */

/* Finds LMDB's flags in the environment, before it is opened. */
void mw_lmdb_find_flags(struct mw_lmdb *lm);

/* Runs `write` on the writer's thread. If an assertion of LMDB fails in it, it returns MDB_CORRUPTED, and so does
 * every later write. */
int mw_lmdb_trapped(struct mw_lmdb *lm, int (*write)(struct mw_lmdb *lm, void *arg), void *arg);
void mw_lmdb_set_trap(MDB_env *env);

/* Returns 0 if writes can begin; otherwise a code with an error. */
int mw_lmdb_usable(struct mw_lmdb *lm, struct mw_err *err);

/* Call one before a commit, the other after a failed commit. */
void mw_lmdb_save_meta(struct mw_lmdb *lm);
void mw_lmdb_commit_failed(struct mw_lmdb *lm);

/* Functions of the vtable. */
void mw_lmdb_inspect(struct mw_backend *backend);
bool mw_lmdb_failure(struct mw_backend *backend, char *words, size_t cap);

/* ---- lmdb_check.c ---- */

/* Checks the data file `fd` before LMDB opens it, within a budget of pages (0 for the default) and of time. Always
 * checks the meta pages, the list of free pages and the small databases; then the trees of records as far as the
 * budget allows, and a sample of the rest. Sets bits in pages->checked, which may be NULL. Sets `fully_checked` if
 * everything was checked. An empty file passes. Returns 0, MW_EFORMAT with an error that names `path`, or MW_EIO. */
int mw_lmdb_check(int fd, const char *path, uint64_t budget, struct mw_pages *pages, bool *fully_checked,
                  struct mw_err *err);

#endif
