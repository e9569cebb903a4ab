/* The LMDB engine's inside, shared by lmdb.c (writing), lmdb_view.c (reading), lmdb_open.c (files) and
 * lmdb_check.c (damage).
 *
 * Three databases live in the file `store.mdb`:
 *   data    key                       -> revision (8 bytes), expiry (8 bytes), value
 *   expiry  expiry (8, big-endian) key -> nothing
 *   meta    'f'                       -> the format's number (8 bytes)
 *           'c' name                  -> a counter (8 bytes)
 * Numbers are in the machine's byte order, as everything in an LMDB file, but where they have to sort. */
#ifndef MW_STORE_LMDB_H
#define MW_STORE_LMDB_H

#include <lmdb.h>
#include <pthread.h>

#include "base/list.h"
#include "store/backend.h"

enum {
  MW_LMDB_FORMAT = 1,
  MW_LMDB_READERS = 8190, /* most views at once, idle ones included */
  MW_LMDB_SHARDS = 16,
  MW_LMDB_IDLE = 16, /* most idle views of a shard: they take up slots that others may need */
  MW_LMDB_HEADER = 16, /* bytes before each value */
  MW_LMDB_CHECK_MAX = 256 << 20
};

/* Idle views, kept because a fresh one costs a search for a reader slot under a lock. A thread sticks to its shard,
 * so that threads rarely meet on a lock. */
struct mw_lmdb_shard {
  _Alignas(64) pthread_mutex_t lock;
  struct mw_list idle;
  size_t n_idle, n_open;
};

struct mw_lmdb {
  struct mw_backend base;
  MDB_env *env;
  MDB_dbi data, expiry, meta;
  MDB_txn *write;     /* the writer's, between begin and commit */
  int lock_fd;        /* holds the folder for this process; -1 without files */
  char *path;         /* of the data file, for messages */
  size_t page_size;   /* bytes */
  size_t limit_pages; /* that records may fill; the map is larger, so that a full store can still delete */
  struct mw_lmdb_shard shards[MW_LMDB_SHARDS];
};

static inline MDB_val mw_lmdb_val(struct mw_slice s) { return (MDB_val){s.len, (void *)(uintptr_t)s.data}; }

/* Takes a data value apart. Returns 0, or MW_EIO when it is none. */
int mw_lmdb_decode(const MDB_val *key, const MDB_val *value, struct mw_record *out);

/* The MW_E* for an LMDB or system error. */
int mw_lmdb_code(int rc);

/* Reads the counter `name` in `txn`, 0 when it is not there. Returns 0 or MW_EIO. */
int mw_lmdb_counter(struct mw_lmdb *lm, MDB_txn *txn, struct mw_slice name, uint64_t *out);

/* lmdb_view.c: the reading half of the vtable. */
int mw_lmdb_view_open(struct mw_backend *backend, struct mw_view **out, struct mw_err *err);
void mw_lmdb_view_close(struct mw_view *view);
bool mw_lmdb_views_open(struct mw_backend *backend);
int mw_lmdb_view_get(struct mw_view *view, struct mw_slice key, struct mw_record *out);
int mw_lmdb_view_next(struct mw_view *view, struct mw_slice prefix, struct mw_slice after, bool reverse,
                      struct mw_record *out);
int mw_lmdb_view_counter(struct mw_view *view, struct mw_slice name, uint64_t *out);
void mw_lmdb_views_init(struct mw_lmdb *lm);
void mw_lmdb_views_fini(struct mw_lmdb *lm);

/* lmdb.c: the vtable. */
extern const struct mw_backend_ops mw_lmdb_ops;

/* lmdb_check.c: walks the data file `fd` before LMDB, which trusts it, maps it. Small files are checked whole; of those
 * over MW_LMDB_CHECK_MAX bytes only that they are as long as they say. An empty file passes. Returns 0, MW_EFORMAT
 * with words that name `path`, or MW_EIO. */
int mw_lmdb_check(int fd, const char *path, struct mw_err *err);

#endif
