/* The writer: one thread that applies the transactions of all others, as many as are queued, in one durable commit
 * of the backend (group commit). While a commit waits for the disk, the next batch gathers. Callers who each wait
 * for their result would form two groups that alternate. Therefore the writer, after it has delivered results, waits
 * up to an eighth of the time of a commit for their next transactions.
 *
 * A batch that fails (a full disk, one transaction too large) is halved and retried, down to single transactions, so
 * that no transaction fails because of another. */
#ifndef MW_STORE_WRITER_H
#define MW_STORE_WRITER_H

#include <pthread.h>

#include "store/pending.h"

struct mw_writer {
  pthread_t thread;
  pthread_mutex_t lock; /* guards all fields up to stop */
  pthread_cond_t wake;
  pthread_cond_t settled_cond; /* a batch was settled */
  struct mw_store_txn *queue, **tail;
  struct mw_store_txn **hurried_tail; /* place in the queue for the next hurried transaction */
  struct mw_pending pending;
  uint64_t queued, taken, settled; /* numbers of transactions since the start */
  uint64_t rounds;                 /* how often transactions were settled, from 1 */
  uint64_t expected_batch;         /* size of the next batch: the number last in flight together */
  bool stop;

  /* Used by the writer's thread only, except where noted. */
  uint64_t revision;   /* of the last committed transaction */
  int64_t next_expiry; /* expiry of the first record, or earlier; MW_NEVER for none */
  int64_t expired_at;  /* time of the last deletion of expired records */
  int64_t commit_ns;   /* duration of the last batch */
  int64_t inspected_at, reported_at;
  uint64_t failed;          /* failed transactions since the last report */
  char failure[256];        /* error of the last failure; other threads read it under the lock */
  _Atomic bool disk_failed; /* the disk failed in the last commit; any thread */
  atomic_uint_fast64_t commits;
  _Atomic int64_t published_expiry; /* `next_expiry` for other threads; set after the events of expired records */
};

/* Starts the thread, which continues from the backend's revision. */
int mw_writer_start(struct mw_store *store, struct mw_err *err);

/* Finishes the queue, with transactions that are added meanwhile, and ends the thread. */
void mw_writer_stop(struct mw_store *store);

/* Queues a transaction whose `done` or `on_settled` is set. Any thread. Takes `txn`. Returns 0, or MW_ECONFLICT without
 * a result: see mw_store_commit(). */
int mw_writer_queue(struct mw_store *store, struct mw_store_txn *txn);

/* Returns true if all queued transactions are listed and no key that `txn` follows has a newer queued write. Sets
 * `*rounds` to writer->rounds + 1. Any thread. */
bool mw_writer_follows_newest(struct mw_store *store, const struct mw_store_txn *txn, uint64_t *rounds);

/* Returns the newest queued write of `key`, with a reference to its transaction; NULL for none. Any thread. */
const struct mw_store_op *mw_writer_pending(struct mw_store *store, struct mw_slice key);

/* True while writes are impossible, with the reason. Any thread. */
bool mw_writer_failure(struct mw_store *store, char *words, size_t cap);

/* Waits until all queued transactions are settled. Not on the writer's thread. */
void mw_writer_flush(struct mw_store *store);

#endif
