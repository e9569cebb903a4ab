/* The writer: one thread that applies the transactions of all others, as many at a time as are waiting, in one durable
 * commit of the backend. While a commit waits for the disk the next batch gathers: that is the group commit.
 * Callers who each wait for their result would so fall into two groups that take turns. Therefore the writer, when it
 * has just answered some, gives them an eighth of the time a commit takes to come back and join the others.
 *
 * A batch that fails (a full disk, one transaction too large) is halved and tried again, down to single transactions,
 * so that none fails for its neighbours. */
#ifndef MW_STORE_WRITER_H
#define MW_STORE_WRITER_H

#include <pthread.h>

#include "store/pending.h"

struct mw_writer {
  pthread_t thread;
  pthread_mutex_t lock; /* guards all up to stop */
  pthread_cond_t wake;
  pthread_cond_t rest; /* a batch was settled */
  struct mw_store_txn *queue, **tail;
  struct mw_store_txn **ahead; /* in the queue, where the next that goes ahead is put */
  struct mw_pending pending;
  uint64_t queued, taken, settled; /* transactions, since the start */
  uint64_t rounds;                 /* how often transactions were settled, from 1 */
  uint64_t expected;               /* of the next batch: as many as were in flight together last */
  bool stop;

  /* The thread's own. */
  uint64_t revision;    /* of the last transaction that was committed */
  int64_t next_expiry;  /* when the first record expires, or earlier; MW_NEVER for none */
  int64_t expired_at;   /* when expired records were last deleted */
  int64_t commit_ns;    /* what the last batch took */
  int64_t inspected_at, reported_at;
  uint64_t failed;      /* transactions since the last report */
  char failure[256];    /* why the last one did; other threads read it under the lock */
  _Atomic bool sick;    /* the last commit met a failing disk; any thread */
  atomic_uint_fast64_t commits;
  _Atomic int64_t shown_expiry; /* `next_expiry` for other threads; after the events of what has expired */
};

/* Starts the thread, which goes on after the revision that the backend has. */
int mw_writer_start(struct mw_store *store, struct mw_err *err);

/* Finishes what is queued, and what that queues, and ends the thread. */
void mw_writer_stop(struct mw_store *store);

/* Queues a transaction whose `done` or `settled` is set. Any thread. Takes `txn`. Returns 0, or MW_ECONFLICT without a
 * result: see mw_store_commit(). */
int mw_writer_queue(struct mw_store *store, struct mw_store_txn *txn);

/* Returns true if all queued transactions are listed and no key that `txn` follows has a newer queued write; `*rounds` becomes
 * writer->rounds + 1 then. Any thread. */
bool mw_writer_follows_newest(struct mw_store *store, const struct mw_store_txn *txn, uint64_t *rounds);

/* The newest queued write of `key`, with a reference to its transaction; NULL for none. Any thread. */
const struct mw_op *mw_writer_pending(struct mw_store *store, struct mw_slice key);

/* Whether nothing can be written at present, and why. Any thread. */
bool mw_writer_trouble(struct mw_store *store, char *words, size_t cap);

/* Waits until what is queued so far is settled. Not on the writer's thread. */
void mw_writer_flush(struct mw_store *store);

#endif
