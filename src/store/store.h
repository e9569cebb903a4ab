/* The store: an ordered map from byte keys to byte values, with revisions, transactions, expiry and watches.
 *
 * The model is the one that LMDB can serve embedded and etcd distributed, behind one vtable:
 *  - every committed transaction has a revision, larger than those before; a key carries the revision that last
 *    changed it;
 *  - a transaction is a list of compares (a key's revision) and a list of writes; either all compares hold and all
 *    writes are done, or nothing is;
 *  - a snapshot reads one revision for as long as it is open;
 *  - a watch reports each change below a prefix after a revision, in order, none missed or doubled.
 * A transaction is acknowledged only when it is durable. Reads come straight from the map and never wait.
 *
 * Threads: a store is shared by all workers. A transaction's `done` and a watch's events run on the loop given with
 * it. A snapshot belongs to the thread that opened it. */
#ifndef MW_STORE_STORE_H
#define MW_STORE_STORE_H

#include "base/arena.h"
#include "base/buf.h"
#include "loop/loop.h"

struct mw_store;

struct mw_store_options {
  const char *path;  /* a folder, made when absent; ":memory:" for no files: same behaviour, nothing survives */
  size_t map_size;   /* most bytes the store can grow to; 0 for the default, 16 GiB (1 GiB for :memory:) */
  uint64_t check_pages; /* most pages to check at opening, of the trees of records; 0 for the default, 65,536 */
  int64_t (*clock)(void); /* wall time in nanoseconds, for expiry; NULL for mw_clock_wall() */
};

/* Opens or makes a store. Returns 0; MW_EBUSY (another process has it open), MW_EFORMAT (the files are damaged or
 * not a store's), MW_EIO, MW_EFULL or MW_ENOMEM; the words name the file and what to do. */
int mw_store_open(struct mw_store **out, const struct mw_store_options *options, struct mw_err *err);

/* Finishes the queued transactions and closes. No snapshot or watch may be open. NULL is allowed. */
void mw_store_close(struct mw_store *store);

/* Whether a snapshot or watch is open. Any thread. */
bool mw_store_in_use(struct mw_store *store);

/* Whether the store takes no writes at present, because its disk fails or its files were taken away; puts the reason for
 * people into `why`, of `cap` bytes. Any thread. */
bool mw_store_unhealthy(struct mw_store *store, char *why, size_t cap);

/* How many durable commits were made since opening; each may hold many transactions. Any thread. */
uint64_t mw_store_commits(const struct mw_store *store);

/* ---- reading ---- */

struct mw_store_entry {
  struct mw_slice key, value;
  uint64_t revision; /* of the transaction that last wrote the key */
  int64_t expires;   /* wall clock, nanoseconds; 0 for never */
};

struct mw_store_snapshot;

enum {
  MW_STORE_SNAPSHOTS = 7680, /* that may be held: the reader slots, less those of reads that are under way or begin again */
  MW_STORE_SKIPPED = 1024    /* most expired entries that are passed over at once */
};

/* Opens a snapshot of the newest revision. What expires while it is open stays in it. It pins what it sees: a store
 * that is written to grows by every page changed meanwhile, so close it early. Returns 0, MW_ELIMIT (8,190 are open),
 * MW_EIO or MW_ENOMEM. */
int mw_store_snapshot_open(struct mw_store *store, struct mw_store_snapshot **out, struct mw_err *err);
void mw_store_snapshot_close(struct mw_store_snapshot *snapshot);
uint64_t mw_store_snapshot_revision(const struct mw_store_snapshot *snapshot);

/* Borrowed from the snapshot until it closes. Returns 0, MW_ENOTFOUND, MW_EDATA (the record, or a page on the way to it,
 * is damaged) or MW_EIO. */
int mw_store_snapshot_get(struct mw_store_snapshot *snapshot, struct mw_slice key, struct mw_store_entry *out);

/* Moves to the next entry below `prefix` after `after` (exclusive; data NULL for the start), or before it with
 * `reverse`. Call again with the returned key to go on. Returns 0, MW_ENOTFOUND at the end, MW_EBUSY after
 * MW_STORE_SKIPPED expired entries (go on after out->key), MW_EDATA or MW_EIO. After MW_EDATA out->key is that of the damaged record, with which to go on after it, or has no data: a page is damaged. */
int mw_store_snapshot_next(struct mw_store_snapshot *snapshot, struct mw_slice prefix, struct mw_slice after,
                           bool reverse, struct mw_store_entry *out);

/* Reads one key at the newest revision and appends its value. `out` may be NULL; its key is `key`, its value the part
 * of `value` that was appended. Returns 0, MW_ENOTFOUND, MW_EDATA, MW_ELIMIT (too many snapshots), MW_EIO or MW_ENOMEM. */
int mw_store_get(struct mw_store *store, struct mw_slice key, struct mw_buf *value, struct mw_store_entry *out);

/* ---- writing ---- */

enum {
  MW_STORE_ABSENT = 0,            /* as a compared revision: the key must not exist */
  MW_STORE_KEY_MAX = 480,         /* bytes */
  MW_STORE_VALUE_MAX = 0x3fffffff /* bytes */
};

struct mw_store_txn;

/* What became of a transaction, on the loop it was committed with. */
struct mw_store_result {
  int code;          /* 0, MW_ECONFLICT (a compare failed), MW_EFULL, MW_EIO, MW_EDATA, MW_ENOMEM */
  uint64_t revision; /* of the commit; 0 when it failed */
  const char *text;  /* words for people, "" when it went well; borrowed for the callback */
};

/* An empty transaction, owned by the caller until committed; NULL without memory. */
struct mw_store_txn *mw_store_txn_new(void);
void mw_store_txn_free(struct mw_store_txn *txn);

/* Each copies what it is given; writes are done in the order they were added. `expires_wall_ns`: when the key
 * vanishes, 0 for never; it is hidden at once and deleted, with an event for watches, about a second later.
 * Return 0, MW_ELIMIT (an empty key, or a key or value over its limit) or MW_ENOMEM. */
int mw_store_txn_compare(struct mw_store_txn *txn, struct mw_slice key, uint64_t revision);
int mw_store_txn_put(struct mw_store_txn *txn, struct mw_slice key, struct mw_slice value, int64_t expires_wall_ns);
int mw_store_txn_delete(struct mw_store_txn *txn, struct mw_slice key);

/* ---- changing a key that others change too ----
 * A transaction that is queued can be followed: mw_store_get_newest() reads a key as that transaction will leave it, and
 * one that follows it is applied after it, in the same commit or a later one, or fails when it fails. So a chain of
 * changes of one key takes one commit. The state that was read may never come about: show nothing that depends on it
 * before a transaction that follows or awaits it has succeeded. */

/* Where the state of a key comes from. */
struct mw_store_origin {
  struct mw_store_txn *txn; /* the queued transaction that wrote it, a reference; NULL when it is committed */
  uint64_t revision;        /* when it is committed; MW_STORE_ABSENT also for a queued write that leaves no record */
};

void mw_store_origin_clear(struct mw_store_origin *origin);

/* As mw_store_get(), with the writes that are queued. Sets `origin`, to be cleared, also with MW_ENOTFOUND. */
int mw_store_get_newest(struct mw_store *store, struct mw_slice key, struct mw_buf *value, struct mw_store_entry *out,
                        struct mw_store_origin *origin);

/* Compares `key` with the state that came from `origin`, which is borrowed. Returns as mw_store_txn_compare(). */
int mw_store_txn_follow(struct mw_store_txn *txn, struct mw_slice key, const struct mw_store_origin *origin);

/* Has `txn` fail with MW_ECONFLICT unless the queued transaction of `origin` succeeds. Nothing is compared: a later write
 * of the key does no harm. Returns 0 or MW_ENOMEM. */
int mw_store_txn_await(struct mw_store_txn *txn, const struct mw_store_origin *origin);

/* A transaction that awaits all that `txn` follows, which is not queued; NULL without memory. It may be empty. */
struct mw_store_txn *mw_store_txn_awaiting(const struct mw_store_txn *txn);
bool mw_store_txn_is_empty(const struct mw_store_txn *txn);

/* Whether all that `txn` follows is certain to be the newest of its key at this moment: then it is one state of the store. */
bool mw_store_txn_is_current(struct mw_store *store, struct mw_store_txn *txn);

/* Has mw_store_commit() return MW_ECONFLICT also when a compared key has a queued write that `txn` would lose to. */
void mw_store_txn_lose_early(struct mw_store_txn *txn);

/* Has `txn` applied before those that are queued and were not hurried, except those that it follows. For one that has lost
 * to others several times. */
void mw_store_txn_hurry(struct mw_store_txn *txn);

/* Hands the transaction to the writer, which puts the transactions of all threads into one durable commit. Those of
 * one thread are applied in order, hurried ones aside. Takes `txn`; `done(arg, result)` runs exactly once on `loop`, also
 * when the store closes meanwhile. Returns 0; or MW_ECONFLICT, and `done` does not run, when a key that `txn` follows has a
 * newer queued write: read it again. One that follows nothing, and need not lose early, is always queued. */
int mw_store_commit(struct mw_store *store, struct mw_store_txn *txn, struct mw_loop *loop,
                     void (*done)(void *arg, const struct mw_store_result *result), void *arg);

/* The next number, from 1, of the sequence `name`: never given out twice, across threads, restarts and crashes; in
 * order within one run of the process. Numbers are leased in durable batches, so that most calls are answered at
 * once: returns 0 and the number in `out`; MW_EBUSY when a lease is under way, then `done` runs on `loop` with the
 * number as the result's revision; MW_ELIMIT (name), MW_EIO or MW_ENOMEM. An orderly close gives unused numbers
 * back. */
int mw_store_sequence_next(struct mw_store *store, struct mw_slice name, uint64_t *out, struct mw_loop *loop,
                           void (*done)(void *arg, const struct mw_store_result *result), void *arg);

/* Waits until every transaction and sequence number that was asked for so far has its result posted. A worker calls
 * it before it ends its loop, which results must not come to afterwards. Any thread but a store's. */
void mw_store_flush(struct mw_store *store);

/* The wall clock's time at which the first record expires, or earlier; MW_NEVER once none does and the events of those that
 * have are posted. Any thread. */
int64_t mw_store_next_expiry(const struct mw_store *store);

/* ---- watching ---- */

struct mw_store_event {
  struct mw_slice key, value; /* value.data is NULL when the key was deleted or expired */
  uint64_t revision;
};

struct mw_store_watch;

/* Reports every change of keys below `prefix` with a revision greater than `after`, which must be the newest revision
 * or that of a snapshot the caller has open. `event(arg, NULL)` says that the watch has come to its end and that the
 * watcher must start over: it fell further behind than the store remembers, which is its newest
 * MW_STORE_WATCH_BACKLOG changes (of any key) or MW_STORE_WATCH_BYTES of them. `event` returns whether more may follow;
 * after false, none does until mw_store_watch_go_on(). Returns 0 or MW_ENOMEM. */
enum { MW_STORE_WATCH_BACKLOG = 16384, MW_STORE_WATCH_BYTES = 32 << 20 };
int mw_store_watch_open(struct mw_store *store, struct mw_slice prefix, uint64_t after, struct mw_loop *loop,
                        bool (*event)(void *arg, const struct mw_store_event *event), void *arg,
                        struct mw_store_watch **out);

/* Reports changes again, from a following turn of the loop on. On the loop's thread, not from within an event. Nothing
 * happens to a watch that reports them. */
void mw_store_watch_go_on(struct mw_store_watch *watch);

/* On the loop's thread, also from within an event; no event runs after it returns. */
void mw_store_watch_close(struct mw_store_watch *watch);

#endif
