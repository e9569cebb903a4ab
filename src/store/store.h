/* The store: an ordered map from byte keys to byte values, with revisions, transactions, expiry and watches.
 *
 * The model suits LMDB (embedded) and etcd (distributed), under one vtable:
 *  - every committed transaction has a revision, larger than all before; a key has the revision that last changed
 *    it;
 *  - a transaction is a list of compares (a key's revision) and a list of writes; if all compares hold, all writes
 *    are done, otherwise none;
 *  - a snapshot reads one revision for as long as it is open;
 *  - a watch reports each change below a prefix after a revision, in order, exactly once.
 * A transaction is acknowledged only when it is durable. Reads come directly from the map and never wait.
 *
 * Threads: all workers share a store. The `done` of a transaction and the events of a watch run on the loop passed
 * with it. A snapshot belongs to the thread that opened it. */
#ifndef MW_STORE_STORE_H
#define MW_STORE_STORE_H

#include "base/arena.h"
#include "base/buf.h"
#include "loop/loop.h"
#include "store/backend/backend.h"

struct mw_store;

struct mw_store_options {
  const char *path; /* a folder, created if absent; ":memory:" for no files: same behaviour, nothing survives */
  size_t map_size;  /* greatest size of the store; 0 for the default, 16 GiB (1 GiB for :memory:) */
  /* greatest number of pages of the record trees to check at opening; 0 for the default, 65,536 */
  uint64_t check_pages;
  int64_t (*clock)(void); /* wall time in nanoseconds, for expiry; NULL for mw_clock_wall() */
};

/* Opens or creates a store. Returns 0; MW_EBUSY (another process has it open), MW_EFORMAT (damaged, or not the files
 * of a store), MW_EIO, MW_EFULL or MW_ENOMEM; the error names the file and the remedy. */
int mw_store_open(struct mw_store **out, const struct mw_store_options *options, struct mw_err *err);

/* Finishes the queued transactions and closes. No snapshot or watch may be open. NULL is allowed. */
void mw_store_close(struct mw_store *store);

/* True if a snapshot or watch is open. Any thread. */
bool mw_store_in_use(struct mw_store *store);

/* True while the store refuses writes because its disk fails or its files were removed; writes the reason to `why`,
 * of `cap` bytes. Any thread. */
bool mw_store_unhealthy(struct mw_store *store, char *why, size_t cap);

/* Returns the number of durable commits since opening; each may hold many transactions. Any thread. */
uint64_t mw_store_commits(const struct mw_store *store);

/* ---- reading ---- */

struct mw_store_entry {
  struct mw_slice key, value;
  uint64_t revision; /* of the transaction that last wrote the key */
  int64_t expires;   /* wall clock, nanoseconds; 0 for never */
};

struct mw_store_snapshot;

enum {
  MW_STORE_SNAPSHOTS = 7680, /* greatest number of held snapshots: the reader slots, less a reserve for short reads */
  MW_STORE_SKIPPED = 1024    /* greatest number of expired entries skipped in one call */
};

/* Opens a snapshot of the newest revision. Entries that expire while it is open stay in it. It pins its pages: every
 * page changed meanwhile makes the file grow, so close it early. Returns 0, MW_ELIMIT (8,190 are open), MW_EIO or
 * MW_ENOMEM. */
int mw_store_snapshot_open(struct mw_store *store, struct mw_store_snapshot **out, struct mw_err *err);
void mw_store_snapshot_close(struct mw_store_snapshot *snapshot);
uint64_t mw_store_snapshot_revision(const struct mw_store_snapshot *snapshot);

/* Reads an entry, borrowed from the snapshot until it closes. Returns 0, MW_ENOTFOUND, MW_EDATA (the record, or a
 * page on the way to it, is damaged) or MW_EIO. */
int mw_store_snapshot_get(struct mw_store_snapshot *snapshot, struct mw_slice key, struct mw_store_entry *out);

/* Moves to the next entry below `prefix` after `after` (exclusive; data NULL for the start), or with `reverse` to
 * the one before it. To continue, pass the returned key as `after`. Returns 0, MW_ENOTFOUND at the end, MW_EBUSY
 * after MW_STORE_SKIPPED expired entries (continue after out->key), MW_EDATA or MW_EIO. After MW_EDATA out->key is
 * the key of the damaged record, after which the scan can continue, or has no data: a page is damaged. */
int mw_store_snapshot_next(struct mw_store_snapshot *snapshot, struct mw_slice prefix, struct mw_slice after,
                           bool reverse, struct mw_store_entry *out);

/* Reads one key at the newest revision and appends its value. `out` may be NULL; its key is `key`, its value the
 * appended part of `value`. Returns 0, MW_ENOTFOUND, MW_EDATA, MW_ELIMIT (too many snapshots), MW_EIO or MW_ENOMEM. */
int mw_store_get(struct mw_store *store, struct mw_slice key, struct mw_buf *value, struct mw_store_entry *out);

/* ---- writing ---- */

enum {
  MW_STORE_ABSENT = 0 /* a compared revision: the key must not exist */
};

struct mw_store_txn;

/* The result of a transaction, on the loop of its commit. */
struct mw_store_result {
  int code;          /* 0, MW_ECONFLICT (a compare failed), MW_EFULL, MW_EIO, MW_EDATA, MW_ENOMEM */
  uint64_t revision; /* of the commit; 0 on failure */
  const char *text;  /* the error's text, "" on success; borrowed for the callback */
};

/* Returns an empty transaction, owned by the caller until it is committed; NULL without memory. */
struct mw_store_txn *mw_store_txn_new(void);
void mw_store_txn_free(struct mw_store_txn *txn);

/* Each copies its arguments; writes are done in the order they were added. `expires_wall_ns` is the time at which
 * the key expires, 0 for never. An expired key is hidden at once and deleted, with an event for watches, about a
 * second later. Return 0, MW_ELIMIT (an empty key, or a key or value over its limit) or MW_ENOMEM. */
int mw_store_txn_compare(struct mw_store_txn *txn, struct mw_slice key, uint64_t revision);
int mw_store_txn_put(struct mw_store_txn *txn, struct mw_slice key, struct mw_slice value, int64_t expires_wall_ns);
int mw_store_txn_delete(struct mw_store_txn *txn, struct mw_slice key);

/* ---- changing a key concurrently ----
 * A queued transaction can be followed: mw_store_get_newest() reads a key as that transaction will leave it. A
 * transaction that follows it is applied after it, in the same commit or a later one, and fails if it fails. A chain
 * of changes of one key thus takes one commit. The predicted state may never exist: show nothing that depends on it
 * before a transaction that follows or awaits it has succeeded. */

/* The source of the state of a key. */
struct mw_store_origin {
  struct mw_store_txn *txn; /* the queued transaction that wrote it, a reference; NULL if the state is committed */
  uint64_t revision;        /* of a committed state; MW_STORE_ABSENT also for a queued write that leaves no record */
};

void mw_store_origin_clear(struct mw_store_origin *origin);

/* Like mw_store_get(), but includes queued writes. Sets `origin`, also with MW_ENOTFOUND; clear it with
 * mw_store_origin_clear(). */
int mw_store_get_newest(struct mw_store *store, struct mw_slice key, struct mw_buf *value, struct mw_store_entry *out,
                        struct mw_store_origin *origin);

/* Compares `key` with the state from `origin`, which is borrowed. Returns like mw_store_txn_compare(). */
int mw_store_txn_follow(struct mw_store_txn *txn, struct mw_slice key, const struct mw_store_origin *origin);

/* Makes `txn` fail with MW_ECONFLICT unless the queued transaction of `origin` succeeds. Compares nothing: a later
 * write of the key is allowed. Returns 0 or MW_ENOMEM. */
int mw_store_txn_await(struct mw_store_txn *txn, const struct mw_store_origin *origin);

/* Returns a transaction that awaits all that `txn` follows; `txn` is not queued. NULL without memory. It may be
 * empty. */
struct mw_store_txn *mw_store_txn_awaiting(const struct mw_store_txn *txn);
bool mw_store_txn_is_empty(const struct mw_store_txn *txn);

/* True if each state that `txn` follows is certainly the newest of its key now; then together they are one state of
 * the store. */
bool mw_store_txn_is_current(struct mw_store *store, struct mw_store_txn *txn);

/* Makes mw_store_commit() return MW_ECONFLICT also if a compared key has a queued write with which `txn` would
 * conflict. */
void mw_store_txn_lose_early(struct mw_store_txn *txn);

/* Makes `txn` go before queued transactions that were not hurried, except those that it follows. For a transaction
 * that has lost several conflicts. */
void mw_store_txn_prioritise(struct mw_store_txn *txn);

/* Queues the transaction for the writer, which puts the transactions of all threads into one durable commit. The
 * transactions of one thread are applied in order, hurried ones excepted. Takes `txn`; `done(arg, result)` runs
 * exactly once on `loop`, also if the store closes meanwhile. Returns 0; or MW_ECONFLICT, and `done` does not run,
 * if a key that `txn` follows has a newer queued write: read it again. A transaction that follows nothing and does
 * not lose early is always queued. */
int mw_store_commit(struct mw_store *store, struct mw_store_txn *txn, struct mw_loop *loop,
                    void (*done)(void *arg, const struct mw_store_result *result), void *arg);

/* Returns the next number, from 1, of the sequence `name`. A number is never issued twice, across threads, restarts
 * and crashes; within one run of the process they are in order. Numbers are leased in durable batches, so that most
 * calls return at once: 0 and the number in `out`; MW_EBUSY while a lease is under way, then `done` runs on `loop`
 * with the number as the result's revision; MW_ELIMIT (name), MW_EIO or MW_ENOMEM. An orderly close returns unused
 * numbers. */
int mw_store_sequence_next(struct mw_store *store, struct mw_slice name, uint64_t *out, struct mw_loop *loop,
                           void (*done)(void *arg, const struct mw_store_result *result), void *arg);

/* Waits until the result of every earlier transaction and sequence number is posted. A worker calls it before the
 * end of its loop, so that no result arrives afterwards. Any thread but a store's. */
void mw_store_flush(struct mw_store *store);

/* Returns the wall clock time at which the first record expires, or an earlier one; MW_NEVER once no record expires
 * and the events of expired ones are posted. Any thread. */
int64_t mw_store_next_expiry(const struct mw_store *store);

/* ---- watching ---- */

struct mw_store_event {
  struct mw_slice key, value; /* value.data is NULL if the key was deleted or expired */
  uint64_t revision;
};

struct mw_store_watch;

/* Reports every change of keys below `prefix` with a revision greater than `after`, which must be the newest
 * revision or that of a snapshot the caller has open. `event(arg, NULL)` ends the watch, and the watcher must start
 * over: it lagged by more than MW_STORE_WATCH_BACKLOG changes (of any key) or MW_STORE_WATCH_BYTES. `event` returns
 * true to receive more; after false, no event runs until mw_store_watch_go_on(). Returns 0 or MW_ENOMEM. */
enum { MW_STORE_WATCH_BACKLOG = 16384, MW_STORE_WATCH_BYTES = 32 << 20 };
int mw_store_watch_open(struct mw_store *store, struct mw_slice prefix, uint64_t after, struct mw_loop *loop,
                        bool (*event)(void *arg, const struct mw_store_event *event), void *arg,
                        struct mw_store_watch **out);

/* Resumes the events, from a later turn of the loop on. On the loop's thread, not from within an event. No effect on
 * a watch that is not paused. */
void mw_store_watch_go_on(struct mw_store_watch *watch);

/* Closes the watch. On the loop's thread, also from within an event; no event runs after it returns. */
void mw_store_watch_close(struct mw_store_watch *watch);

#endif
