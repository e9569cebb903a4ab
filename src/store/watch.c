#include "store/watch.h"

#include <stdlib.h>

#include "store/store_impl.h"

struct mw_store_watch {
  struct mw_list link; /* in hub->watches */
  struct mw_watch_hub *hub;
  struct mw_post post;
  struct mw_loop *loop;
  bool (*event)(void *arg, const struct mw_store_event *event);
  void *arg;
  struct mw_store_txn *txn; /* reported up to `op`, a reference; NULL between transactions */
  size_t op;
  uint64_t after;    /* revision */
  uint64_t position; /* in the log: the next transaction to read */
  bool posted;       /* `post` is queued or runs, and reads to the end before it clears this; or `paused` */
  bool paused;       /* until mw_store_watch_go_on() */
  bool lagged;       /* too far: nothing follows */
  bool closed;       /* by its owner, on the loop's thread, while posted: `post` frees it */
  size_t prefix_len;
  uint8_t prefix[];
};

int mw_watch_hub_init(struct mw_watch_hub *hub, uint64_t revision) {
  hub->log = calloc(MW_STORE_WATCH_BACKLOG, sizeof *hub->log);
  if (!hub->log) return MW_ENOMEM;
  pthread_mutex_init(&hub->lock, NULL);
  mw_list_init(&hub->watches);
  hub->complete_after = revision;
  hub->first = hub->end = 1; /* so that there is a position before the first */
  return 0;
}

bool mw_watch_hub_in_use(struct mw_watch_hub *hub) {
  pthread_mutex_lock(&hub->lock);
  bool in_use = !mw_list_empty(&hub->watches);
  pthread_mutex_unlock(&hub->lock);
  return in_use;
}

static struct mw_store_txn **slot(struct mw_watch_hub *hub, uint64_t position) {
  return &hub->log[position % MW_STORE_WATCH_BACKLOG];
}

static void drop_oldest(struct mw_watch_hub *hub) {
  struct mw_store_txn *txn = *slot(hub, hub->first++);
  hub->events -= txn->n_changed;
  hub->bytes -= mw_store_txn_size(txn);
  hub->complete_after = txn->revision;
  mw_store_txn_unref(txn);
}

void mw_watch_hub_fini(struct mw_watch_hub *hub) {
  while (hub->first < hub->end) drop_oldest(hub);
  pthread_mutex_destroy(&hub->lock);
  free(hub->log);
}

static bool matches(const struct mw_store_watch *watch, const struct mw_store_txn *txn, const struct mw_store_op *op) {
  return op->changed && op->key_len >= watch->prefix_len &&
         (watch->prefix_len == 0 || memcmp(mw_store_op_key(txn, op).data, watch->prefix, watch->prefix_len) == 0);
}

static bool any_matches(const struct mw_store_watch *watch, const struct mw_store_txn *txn) {
  for (size_t i = 0; i < txn->n_ops; i++) {
    if (matches(watch, txn, &txn->ops[i])) return true;
  }
  return false;
}

static void wake(struct mw_store_watch *watch) {
  watch->posted = true;
  mw_loop_post(watch->loop, &watch->post);
}

void mw_watch_hub_publish(struct mw_watch_hub *hub, struct mw_store_txn *txn) {
  atomic_fetch_add(&txn->refs, 1);
  pthread_mutex_lock(&hub->lock);
  size_t size = mw_store_txn_size(txn);
  while (hub->first < hub->end &&
         (hub->events + txn->n_changed > MW_STORE_WATCH_BACKLOG || hub->bytes + size > MW_STORE_WATCH_BYTES)) {
    drop_oldest(hub);
  }
  *slot(hub, hub->end++) = txn;
  hub->events += txn->n_changed;
  hub->bytes += size;
  for (struct mw_list *link = hub->watches.next; link != &hub->watches; link = link->next) {
    struct mw_store_watch *watch = MW_CONTAINER(link, struct mw_store_watch, link);
    if (watch->posted || watch->lagged) continue;
    if (any_matches(watch, txn)) wake(watch);
    else watch->position = hub->end; /* a watch that is not posted has read everything */
  }
  pthread_mutex_unlock(&hub->lock);
}

/* Reports one operation. Returns false if the watcher pauses. */
static bool report(struct mw_store_watch *watch, const struct mw_store_txn *txn, const struct mw_store_op *op) {
  if (!matches(watch, txn, op)) return true;
  struct mw_store_event event = {mw_store_op_key(txn, op), mw_slice(NULL, 0), txn->revision};
  if (op->kind == MW_STORE_OP_PUT) event.value = mw_store_op_value(txn, op);
  return watch->event(watch->arg, &event);
}

/* Reports the rest of the transaction. Returns false if the watcher pauses. */
static bool deliver(struct mw_store_watch *watch) {
  struct mw_store_txn *txn = watch->txn;
  bool more = true;
  while (more && !watch->closed && watch->op < txn->n_ops) more = report(watch, txn, &txn->ops[watch->op++]);
  if (watch->op < txn->n_ops) return more;
  watch->txn = NULL;
  mw_store_txn_unref(txn);
  return more;
}

/* Takes the next transaction, with a reference, from a position before the end of the log. Sets watch->lagged if it was
 * dropped. Under the lock. */
static void take(struct mw_store_watch *watch) {
  struct mw_watch_hub *hub = watch->hub;
  if (watch->position < hub->first) {
    watch->lagged = true;
    return;
  }
  struct mw_store_txn *txn = *slot(hub, watch->position++);
  if (txn->revision <= watch->after) return;
  atomic_fetch_add(&txn->refs, 1);
  watch->txn = txn;
  watch->op = 0;
}

static void watch_free(struct mw_store_watch *watch) {
  if (watch->txn) mw_store_txn_unref(watch->txn);
  free(watch);
}

/* Reads the log up to its present end; later transactions wait for the next turn of the loop. */
static void run(struct mw_post *post) {
  struct mw_store_watch *watch = MW_CONTAINER(post, struct mw_store_watch, post);
  struct mw_watch_hub *hub = watch->hub;
  if (watch->closed) { /* by this thread; the store, and its hub, may be freed */
    watch_free(watch);
    return;
  }
  bool more = true;
  pthread_mutex_lock(&hub->lock);
  uint64_t until = hub->end;
  while (more && !watch->closed && !watch->lagged && (watch->txn || watch->position < until)) {
    if (!watch->txn) take(watch);
    pthread_mutex_unlock(&hub->lock);
    if (watch->lagged) watch->event(watch->arg, NULL);
    else if (watch->txn) more = deliver(watch);
    pthread_mutex_lock(&hub->lock);
  }
  bool closed = watch->closed;
  if (watch->lagged || (!watch->txn && watch->position == hub->end)) watch->posted = false;
  else if (!more) watch->paused = true;
  else if (!closed) wake(watch);
  pthread_mutex_unlock(&hub->lock);
  if (closed) watch_free(watch);
}

void mw_store_watch_go_on(struct mw_store_watch *watch) {
  if (!watch->paused) return;
  watch->paused = false;
  pthread_mutex_lock(&watch->hub->lock);
  wake(watch);
  pthread_mutex_unlock(&watch->hub->lock);
}

/* Returns the first position with a revision above `after`. Under the lock. */
static uint64_t find_position(struct mw_watch_hub *hub, uint64_t after) {
  uint64_t low = hub->first, high = hub->end;
  while (low < high) {
    uint64_t middle = low + (high - low) / 2;
    if ((*slot(hub, middle))->revision > after) high = middle;
    else low = middle + 1;
  }
  return low;
}

int mw_store_watch_open(struct mw_store *store, struct mw_slice prefix, uint64_t after, struct mw_loop *loop,
                        bool (*event)(void *arg, const struct mw_store_event *event), void *arg,
                        struct mw_store_watch **out) {
  struct mw_store_watch *watch = calloc(1, sizeof *watch + prefix.len);
  if (!watch) return MW_ENOMEM;
  struct mw_watch_hub *hub = &store->hub;
  watch->hub = hub;
  watch->post.run = run;
  watch->loop = loop;
  watch->event = event;
  watch->arg = arg;
  watch->after = after;
  watch->prefix_len = prefix.len;
  if (prefix.len > 0) memcpy(watch->prefix, prefix.data, prefix.len);
  pthread_mutex_lock(&hub->lock);
  mw_list_push(&hub->watches, &watch->link);
  /* A position before the first ends the watch with `lagged` when it runs. */
  watch->position = after >= hub->complete_after ? find_position(hub, after) : hub->first - 1;
  if (watch->position != hub->end) wake(watch);
  pthread_mutex_unlock(&hub->lock);
  *out = watch;
  return 0;
}

void mw_store_watch_close(struct mw_store_watch *watch) {
  if (!watch) return;
  pthread_mutex_lock(&watch->hub->lock);
  mw_list_remove(&watch->link);
  watch->closed = true;
  bool posted = watch->posted && !watch->paused;
  pthread_mutex_unlock(&watch->hub->lock);
  if (!posted) watch_free(watch);
}
