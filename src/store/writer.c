#include "store/writer.h"

#include <signal.h>
#include <stdio.h>

#include "base/clock.h"
#include "base/thread.h"
#include "observe/log.h"
#include "store/store_impl.h"

enum { EXPIRE_AT_ONCE = 1024 }; /* greatest number of keys that one commit expires */
#define INSPECT_EVERY ((int64_t)MW_NS_PER_S / 2)
#define REPORT_EVERY ((int64_t)MW_NS_PER_S)
#define EXPIRE_EVERY ((int64_t)MW_NS_PER_S)
#define GATHER_MOST ((int64_t)MW_NS_PER_MS)

/* ---- applying ---- */

/* Returns the revision that a compare requires. */
static uint64_t required_revision(const struct mw_store_op *compare) {
  return compare->txn && compare->number != MW_STORE_ABSENT ? compare->txn->revision : compare->number;
}

/* Returns 0, MW_ECONFLICT, or an error that prevents the commit of the batch. */
static int check_compares(struct mw_store *store, struct mw_store_txn *txn, int64_t now, struct mw_err *err) {
  for (size_t i = 0; i < txn->n_ops; i++) {
    const struct mw_store_op *op = &txn->ops[i];
    if (op->kind != MW_STORE_OP_COMPARE && op->kind != MW_STORE_OP_AFTER) continue;
    if (op->txn && op->txn->code != 0) return MW_ECONFLICT;
    if (op->kind == MW_STORE_OP_AFTER) continue;
    struct mw_record record;
    int rc = store->backend->ops->get(store->backend, mw_store_op_key(txn, op), &record, err);
    if (rc != 0 && rc != MW_ENOTFOUND) return rc;
    uint64_t revision = rc == 0 && !mw_expired(&record, now) ? record.revision : MW_STORE_ABSENT;
    if (revision != required_revision(op)) return MW_ECONFLICT;
  }
  return 0;
}

static int apply_write(struct mw_store *store, struct mw_store_txn *txn, struct mw_store_op *op, uint64_t revision,
                       struct mw_err *err) {
  struct mw_backend *backend = store->backend;
  struct mw_slice key = mw_store_op_key(txn, op);
  int rc = 0;
  switch (op->kind) {
    case MW_STORE_OP_COMPARE:
    case MW_STORE_OP_AFTER: return 0;
    case MW_STORE_OP_COUNTER: return backend->ops->set_counter(backend, key, op->number, err);
    case MW_STORE_OP_DELETE: rc = backend->ops->erase(backend, key, err); break;
    case MW_STORE_OP_PUT: {
      struct mw_record record = {key, mw_store_op_value(txn, op), revision, op->expires};
      rc = backend->ops->put(backend, &record, err);
      if (op->expires != 0 && op->expires < store->writer.next_expiry) {
        store->writer.next_expiry = op->expires;
        store->writer.published_expiry = op->expires;
      }
      break;
    }
  }
  op->changed = rc == 0;
  txn->n_changed += op->changed;
  return rc == MW_ENOTFOUND ? 0 : rc;
}

/* Sets `writes` if a transaction writes, and `records` if it changes records. */
static void classify(const struct mw_store_txn *txn, bool *writes, bool *records) {
  *writes = *records = false;
  for (size_t i = 0; i < txn->n_ops; i++) {
    *writes |= txn->ops[i].kind != MW_STORE_OP_COMPARE && txn->ops[i].kind != MW_STORE_OP_AFTER;
    *records |= txn->ops[i].kind == MW_STORE_OP_PUT || txn->ops[i].kind == MW_STORE_OP_DELETE;
  }
}

/* Applies one transaction and sets txn->code. Increments `*revision` if it writes records. Returns 0, or an error
 * that prevents the commit of the batch. */
static int apply(struct mw_store *store, struct mw_store_txn *txn, int64_t now, uint64_t *revision, bool *dirty,
                 struct mw_err *err) {
  txn->n_changed = 0;
  txn->revision = 0;
  int rc = check_compares(store, txn, now, err);
  txn->code = rc;
  if (rc != 0) return rc == MW_ECONFLICT ? 0 : rc;
  bool writes, records;
  classify(txn, &writes, &records);
  if (records) ++*revision;
  txn->revision = *revision;
  *dirty |= writes;
  for (size_t i = 0; rc == 0 && i < txn->n_ops; i++) rc = apply_write(store, txn, &txn->ops[i], *revision, err);
  return rc;
}

/* Makes the applied writes durable as the newest revision. Aborts on failure. */
static int commit(struct mw_store *store, uint64_t revision, struct mw_err *err) {
  struct mw_backend *backend = store->backend;
  int rc = backend->ops->set_counter(backend, MW_REVISION_COUNTER, revision, err);
  if (rc != 0) {
    backend->ops->abort(backend);
    return rc;
  }
  rc = backend->ops->commit(backend, err);
  if (rc != 0) return rc;
  store->writer.revision = revision;
  atomic_fetch_add(&store->writer.commits, 1);
  return 0;
}

/* Commits `n` transactions from `first`: all of them, conflicts excepted, or none. */
static int commit_batch(struct mw_store *store, struct mw_store_txn *first, size_t n, struct mw_err *err) {
  struct mw_backend *backend = store->backend;
  int rc = backend->ops->begin(backend, err);
  if (rc != 0) return rc;
  int64_t now = store->clock();
  uint64_t revision = store->writer.revision;
  bool dirty = false;
  for (struct mw_store_txn *txn = first; rc == 0 && n > 0; txn = txn->next, n--) {
    rc = apply(store, txn, now, &revision, &dirty, err);
  }
  if (rc == 0 && dirty) return commit(store, revision, err);
  backend->ops->abort(backend);
  return rc;
}

/* ---- delivering results ---- */

static void run_results(struct mw_post *post) {
  struct mw_store_txn *txn = MW_CONTAINER(post, struct mw_store_txn, post);
  while (txn) {
    struct mw_store_txn *next = txn->next;
    const char *text = "";
    if (txn->code == MW_ECONFLICT) text = "a key was changed by another transaction meanwhile";
    else if (txn->code != 0) text = mw_err_text(&txn->err);
    struct mw_store_result result = {txn->code, txn->code == 0 ? txn->revision : 0, text};
    txn->done(txn->arg, &result);
    mw_store_txn_unref(txn);
    txn = next;
  }
}

/* Adds a settled transaction to the group of its loop: one post for each loop and commit. */
static void group(struct mw_store_txn **loops, struct mw_store_txn *txn) {
  txn->next = NULL;
  while (*loops && (*loops)->loop != txn->loop) loops = &(*loops)->next_loop;
  if (*loops) {
    (*loops)->last->next = txn;
    (*loops)->last = txn;
    return;
  }
  txn->last = txn;
  txn->next_loop = NULL;
  txn->post.run = run_results;
  *loops = txn;
}

/* Publishes `n` settled transactions to watches, then delivers their results. Watches come first, so that no caller
 * receives a result before them. Returns the transaction after the last. */
static struct mw_store_txn *deliver(struct mw_store *store, struct mw_store_txn *txn, size_t n) {
  struct mw_store_txn *loops = NULL;
  for (; n > 0; n--) {
    struct mw_store_txn *next = txn->next;
    mw_store_txn_unfollow(txn);
    if (txn->code == 0 && txn->n_changed > 0) mw_watch_hub_publish(&store->hub, txn);
    if (txn->on_settled) txn->on_settled(txn);
    else group(&loops, txn);
    txn = next;
  }
  while (loops) {
    struct mw_store_txn *leader = loops;
    loops = leader->next_loop;
    mw_loop_post(leader->loop, &leader->post);
  }
  return txn;
}

/* Records how many transactions are in flight, and removes the `n` settled ones from `first` from the pending
 * writes. Call it before their results are delivered, because callers then queue new ones. */
static void record_in_flight(struct mw_writer *writer, struct mw_store_txn *first, size_t n) {
  pthread_mutex_lock(&writer->lock);
  writer->expected_batch = n + (writer->queued - writer->taken);
  writer->rounds++;
  for (; n > 0; n--, first = first->next) mw_pending_remove(&writer->pending, first);
  pthread_mutex_unlock(&writer->lock);
}

/* ---- failures ----
 * Each failed transaction has its result; the log gets one line a second with their number. While the disk fails the
 * writer tries an empty commit every half second, so that the store recovers without traffic. */

static void report_failures(struct mw_writer *writer, int64_t now) {
  if (writer->failed == 0 || now < writer->reported_at + REPORT_EVERY) return;
  mw_log(MW_LOG_ERROR, NULL, "store: %llu transaction%s failed: %s", (unsigned long long)writer->failed,
         writer->failed == 1 ? "" : "s", writer->failure);
  writer->failed = 0;
  writer->reported_at = now;
}

/* Records that a commit failed with `rc`, or succeeded with 0. */
static void note(struct mw_store *store, int rc, const struct mw_err *err) {
  struct mw_writer *writer = &store->writer;
  if (rc == 0 && !atomic_load(&writer->disk_failed)) return;
  if (rc == 0) {
    atomic_store(&writer->disk_failed, false);
    mw_log(MW_LOG_INFO, NULL, "store: writes work again");
    return;
  }
  pthread_mutex_lock(&writer->lock);
  snprintf(writer->failure, sizeof writer->failure, "%s", mw_err_text(err));
  pthread_mutex_unlock(&writer->lock);
  if (rc == MW_EIO) atomic_store(&writer->disk_failed, true);
  writer->failed++;
  report_failures(writer, mw_clock_real());
}

/* Tries an empty commit. */
static void probe(struct mw_store *store) {
  struct mw_backend *backend = store->backend;
  struct mw_err err = MW_ERR_INIT;
  int rc = backend->ops->begin(backend, &err);
  if (rc == 0) rc = commit(store, store->writer.revision, &err);
  if (rc == 0) note(store, 0, &err);
  mw_err_fini(&err);
}

static bool inspection_due(const struct mw_writer *writer, int64_t now) {
  return now >= writer->inspected_at + INSPECT_EVERY;
}

static void inspect(struct mw_store *store) {
  struct mw_writer *writer = &store->writer;
  int64_t now = mw_clock_real();
  if (!inspection_due(writer, now)) return;
  writer->inspected_at = now;
  store->backend->ops->inspect(store->backend);
  if (store->backend->ops->failure(store->backend, NULL, 0) || atomic_load(&writer->disk_failed)) probe(store);
  report_failures(writer, now);
}

bool mw_writer_failure(struct mw_store *store, char *words, size_t cap) {
  struct mw_writer *writer = &store->writer;
  if (store->backend->ops->failure(store->backend, words, cap)) return true;
  if (!atomic_load(&writer->disk_failed)) return false;
  pthread_mutex_lock(&writer->lock);
  snprintf(words, cap, "%s", writer->failure);
  pthread_mutex_unlock(&writer->lock);
  return true;
}

/* Commits `n` transactions from `first`, in halves if they fail together. Returns the transaction after the last. */
static struct mw_store_txn *commit_or_split(struct mw_store *store, struct mw_store_txn *first, size_t n) {
  struct mw_err err = MW_ERR_INIT;
  int rc = commit_batch(store, first, n, &err);
  if (rc != 0 && n > 1) {
    mw_err_fini(&err);
    struct mw_store_txn *second = commit_or_split(store, first, n / 2);
    return commit_or_split(store, second, n - n / 2);
  }
  note(store, rc, &err);
  if (rc != 0) {
    first->code = rc;
    first->err = err;
  }
  record_in_flight(&store->writer, first, n);
  return deliver(store, first, n);
}

/* ---- expiry ---- */

/* Deletes up to EXPIRE_AT_ONCE expired records and lists them in `txn`. */
static int erase_expired(struct mw_store *store, struct mw_store_txn *txn, int64_t now, struct mw_err *err) {
  struct mw_backend *backend = store->backend;
  store->writer.next_expiry = MW_NEVER;
  for (;;) {
    struct mw_slice key;
    int64_t expires;
    int rc = backend->ops->first_expiry(backend, &key, &expires, err);
    if (rc != 0) return rc == MW_ENOTFOUND ? 0 : rc;
    if (expires > now || txn->n_ops == EXPIRE_AT_ONCE) {
      store->writer.next_expiry = expires;
      return 0;
    }
    rc = mw_store_txn_delete(txn, key);
    if (rc != 0) return mw_err_set(err, rc, "out of memory");
    struct mw_store_op *op = &txn->ops[txn->n_ops - 1];
    rc = backend->ops->expire(backend, mw_store_op_key(txn, op), expires, err);
    if (rc != 0 && rc != MW_ENOTFOUND) return rc;
    op->changed = rc == 0;
    txn->n_changed += op->changed;
  }
}

static int expire_in(struct mw_store *store, struct mw_store_txn *txn, int64_t now, struct mw_err *err) {
  struct mw_backend *backend = store->backend;
  int rc = backend->ops->begin(backend, err);
  if (rc != 0) return rc;
  rc = erase_expired(store, txn, now, err);
  if (rc == 0 && txn->n_ops > 0) {
    txn->revision = store->writer.revision + 1;
    return commit(store, txn->revision, err);
  }
  backend->ops->abort(backend);
  return rc;
}

static int64_t expiry_due(const struct mw_writer *writer) {
  if (writer->next_expiry == MW_NEVER) return MW_NEVER;
  int64_t soonest = writer->expired_at + EXPIRE_EVERY;
  return writer->next_expiry > soonest ? writer->next_expiry : soonest;
}

static void expire(struct mw_store *store) {
  struct mw_err err = MW_ERR_INIT;
  int64_t before = store->writer.next_expiry, now = store->clock();
  struct mw_store_txn *txn = mw_store_txn_new();
  int rc = txn ? expire_in(store, txn, now, &err) : mw_err_set(&err, MW_ENOMEM, "out of memory");
  if (rc == 0 && txn->n_changed > 0) mw_watch_hub_publish(&store->hub, txn);
  if (rc != 0) {
    store->writer.next_expiry = before; /* retry later */
    note(store, rc, &err);
  }
  /* If more have expired than fit into a commit, the next round follows at once. */
  store->writer.expired_at = rc == 0 && txn->n_ops == EXPIRE_AT_ONCE ? 0 : now;
  store->writer.published_expiry = store->writer.next_expiry;
  mw_store_txn_free(txn);
  mw_err_fini(&err);
}

/* ---- the thread ---- */

static void wait_for(struct mw_writer *writer, int64_t ns) {
  mw_condition_wait(&writer->wake, &writer->lock, mw_clock_real() + ns);
}

/* Waits briefly for the callers that just received results. Under the lock. */
static void gather(struct mw_writer *writer) {
  int64_t patience = writer->commit_ns / 8;
  int64_t until = mw_clock_real() + (patience < GATHER_MOST ? patience : GATHER_MOST), left;
  while (writer->queued - writer->taken < writer->expected_batch && !writer->stop &&
         (left = until - mw_clock_real()) > 0) {
    wait_for(writer, left);
  }
}

/* Takes all queued transactions. If there are none, waits for one, for an expiry or for an inspection. Returns false
 * at the end. */
static bool take_batch(struct mw_store *store, struct mw_store_txn **first) {
  struct mw_writer *writer = &store->writer;
  pthread_mutex_lock(&writer->lock);
  while (!writer->queue && !writer->stop) {
    int64_t due = expiry_due(writer), left = INSPECT_EVERY;
    if (due != MW_NEVER && due - store->clock() < left) left = due - store->clock();
    if (left <= 0 || inspection_due(writer, mw_clock_real())) break;
    wait_for(writer, left);
  }
  if (writer->queue) gather(writer);
  *first = writer->queue;
  writer->taken = writer->queued;
  writer->queue = NULL;
  writer->tail = writer->hurried_tail = &writer->queue;
  bool more = *first || !writer->stop;
  pthread_mutex_unlock(&writer->lock);
  return more;
}

static void count_settled(struct mw_writer *writer, size_t n) {
  pthread_mutex_lock(&writer->lock);
  writer->settled += n;
  pthread_cond_broadcast(&writer->settled_cond);
  pthread_mutex_unlock(&writer->lock);
}

static void *run(void *arg) {
  struct mw_store *store = arg;
  struct mw_store_txn *first;
  while (take_batch(store, &first)) {
    inspect(store); /* before writing to files that may be gone */
    size_t n = 0;
    for (struct mw_store_txn *txn = first; txn; txn = txn->next) n++;
    if (n > 0) {
      int64_t start = mw_clock_real();
      commit_or_split(store, first, n);
      store->writer.commit_ns = mw_clock_real() - start;
      count_settled(&store->writer, n);
    }
    if (expiry_due(&store->writer) <= store->clock()) expire(store);
  }
  return NULL;
}

/* Signals belong to the main thread: the new thread starts with all blocked but SIGBUS, which reports an unreadable
 * page of the file. */
static int start_thread(struct mw_store *store) {
  sigset_t all, old;
  sigfillset(&all);
  sigdelset(&all, SIGBUS);
  pthread_sigmask(SIG_BLOCK, &all, &old);
  int rc = pthread_create(&store->writer.thread, NULL, run, store);
  pthread_sigmask(SIG_SETMASK, &old, NULL);
  if (rc == 0) pthread_setname_np(store->writer.thread, "store");
  return rc;
}

int mw_writer_start(struct mw_store *store, struct mw_err *err) {
  struct mw_writer *writer = &store->writer;
  pthread_mutex_init(&writer->lock, NULL);
  mw_condition_init(&writer->wake);
  pthread_cond_init(&writer->settled_cond, NULL);
  writer->tail = writer->hurried_tail = &writer->queue;
  int rc = start_thread(store);
  if (rc == 0) return 0;
  pthread_cond_destroy(&writer->settled_cond);
  pthread_cond_destroy(&writer->wake);
  pthread_mutex_destroy(&writer->lock);
  return mw_err_set(err, MW_EIO, "the store's writer cannot be started: %s", strerror(rc));
}

void mw_writer_stop(struct mw_store *store) {
  struct mw_writer *writer = &store->writer;
  pthread_mutex_lock(&writer->lock);
  writer->stop = true;
  pthread_cond_signal(&writer->wake);
  pthread_mutex_unlock(&writer->lock);
  pthread_join(writer->thread, NULL);
  mw_pending_fini(&writer->pending);
  pthread_cond_destroy(&writer->settled_cond);
  pthread_cond_destroy(&writer->wake);
  pthread_mutex_destroy(&writer->lock);
}

/* Puts `txn` at the end of the queue, or of its hurried part. Under the lock. */
static void enqueue(struct mw_writer *writer, struct mw_store_txn *txn) {
  struct mw_store_txn **at = txn->overtakes ? writer->hurried_tail : writer->tail;
  txn->next = *at;
  *at = txn;
  if (at == writer->tail) writer->tail = &txn->next;
  if (txn->overtakes) writer->hurried_tail = &txn->next;
}

int mw_writer_queue(struct mw_store *store, struct mw_store_txn *txn) {
  struct mw_writer *writer = &store->writer;
  pthread_mutex_lock(&writer->lock);
  txn->position = writer->queued + 1;
  int rc = mw_pending_add(&writer->pending, txn, writer->taken);
  if (rc == 0) {
    bool first = !writer->queue;
    enqueue(writer, txn);
    writer->queued++;
    if (first || writer->queued - writer->taken == writer->expected_batch) pthread_cond_signal(&writer->wake);
  }
  pthread_mutex_unlock(&writer->lock);
  if (rc != 0) mw_store_txn_free(txn);
  return rc;
}

bool mw_writer_follows_newest(struct mw_store *store, const struct mw_store_txn *txn, uint64_t *rounds) {
  struct mw_writer *writer = &store->writer;
  pthread_mutex_lock(&writer->lock);
  bool newest = writer->pending.omitted == 0;
  for (size_t i = 0; newest && i < txn->n_ops; i++) {
    const struct mw_store_op *op = &txn->ops[i];
    const struct mw_store_op *write = op->follows ? mw_pending_find(&writer->pending, mw_store_op_key(txn, op)) : NULL;
    newest = !write || write->txn == op->txn;
  }
  *rounds = writer->rounds + 1;
  pthread_mutex_unlock(&writer->lock);
  return newest;
}

const struct mw_store_op *mw_writer_pending(struct mw_store *store, struct mw_slice key) {
  struct mw_writer *writer = &store->writer;
  pthread_mutex_lock(&writer->lock);
  const struct mw_store_op *write = mw_pending_find(&writer->pending, key);
  if (write) atomic_fetch_add(&write->txn->refs, 1);
  pthread_mutex_unlock(&writer->lock);
  return write;
}

void mw_writer_flush(struct mw_store *store) {
  struct mw_writer *writer = &store->writer;
  pthread_mutex_lock(&writer->lock);
  uint64_t upto = writer->queued;
  while (writer->settled < upto) pthread_cond_wait(&writer->settled_cond, &writer->lock);
  pthread_mutex_unlock(&writer->lock);
}
