/* The interface of a storage engine: one vtable, which each engine fills in. store/lmdb is the only one.
 *
 * The engine keeps records (bytes to bytes, each with a revision and an expiry) in key order, and counters (names to
 * numbers). It has neither clock nor transactions of the store. The files of src/store implement compares, revisions,
 * the hiding of expired records, watches and sequences, the same for every engine.
 *
 * Threads: any thread may open and use views, each view on one thread at a time. One thread, the writer, calls the
 * write functions. */
#ifndef MW_STORE_BACKEND_BACKEND_H
#define MW_STORE_BACKEND_BACKEND_H

#include <stdbool.h>

#include "base/err.h"
#include "base/slice.h"

/* Bounds of keys and values, in bytes. The names of counters have the same bounds as keys. */
enum { MW_STORE_KEY_MAX = 480, MW_STORE_VALUE_MAX = 0x3fffffff };

/* The engine's file in the store's folder. An error about it begins with "FOLDER/" MW_STORE_FILE ": ", of which clients
 * get no folder. */
#define MW_STORE_FILE "store.mdb"

/* The counter of the store's revision. Counters of sequences have longer names: 's' and the name of the sequence. */
#define MW_REVISION_COUNTER mw_slice("r", 1)

struct mw_record {
  struct mw_slice key, value;
  uint64_t revision; /* never 0 */
  int64_t expires;   /* wall clock, nanoseconds; 0 for never */
};

struct mw_view; /* a consistent state to read from; defined by the engine */
struct mw_backend;

struct mw_backend_ops {
  /* Closes the engine; no view is open and no write under way. */
  void (*close)(struct mw_backend *backend);

  /* True if a view is open. */
  bool (*in_use)(struct mw_backend *backend);

  /* Checks that the files are still in place; the writer calls it every half second. */
  void (*inspect)(struct mw_backend *backend);

  /* Returns true while writes are impossible, with the reason in `words` of `cap` bytes, which may be 0. Any thread. */
  bool (*failure)(struct mw_backend *backend, char *words, size_t cap);

  /* ---- reading: results of a view are valid until it closes ---- */

  /* Opens a view of the newest commit. Returns 0, MW_ELIMIT (too many open; at least 8,000 can be), MW_EIO or
   * MW_ENOMEM. */
  int (*view_open)(struct mw_backend *backend, struct mw_view **out, struct mw_err *err);
  void (*view_close)(struct mw_view *view);

  /* Returns 0, MW_ENOTFOUND, MW_EDATA (the record, or a page on the way to it, is damaged) or MW_EIO. */
  int (*view_get)(struct mw_view *view, struct mw_slice key, struct mw_record *out);

  /* Returns the record below `prefix` after `after` (data NULL: the first); with `reverse` the one before it (data
   * NULL: the last). `after` may be any key, above or below all those with the prefix too. Called with the key it
   * returned last, it advances without a search. Returns 0, MW_ENOTFOUND, MW_EDATA or MW_EIO. After MW_EDATA out->key
   * is the key of the damaged record, or has no data if a page is damaged. */
  int (*view_next)(struct mw_view *view, struct mw_slice prefix, struct mw_slice after, bool reverse,
                   struct mw_record *out);

  /* Reads a counter; one that was never set is 0. Returns 0, MW_EDATA or MW_EIO. */
  int (*view_counter)(struct mw_view *view, struct mw_slice name, uint64_t *out);

  /* ---- writing: begin, then any of the others, then commit or abort ---- */

  /* Each returns 0, MW_EFULL (disk, map or quota), MW_EIO, MW_EDATA or MW_ENOMEM. A full store can still erase. After
   * an error only abort may follow; after a failed begin, nothing. */
  int (*begin)(struct mw_backend *backend, struct mw_err *err);
  int (*put)(struct mw_backend *backend, const struct mw_record *record, struct mw_err *err);
  int (*set_counter)(struct mw_backend *backend, struct mw_slice name, uint64_t value, struct mw_err *err);

  /* These two may also return MW_ENOTFOUND, which is no error. The result of `get` is valid until the next write. */
  int (*get)(struct mw_backend *backend, struct mw_slice key, struct mw_record *out, struct mw_err *err);
  int (*erase)(struct mw_backend *backend, struct mw_slice key, struct mw_err *err);

  /* Returns key and expiry of the record that expires first, valid until the next write. Codes as for `get`. */
  int (*first_expiry)(struct mw_backend *backend, struct mw_slice *key, int64_t *expires, struct mw_err *err);

  /* Deletes the expiry entry, and the record if it expires at `expires`. Codes as for `erase`. */
  int (*expire)(struct mw_backend *backend, struct mw_slice key, int64_t expires, struct mw_err *err);

  /* Makes everything since begin durable and visible. On error nothing is, and the transaction is aborted. */
  int (*commit)(struct mw_backend *backend, struct mw_err *err);
  void (*abort)(struct mw_backend *backend);
};

/* Writes a key for people: its collection, a space, and the message's key. Returns `out`, of MW_STORE_KEY_WORDS
 * bytes. */
enum { MW_STORE_KEY_WORDS = 160 };
const char *mw_store_key_words(struct mw_slice key, char *out);

struct mw_backend {
  const struct mw_backend_ops *ops;
};

#endif
