/* What a storage engine has to offer below the store: one vtable, filled in by each (lmdb.c is the one there is).
 *
 * The engine keeps records (bytes to bytes, each with a revision and an expiry) in key order, and counters (names to
 * numbers). It knows neither time nor transactions of the store: compares, revisions, the hiding of expired records,
 * watches and sequences are made above it, in the other files of this folder, and are the same for every engine.
 *
 * Threads: views may be opened and used on any thread, each by one thread at a time. The write functions are called
 * by one thread, the writer. */
#ifndef MW_STORE_BACKEND_H
#define MW_STORE_BACKEND_H

#include <stdbool.h>

#include "base/err.h"
#include "base/slice.h"

struct mw_record {
  struct mw_slice key, value;
  uint64_t revision; /* never 0 */
  int64_t expires;   /* wall clock, nanoseconds; 0 for never */
};

struct mw_view; /* a consistent state to read from, an engine's own */
struct mw_backend;

struct mw_backend_ops {
  /* Closes; no view is open and no write under way. */
  void (*close)(struct mw_backend *backend);

  /* Whether a view is open. */
  bool (*in_use)(struct mw_backend *backend);

  /* Checks that the files are still in place; the writer calls it every half second. */
  void (*inspect)(struct mw_backend *backend);

  /* Returns whether nothing can be written at present, with the reason in `words`, of `cap` bytes, which may be 0. Any
   * thread. */
  bool (*trouble)(struct mw_backend *backend, char *words, size_t cap);

  /* ---- reading: what a view hands out is valid until it closes ---- */

  /* Opens a view of the newest commit. Returns 0, MW_ELIMIT (too many open), MW_EIO or MW_ENOMEM. */
  int (*view_open)(struct mw_backend *backend, struct mw_view **out, struct mw_err *err);
  void (*view_close)(struct mw_view *view);

  /* Returns 0, MW_ENOTFOUND, MW_EDATA (the record, or a page on the way to it, is damaged) or MW_EIO. */
  int (*view_get)(struct mw_view *view, struct mw_slice key, struct mw_record *out);

  /* The record below `prefix` that follows `after` (data NULL: the first), in reverse the one before it (the last).
   * Called with the key it returned last it moves on without a search. Returns 0, MW_ENOTFOUND, MW_EDATA (then out->key
   * is that of the damaged record, or has no data for a damaged page) or MW_EIO. */
  int (*view_next)(struct mw_view *view, struct mw_slice prefix, struct mw_slice after, bool reverse,
                   struct mw_record *out);

  /* A counter that was never set is 0. Returns 0, MW_EDATA or MW_EIO. */
  int (*view_counter)(struct mw_view *view, struct mw_slice name, uint64_t *out);

  /* ---- writing: begin, then any of the others, then commit or abort ---- */

  /* Each returns 0, MW_EFULL (disk, map or quota), MW_EIO, MW_EDATA or MW_ENOMEM; after an error only abort may follow,
   * but after begin nothing. */
  int (*begin)(struct mw_backend *backend, struct mw_err *err);
  int (*put)(struct mw_backend *backend, const struct mw_record *record, struct mw_err *err);
  int (*set_counter)(struct mw_backend *backend, struct mw_slice name, uint64_t value, struct mw_err *err);

  /* These two also return MW_ENOTFOUND, which is no error. What `get` hands out is valid until the next write. */
  int (*get)(struct mw_backend *backend, struct mw_slice key, struct mw_record *out, struct mw_err *err);
  int (*erase)(struct mw_backend *backend, struct mw_slice key, struct mw_err *err);

  /* Key and expiry of the record that expires first, valid until the next write. Returns as `get`. */
  int (*first_expiry)(struct mw_backend *backend, struct mw_slice *key, int64_t *expires, struct mw_err *err);

  /* Deletes the record if it expires at `expires`, and that expiry in any case. Returns as `erase`. */
  int (*expire)(struct mw_backend *backend, struct mw_slice key, int64_t expires, struct mw_err *err);

  /* Makes everything since begin durable and visible, or nothing: an error has aborted. */
  int (*commit)(struct mw_backend *backend, struct mw_err *err);
  void (*abort)(struct mw_backend *backend);
};

/* The key for people: its collection, a blank, and the message's key. Returns `out`. */
enum { MW_STORE_KEY_WORDS = 160 };
const char *mw_store_key_words(struct mw_slice key, char *out);

struct mw_backend {
  const struct mw_backend_ops *ops;
};

/* Opens the LMDB engine on the folder `path`, or for ":memory:" on files that are gone already. Errors as
 * mw_store_open(). */
int mw_lmdb_open(struct mw_backend **out, const char *path, size_t map_size, uint64_t check_pages,
                 struct mw_err *err);

#endif
