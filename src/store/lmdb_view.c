#include "store/lmdb.h"

#include <stdatomic.h>
#include <stdlib.h>

/* A read transaction with its cursor. Idle ones are reset: they keep their reader slot and pin no pages. */
struct mw_view {
  struct mw_list link; /* in shard->idle */
  struct mw_lmdb *lm;
  struct mw_lmdb_shard *shard;
  MDB_txn *txn;
  MDB_cursor *cursor; /* NULL until a scan needs it */
  bool cursor_ready;  /* renewed for the present txn */
  bool positioned;    /* the cursor stands on the record that was returned last */
};

/* Threads take the shards in turn, and keep theirs for life. */
static struct mw_lmdb_shard *shard_of_thread(struct mw_lmdb *lm) {
  static atomic_uint threads;
  static _Thread_local unsigned own;
  if (own == 0) own = atomic_fetch_add(&threads, 1) % MW_LMDB_SHARDS + 1;
  return &lm->shards[own - 1];
}

void mw_lmdb_views_init(struct mw_lmdb *lm) {
  for (size_t i = 0; i < MW_LMDB_SHARDS; i++) {
    pthread_mutex_init(&lm->shards[i].lock, NULL);
    mw_list_init(&lm->shards[i].idle);
  }
}

static void view_free(struct mw_view *view) {
  if (view->cursor) mdb_cursor_close(view->cursor);
  mdb_txn_abort(view->txn);
  free(view);
}

void mw_lmdb_views_fini(struct mw_lmdb *lm) {
  for (size_t i = 0; i < MW_LMDB_SHARDS; i++) {
    struct mw_list *link;
    while ((link = mw_list_shift(&lm->shards[i].idle))) view_free(MW_CONTAINER(link, struct mw_view, link));
    pthread_mutex_destroy(&lm->shards[i].lock);
  }
}

static int view_new(struct mw_lmdb *lm, struct mw_lmdb_shard *shard, struct mw_view **out, struct mw_err *err) {
  struct mw_view *view = calloc(1, sizeof *view);
  if (!view) return mw_err_set(err, MW_ENOMEM, "%s: out of memory", lm->path);
  int rc = mdb_txn_begin(lm->env, NULL, MDB_RDONLY, &view->txn);
  if (rc != 0) {
    free(view);
    if (rc == MDB_READERS_FULL) {
      return mw_err_set(err, MW_ELIMIT, "%s: %d snapshots are open already, the most there can be", lm->path,
                        MW_LMDB_READERS);
    }
    return mw_err_set(err, mw_lmdb_code(rc), "%s: %s", lm->path, mdb_strerror(rc));
  }
  mw_list_init(&view->link);
  view->lm = lm;
  view->shard = shard;
  *out = view;
  return 0;
}

static int view_renew(struct mw_lmdb *lm, struct mw_view *view, struct mw_view **out, struct mw_err *err) {
  int rc = mdb_txn_renew(view->txn);
  if (rc != 0) {
    view_free(view);
    return mw_err_set(err, mw_lmdb_code(rc), "%s: %s", lm->path, mdb_strerror(rc));
  }
  *out = view;
  return 0;
}

bool mw_lmdb_views_open(struct mw_backend *backend) {
  struct mw_lmdb *lm = MW_CONTAINER(backend, struct mw_lmdb, base);
  bool open = false;
  for (size_t i = 0; i < MW_LMDB_SHARDS; i++) {
    pthread_mutex_lock(&lm->shards[i].lock);
    open = open || lm->shards[i].n_open > 0;
    pthread_mutex_unlock(&lm->shards[i].lock);
  }
  return open;
}

int mw_lmdb_view_open(struct mw_backend *backend, struct mw_view **out, struct mw_err *err) {
  struct mw_lmdb *lm = MW_CONTAINER(backend, struct mw_lmdb, base);
  struct mw_lmdb_shard *shard = shard_of_thread(lm);
  pthread_mutex_lock(&shard->lock);
  struct mw_list *link = mw_list_shift(&shard->idle);
  if (link) shard->n_idle--;
  shard->n_open++;
  pthread_mutex_unlock(&shard->lock);
  int rc = link ? view_renew(lm, MW_CONTAINER(link, struct mw_view, link), out, err) : view_new(lm, shard, out, err);
  if (rc == 0) return 0;
  pthread_mutex_lock(&shard->lock);
  shard->n_open--;
  pthread_mutex_unlock(&shard->lock);
  return rc;
}

void mw_lmdb_view_close(struct mw_view *view) {
  struct mw_lmdb_shard *shard = view->shard;
  mdb_txn_reset(view->txn);
  view->cursor_ready = view->positioned = false;
  pthread_mutex_lock(&shard->lock);
  shard->n_open--;
  bool keep = shard->n_idle < MW_LMDB_IDLE;
  if (keep) {
    mw_list_push(&shard->idle, &view->link);
    shard->n_idle++;
  }
  pthread_mutex_unlock(&shard->lock);
  if (!keep) view_free(view);
}

int mw_lmdb_view_get(struct mw_view *view, struct mw_slice key, struct mw_record *out) {
  if (key.len == 0) return MW_ENOTFOUND;
  MDB_val k = mw_lmdb_val(key), v;
  int rc = mdb_get(view->txn, view->lm->data, &k, &v);
  if (rc == MDB_NOTFOUND || rc == MDB_BAD_VALSIZE) return MW_ENOTFOUND;
  return rc == 0 ? mw_lmdb_decode(&k, &v, out) : mw_lmdb_code(rc);
}

int mw_lmdb_view_counter(struct mw_view *view, struct mw_slice name, uint64_t *out) {
  return mw_lmdb_counter(view->lm, view->txn, name, out);
}

static int cursor_prepare(struct mw_view *view) {
  if (view->cursor_ready) return 0;
  int rc = view->cursor ? mdb_cursor_renew(view->txn, view->cursor)
                        : mdb_cursor_open(view->txn, view->lm->data, &view->cursor);
  view->cursor_ready = rc == 0;
  return rc;
}

static int compare(struct mw_slice a, struct mw_slice b) {
  size_t shorter = a.len < b.len ? a.len : b.len;
  int order = shorter > 0 ? memcmp(a.data, b.data, shorter) : 0;
  return order != 0 ? order : (a.len > b.len) - (a.len < b.len);
}

/* Whether the cursor stands on `key` already, where the last call left it. */
static bool stands_on(struct mw_view *view, struct mw_slice key) {
  MDB_val k, v;
  return view->positioned && mdb_cursor_get(view->cursor, &k, &v, MDB_GET_CURRENT) == 0 &&
         mw_slice_eq(mw_slice(k.mv_data, k.mv_size), key);
}

/* Moves to the first key that is not less than `from`, in which an empty one is less than all. */
static int seek(MDB_cursor *cursor, struct mw_slice from, MDB_val *k, MDB_val *v) {
  if (from.len == 0) return mdb_cursor_get(cursor, k, v, MDB_FIRST);
  *k = mw_lmdb_val(from);
  return mdb_cursor_get(cursor, k, v, MDB_SET_RANGE);
}

static int next_forward(struct mw_view *view, struct mw_slice prefix, struct mw_slice after, MDB_val *k, MDB_val *v) {
  MDB_cursor *cursor = view->cursor;
  if (!after.data || compare(after, prefix) < 0) return seek(cursor, prefix, k, v);
  if (stands_on(view, after)) return mdb_cursor_get(cursor, k, v, MDB_NEXT);
  int rc = seek(cursor, after, k, v);
  if (rc == 0 && mw_slice_eq(mw_slice(k->mv_data, k->mv_size), after)) rc = mdb_cursor_get(cursor, k, v, MDB_NEXT);
  return rc;
}

/* The least key greater than all below `prefix`, in `bytes`; empty when there is none. */
static struct mw_slice end_of_prefix(struct mw_slice prefix, uint8_t *bytes, size_t cap) {
  size_t len = prefix.len < cap ? prefix.len : cap;
  if (len > 0) memcpy(bytes, prefix.data, len);
  while (len > 0 && bytes[len - 1] == 0xff) len--;
  if (len > 0) bytes[len - 1]++;
  return mw_slice(bytes, len);
}

static int next_reverse(struct mw_view *view, struct mw_slice prefix, struct mw_slice before, MDB_val *k, MDB_val *v) {
  MDB_cursor *cursor = view->cursor;
  uint8_t bytes[512];
  struct mw_slice end = end_of_prefix(prefix, bytes, sizeof bytes);
  if (before.data && (end.len == 0 || compare(before, end) < 0)) {
    if (stands_on(view, before)) return mdb_cursor_get(cursor, k, v, MDB_PREV);
    end = before;
    if (end.len == 0) return MDB_NOTFOUND;
  }
  int rc = end.len > 0 ? seek(cursor, end, k, v) : MDB_NOTFOUND;
  return mdb_cursor_get(cursor, k, v, rc == 0 ? MDB_PREV : MDB_LAST);
}

int mw_lmdb_view_next(struct mw_view *view, struct mw_slice prefix, struct mw_slice after, bool reverse,
                      struct mw_record *out) {
  MDB_val k, v;
  int rc = cursor_prepare(view);
  if (rc == 0) rc = (reverse ? next_reverse : next_forward)(view, prefix, after, &k, &v);
  view->positioned = rc == 0;
  if (rc == MDB_NOTFOUND) return MW_ENOTFOUND;
  if (rc != 0) return mw_lmdb_code(rc);
  bool below = k.mv_size >= prefix.len && (prefix.len == 0 || memcmp(k.mv_data, prefix.data, prefix.len) == 0);
  return below ? mw_lmdb_decode(&k, &v, out) : MW_ENOTFOUND;
}
