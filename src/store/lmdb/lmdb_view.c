#include "store/lmdb/lmdb_impl.h"

#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "base/clock.h"
#include "store/page/record.h"

/* A read transaction, which pins the pages of one state, and the tree of its records. Idle views are reset: they
 * keep their reader slot but pin no pages. */
struct mw_view {
  struct mw_list link; /* in shard->idle */
  struct mw_lmdb *lm;
  struct mw_lmdb_shard *shard;
  MDB_txn *txn;
  struct mw_tree data;
  uint64_t state;          /* transaction number of `data`; 0 for none */
  struct mw_cursor cursor; /* for scans; initialised with `data` */
};

/* Assigns threads to shards in turn, for their lifetime. */
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

/* Begins the read transaction. After a failed write of the meta page LMDB refuses to begin until the writer clears
 * its flag, which takes a moment. */
static int begin(struct mw_lmdb *lm, struct mw_view *view) {
  int64_t until = 0;
  for (;;) {
    int rc = view->txn ? mdb_txn_renew(view->txn) : mdb_txn_begin(lm->env, NULL, MDB_RDONLY, &view->txn);
    if (rc != MDB_PANIC || !lm->flags) return rc;
    int64_t now = mw_clock_real();
    if (until == 0) until = now + MW_NS_PER_S;
    if (now > until) return rc;
    sched_yield();
  }
}

static int fail_begin(struct mw_lmdb *lm, int rc, struct mw_err *err) {
  if (rc != MDB_READERS_FULL) return mw_lmdb_fail(lm, rc, err);
  return mw_err_set(err, MW_ELIMIT, "%s: %d snapshots are open, the maximum", lm->path, MW_LMDB_READERS);
}

static int view_new(struct mw_lmdb *lm, struct mw_lmdb_shard *shard, struct mw_view **out) {
  struct mw_view *view = malloc(sizeof *view);
  if (!view) return MW_ENOMEM;
  mw_list_init(&view->link);
  view->lm = lm;
  view->shard = shard;
  view->txn = NULL;
  view->state = 0;
  *out = view;
  return 0;
}

/* Begins the transaction of a new or idle view. On failure frees the view. */
static int view_start(struct mw_lmdb *lm, struct mw_view *view, struct mw_err *err) {
  int rc = begin(lm, view);
  if (rc != 0) {
    fail_begin(lm, rc, err);
    if (view->txn) mdb_txn_abort(view->txn);
    free(view);
    return mw_lmdb_code(rc);
  }
  uint64_t state = mdb_txn_id(view->txn);
  if (state != view->state && mw_lmdb_tree(lm, view->txn, "data", &view->data) != 0) {
    view_free(view);
    return mw_lmdb_fail(lm, MDB_CORRUPTED, err);
  }
  view->state = state;
  mw_cursor_init(&view->cursor, &lm->pages, &view->data);
  return 0;
}

bool mw_lmdb_views_open(struct mw_backend *backend) {
  struct mw_lmdb *lm = mw_lmdb_of(backend);
  bool open = false;
  for (size_t i = 0; i < MW_LMDB_SHARDS; i++) {
    pthread_mutex_lock(&lm->shards[i].lock);
    open = open || lm->shards[i].n_open > 0;
    pthread_mutex_unlock(&lm->shards[i].lock);
  }
  return open;
}

int mw_lmdb_view_open(struct mw_backend *backend, struct mw_view **out, struct mw_err *err) {
  struct mw_lmdb *lm = mw_lmdb_of(backend);
  struct mw_lmdb_shard *shard = shard_of_thread(lm);
  pthread_mutex_lock(&shard->lock);
  struct mw_list *link = mw_list_shift(&shard->idle);
  if (link) shard->n_idle--;
  shard->n_open++;
  pthread_mutex_unlock(&shard->lock);
  struct mw_view *view = link ? MW_CONTAINER(link, struct mw_view, link) : NULL;
  int rc = view ? 0 : view_new(lm, shard, &view);
  if (rc != 0) mw_err_set(err, rc, "%s: out of memory", lm->path);
  if (rc == 0) rc = view_start(lm, view, err);
  if (rc == 0) {
    *out = view;
    return 0;
  }
  pthread_mutex_lock(&shard->lock);
  shard->n_open--;
  pthread_mutex_unlock(&shard->lock);
  return rc;
}

void mw_lmdb_view_close(struct mw_view *view) {
  struct mw_lmdb_shard *shard = view->shard;
  mdb_txn_reset(view->txn);
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

/* ---- absent entries ----
 * A damaged key still lies between those of its neighbours; otherwise its page would be rejected. So if an entry is
 * missing because of damage, the sought key matches the checksum of one of the two neighbours. */

int mw_lmdb_absent(const struct mw_cursor *cursor, struct mw_slice key) {
  for (int side = -1; side <= 0; side++) {
    struct mw_slice found, value;
    struct mw_record record;
    if (mw_cursor_neighbour(cursor, side, key.len, &found, &value) != 0) continue;
    if (mw_record_read(key, value, 0, &record) == 0) return MW_EDATA;
  }
  return MW_ENOTFOUND;
}

static int absent_counter(const struct mw_cursor *cursor, struct mw_slice key) {
  for (int side = -1; side <= 0; side++) {
    struct mw_slice found, value;
    uint64_t number;
    if (mw_cursor_neighbour(cursor, side, key.len, &found, &value) != 0) continue;
    if (mw_counter_read(mw_slice(key.data + 1, key.len - 1), value, &number) == 0) return MW_EDATA;
  }
  return MW_ENOTFOUND;
}

/* ---- one entry ---- */

/* Reads `key` with `cursor`, whose position does not matter. */
static int get(struct mw_cursor *cursor, struct mw_slice key, struct mw_slice *value,
               int (*absent)(const struct mw_cursor *, struct mw_slice key)) {
  if (cursor->tree.root == MW_NO_PAGE) return MW_ENOTFOUND;
  bool exact;
  int rc = mw_cursor_seek(cursor, key, &exact);
  if (rc == MW_ENOTFOUND || (rc == 0 && !exact)) return absent(cursor, key);
  struct mw_slice found;
  return rc == 0 ? mw_cursor_read(cursor, &found, value) : rc;
}

int mw_lmdb_view_get(struct mw_view *view, struct mw_slice key, struct mw_record *out) {
  if (key.len == 0) return MW_ENOTFOUND;
  struct mw_cursor cursor;
  mw_cursor_init(&cursor, &view->lm->pages, &view->data);
  struct mw_slice bytes;
  int rc = get(&cursor, key, &bytes, mw_lmdb_absent);
  return rc == 0 ? mw_record_read(key, bytes, view->lm->unchecksummed_until, out) : rc;
}

int mw_lmdb_view_counter(struct mw_view *view, struct mw_slice name, uint64_t *out) {
  struct mw_tree tree;
  if (mw_lmdb_tree(view->lm, view->txn, "meta", &tree) != 0) return MW_EDATA;
  struct mw_cursor cursor;
  mw_cursor_init(&cursor, &view->lm->pages, &tree);
  uint8_t key[512];
  MDB_val k = mw_lmdb_counter_key(name, key);
  struct mw_slice bytes;
  int rc = get(&cursor, mw_slice(k.mv_data, k.mv_size), &bytes, absent_counter);
  *out = 0;
  if (rc == MW_ENOTFOUND) return 0;
  return rc == 0 ? mw_counter_read(name, bytes, out) : rc;
}

/* ---- scans ---- */

static bool is_below(struct mw_slice key, struct mw_slice prefix) {
  return key.len >= prefix.len && (prefix.len == 0 || memcmp(key.data, prefix.data, prefix.len) == 0);
}

struct range {
  struct mw_slice prefix, after; /* parameters of mw_lmdb_view_next() */
  bool reverse;
};

static bool in_range(const struct range *range, struct mw_slice key) {
  if (!is_below(key, range->prefix)) return false;
  int order = range->after.data ? mw_bytes_compare(key, range->after) : 0;
  return !range->after.data || (range->reverse ? order < 0 : order > 0);
}

/* True if a record is sound. A record in overflow pages, which may be large, is verified only once. */
static bool value_checked(struct mw_pages *pages, struct mw_slice key, struct mw_slice value) {
  uint64_t leaf = (uint64_t)(key.data - pages->base) / pages->page_size;
  uint64_t page = (uint64_t)(value.data - pages->base) / pages->page_size;
  if (page != leaf && mw_pages_checked(pages, page)) return true;
  struct mw_record record;
  if (mw_record_read(key, value, UINT64_MAX, &record) != 0) return false;
  if (page != leaf) mw_pages_set_checked(pages, page);
  return true;
}

/* True if a record outside the range belongs in it and has one wrong bit in its key. The record with the key `after`
 * was checked already. */
static bool has_left_range(struct mw_pages *pages, const struct range *range, struct mw_slice key,
                           struct mw_slice value) {
  struct mw_record record;
  uint8_t bytes[MW_STORE_KEY_MAX];
  if (key.len > sizeof bytes || (range->after.data && mw_slice_eq(key, range->after))) return false;
  if (value_checked(pages, key, value)) return false;
  memcpy(bytes, key.data, key.len);
  struct mw_slice right = mw_slice(bytes, key.len);
  for (size_t bit = 0; bit < 8 * key.len; bit++) {
    bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
    if (in_range(range, right) && mw_record_read(right, value, 0, &record) == 0) return true;
    bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
  }
  return false;
}

/* True if the cursor is still at `key` from the last call, which usually returned this slice. */
static bool stands_on(const struct mw_cursor *cursor, struct mw_slice key) {
  if (!cursor->set) return false;
  struct mw_slice at = mw_cursor_key(cursor);
  return at.data == key.data ? at.len == key.len : mw_slice_eq(at, key);
}

/* Seeks to the start of a scan. May also return MW_EDATA, with the key in `*left_range`, if a record has left the range
 * on that side. */
static int start(struct mw_cursor *cursor, const struct range *range, struct mw_slice from, bool *exact,
                 struct mw_slice *left_range) {
  int rc = mw_cursor_seek(cursor, from, exact);
  if ((rc != 0 && rc != MW_ENOTFOUND) || cursor->tree.root == MW_NO_PAGE || (!range->reverse && *exact)) return rc;
  struct mw_slice key, value;
  if (mw_cursor_neighbour(cursor, range->reverse ? 0 : -1, 0, &key, &value) != 0) return rc;
  if (!has_left_range(cursor->pages, range, key, value)) return rc;
  *left_range = key;
  cursor->set = false;
  return MW_EDATA;
}

static int next_forward(struct mw_cursor *cursor, const struct range *range, struct mw_slice *left_range) {
  struct mw_slice after = range->after;
  bool exact;
  if (!after.data || mw_bytes_compare(after, range->prefix) < 0) {
    return start(cursor, range, range->prefix, &exact, left_range);
  }
  if (stands_on(cursor, after)) return mw_cursor_next(cursor);
  int rc = start(cursor, range, after, &exact, left_range);
  return rc == 0 && exact ? mw_cursor_next(cursor) : rc;
}

/* Returns the least key greater than all keys below `prefix`, in `bytes`; empty if there is none. */
static struct mw_slice end_of_prefix(struct mw_slice prefix, uint8_t *bytes, size_t cap) {
  size_t len = prefix.len < cap ? prefix.len : cap;
  if (len > 0) memcpy(bytes, prefix.data, len);
  while (len > 0 && bytes[len - 1] == 0xff) len--;
  if (len > 0) bytes[len - 1]++;
  return mw_slice(bytes, len);
}

static int next_reverse(struct mw_cursor *cursor, const struct range *range, struct mw_slice *left_range) {
  uint8_t bytes[512];
  struct mw_slice end = end_of_prefix(range->prefix, bytes, sizeof bytes), before = range->after;
  if (before.data && (end.len == 0 || mw_bytes_compare(before, end) < 0)) {
    if (stands_on(cursor, before)) return mw_cursor_prev(cursor);
    end = before;
    if (end.len == 0) return MW_ENOTFOUND;
  }
  bool exact;
  int rc = end.len > 0 ? start(cursor, range, end, &exact, left_range) : MW_ENOTFOUND;
  if (rc == 0) return mw_cursor_prev(cursor);
  return rc == MW_ENOTFOUND ? mw_cursor_last(cursor) : rc;
}

int mw_lmdb_view_next(struct mw_view *view, struct mw_slice prefix, struct mw_slice after, bool reverse,
                      struct mw_record *out) {
  struct mw_cursor *cursor = &view->cursor;
  struct range range = {prefix, after, reverse};
  struct mw_slice key = mw_slice(NULL, 0), value, left_range = key;
  int rc = reverse ? next_reverse(cursor, &range, &left_range) : next_forward(cursor, &range, &left_range);
  if (rc == MW_EDATA) out->key = left_range;
  if (rc != 0) return rc;
  rc = mw_cursor_read(cursor, &key, &value);
  if (!key.data || key.len > MW_STORE_KEY_MAX) {
    out->key = left_range;
    return MW_EDATA;
  }
  out->key = key;
  if (is_below(key, prefix)) return rc == 0 ? mw_record_read(key, value, view->lm->unchecksummed_until, out) : rc;
  return rc == 0 && has_left_range(cursor->pages, &range, key, value) ? MW_EDATA : MW_ENOTFOUND;
}
