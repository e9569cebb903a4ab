#include "store/store.h"

#include <stdlib.h>

#include "base/clock.h"
#include "store/lmdb/lmdb.h"
#include "store/store_impl.h"

static const size_t GIB = (size_t)1 << 30;

/* Reads the newest committed revision. */
static int load_revision(struct mw_store *store, uint64_t *out, struct mw_err *err) {
  const struct mw_backend_ops *ops = store->backend->ops;
  struct mw_view *view;
  int rc = ops->view_open(store->backend, &view, err);
  if (rc != 0) return rc;
  rc = ops->view_counter(view, MW_REVISION_COUNTER, out);
  ops->view_close(view);
  return rc == 0 ? 0 : mw_err_set(err, MW_EFORMAT, "the store's revision cannot be read: restore a backup");
}

int mw_store_open(struct mw_store **out, const struct mw_store_options *options, struct mw_err *err) {
  size_t map_size = options->map_size;
  if (map_size == 0) map_size = strcmp(options->path, ":memory:") == 0 ? GIB : 16 * GIB;
  struct mw_store *store = calloc(1, sizeof *store);
  if (!store) return mw_err_set(err, MW_ENOMEM, "%s: out of memory", options->path);
  store->clock = options->clock ? options->clock : mw_clock_wall;
  mw_sequences_init(&store->sequences);
  int rc = mw_lmdb_open(&store->backend, options->path, map_size, options->check_pages, err);
  if (rc != 0) goto no_backend;
  rc = load_revision(store, &store->writer.revision, err);
  if (rc != 0) goto no_hub;
  rc = mw_watch_hub_init(&store->hub, store->writer.revision);
  if (rc != 0) {
    mw_err_set(err, rc, "%s: out of memory", options->path);
    goto no_hub;
  }
  rc = mw_writer_start(store, err);
  if (rc != 0) goto no_writer;
  *out = store;
  return 0;

no_writer:
  mw_watch_hub_fini(&store->hub);
no_hub:
  store->backend->ops->close(store->backend);
no_backend:
  pthread_mutex_destroy(&store->sequences.lock);
  free(store);
  return rc;
}

void mw_store_close(struct mw_store *store) {
  if (!store) return;
  mw_writer_stop(store);
  mw_sequences_fini(store);
  mw_watch_hub_fini(&store->hub);
  store->backend->ops->close(store->backend);
  free(store);
}

bool mw_store_in_use(struct mw_store *store) {
  return mw_watch_hub_in_use(&store->hub) || store->backend->ops->in_use(store->backend);
}

bool mw_store_unhealthy(struct mw_store *store, char *why, size_t cap) { return mw_writer_failure(store, why, cap); }

uint64_t mw_store_commits(const struct mw_store *store) { return atomic_load(&store->writer.commits); }

/* ---- reading ---- */

struct mw_store_snapshot {
  const struct mw_backend_ops *ops;
  struct mw_view *view;
  uint64_t revision;
  int64_t now; /* time of opening: entries expired by then are hidden, others are not */
};

int mw_store_snapshot_open(struct mw_store *store, struct mw_store_snapshot **out, struct mw_err *err) {
  struct mw_store_snapshot *snapshot = malloc(sizeof *snapshot);
  if (!snapshot) return mw_err_set(err, MW_ENOMEM, "out of memory");
  snapshot->ops = store->backend->ops;
  int rc = snapshot->ops->view_open(store->backend, &snapshot->view, err);
  if (rc != 0) goto no_view;
  rc = snapshot->ops->view_counter(snapshot->view, MW_REVISION_COUNTER, &snapshot->revision);
  if (rc != 0) {
    mw_err_set(err, rc, "the store's revision cannot be read");
    goto no_revision;
  }
  snapshot->now = store->clock();
  *out = snapshot;
  return 0;

no_revision:
  snapshot->ops->view_close(snapshot->view);
no_view:
  free(snapshot);
  return rc;
}

void mw_store_snapshot_close(struct mw_store_snapshot *snapshot) {
  if (!snapshot) return;
  snapshot->ops->view_close(snapshot->view);
  free(snapshot);
}

uint64_t mw_store_snapshot_revision(const struct mw_store_snapshot *snapshot) { return snapshot->revision; }

static void to_entry(const struct mw_record *record, struct mw_store_entry *out) {
  *out = (struct mw_store_entry){record->key, record->value, record->revision, record->expires};
}

int mw_store_snapshot_get(struct mw_store_snapshot *snapshot, struct mw_slice key, struct mw_store_entry *out) {
  struct mw_record record;
  int rc = snapshot->ops->view_get(snapshot->view, key, &record);
  if (rc == 0 && mw_expired(&record, snapshot->now)) rc = MW_ENOTFOUND;
  if (rc == 0) to_entry(&record, out);
  return rc;
}

int mw_store_snapshot_next(struct mw_store_snapshot *snapshot, struct mw_slice prefix, struct mw_slice after,
                           bool reverse, struct mw_store_entry *out) {
  struct mw_record record;
  int rc, skipped = 0;
  do {
    rc = snapshot->ops->view_next(snapshot->view, prefix, after, reverse, &record);
    after = record.key;
  } while (rc == 0 && mw_expired(&record, snapshot->now) && ++skipped < MW_STORE_SKIPPED);
  if (rc == 0) to_entry(&record, out);
  if (rc == 0 && skipped == MW_STORE_SKIPPED) rc = MW_EBUSY;
  if (rc == MW_EDATA) out->key = record.key;
  return rc;
}

int mw_store_get(struct mw_store *store, struct mw_slice key, struct mw_buf *value, struct mw_store_entry *out) {
  const struct mw_backend_ops *ops = store->backend->ops;
  struct mw_view *view;
  int rc = ops->view_open(store->backend, &view, NULL);
  if (rc != 0) return rc;
  struct mw_record record;
  rc = ops->view_get(view, key, &record);
  if (rc == 0 && record.expires != 0 && mw_expired(&record, store->clock())) rc = MW_ENOTFOUND;
  if (rc == 0) rc = mw_buf_append(value, record.value.data, record.value.len);
  if (rc == 0 && out) {
    struct mw_slice copy = mw_slice(value->data + value->len - record.value.len, record.value.len);
    *out = (struct mw_store_entry){key, copy, record.revision, record.expires};
  }
  ops->view_close(view);
  return rc;
}

static int read_queued(struct mw_store *store, const struct mw_store_op *write, struct mw_buf *value,
                       struct mw_store_entry *out) {
  if (write->kind == MW_STORE_OP_DELETE || (write->expires != 0 && write->expires <= store->clock()))
    return MW_ENOTFOUND;
  struct mw_slice bytes = mw_store_op_value(write->txn, write);
  int rc = mw_buf_append(value, bytes.data, bytes.len);
  if (rc != 0) return rc;
  struct mw_slice copy = mw_slice(value->data + value->len - bytes.len, bytes.len);
  *out = (struct mw_store_entry){.key = mw_store_op_key(write->txn, write), .value = copy, .expires = write->expires};
  return 0;
}

int mw_store_get_newest(struct mw_store *store, struct mw_slice key, struct mw_buf *value, struct mw_store_entry *out,
                        struct mw_store_origin *origin) {
  int rc;
  const struct mw_store_op *write = mw_writer_pending(store, key);
  if (write) {
    rc = read_queued(store, write, value, out);
    *origin = (struct mw_store_origin){write->txn, rc == MW_ENOTFOUND ? MW_STORE_ABSENT : 1};
  } else {
    rc = mw_store_get(store, key, value, out);
    *origin = (struct mw_store_origin){NULL, rc == 0 ? out->revision : MW_STORE_ABSENT};
  }
  out->key = key;
  return rc;
}

/* True if the state that `op` follows is the newest in the store: still queued, or committed. */
static bool is_newest(struct mw_store *store, const struct mw_store_txn *txn, const struct mw_store_op *op) {
  struct mw_slice key = mw_store_op_key(txn, op);
  const struct mw_store_op *write = mw_writer_pending(store, key);
  if (write) {
    bool same = write->txn == op->txn;
    mw_store_txn_unref(write->txn);
    return same;
  }
  if (op->txn && op->txn->code != 0) return false;
  uint64_t revision = op->txn && op->number != MW_STORE_ABSENT ? op->txn->revision : op->number;
  struct mw_view *view;
  struct mw_record record;
  if (store->backend->ops->view_open(store->backend, &view, NULL) != 0) return false;
  int rc = store->backend->ops->view_get(view, key, &record);
  bool absent = rc == MW_ENOTFOUND || (rc == 0 && mw_expired(&record, store->clock()));
  bool same = absent ? revision == MW_STORE_ABSENT : rc == 0 && record.revision == revision;
  store->backend->ops->view_close(view);
  return same;
}

/* Committed records change only in a round of the writer. If a round has passed since the last reading, reads all
 * again. */
bool mw_store_txn_is_current(struct mw_store *store, struct mw_store_txn *txn) {
  enum { TRIES = 4 };
  uint64_t rounds;
  for (int tries = 0; tries < TRIES; tries++) {
    if (!mw_writer_follows_newest(store, txn, &rounds)) return false;
    if (rounds == txn->current_at_round) return true;
    for (size_t i = 0; i < txn->n_ops; i++) {
      if (txn->ops[i].follows && !is_newest(store, txn, &txn->ops[i])) return false;
    }
    txn->current_at_round = rounds;
  }
  return false;
}

/* ---- writing ---- */

int mw_store_commit(struct mw_store *store, struct mw_store_txn *txn, struct mw_loop *loop,
                    void (*done)(void *arg, const struct mw_store_result *result), void *arg) {
  txn->loop = loop;
  txn->done = done;
  txn->arg = arg;
  return mw_writer_queue(store, txn);
}

int64_t mw_store_next_expiry(const struct mw_store *store) { return store->writer.published_expiry; }

void mw_store_flush(struct mw_store *store) {
  do {
    mw_writer_flush(store);
  } while (mw_sequences_busy(&store->sequences)); /* a lease may have been too small for all waiters */
}
