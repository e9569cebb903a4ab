#include "store/sequence.h"

#include <stdlib.h>

#include "store/store_impl.h"

enum { FIRST_LEASE = 16, LARGEST_LEASE = 1024 };

/* A caller that waits for a number. */
struct waiter {
  struct mw_list link;
  struct mw_post post;
  struct mw_loop *loop;
  void (*done)(void *arg, const struct mw_store_result *result);
  void *arg;
  int code;
  uint64_t number;
  char text[160];
};

struct sequence {
  struct mw_store *store;
  uint64_t last;    /* number issued last */
  uint64_t leased;  /* greatest number that may be issued */
  uint64_t lease;   /* size of the next lease */
  uint64_t leasing; /* `leased` after the lease under way is durable; 0 for none */
  struct mw_list waiters;
  size_t name_len;
  uint8_t name[]; /* of the counter */
};

void mw_sequences_init(struct mw_sequences *sequences) {
  pthread_mutex_init(&sequences->lock, NULL);
  sequences->map = (struct mw_map)MW_MAP_INIT;
}

static void return_unused(struct mw_store *store) {
  struct mw_backend *backend = store->backend;
  if (backend->ops->begin(backend, NULL) != 0) return;
  size_t cursor = 0;
  int rc = 0;
  struct sequence *sequence;
  while (rc == 0 && (sequence = mw_map_next(&store->sequences.map, &cursor, NULL))) {
    struct mw_slice name = mw_slice(sequence->name, sequence->name_len);
    rc = backend->ops->set_counter(backend, name, sequence->last, NULL);
  }
  if (rc == 0) backend->ops->commit(backend, NULL);
  else backend->ops->abort(backend);
}

void mw_sequences_fini(struct mw_store *store) {
  struct mw_sequences *sequences = &store->sequences;
  /* Numbers that cannot be returned are lost, as in a crash, which is no error. */
  if (sequences->map.len > 0) return_unused(store);
  size_t cursor = 0;
  struct sequence *sequence;
  while ((sequence = mw_map_next(&sequences->map, &cursor, NULL))) free(sequence);
  mw_map_fini(&sequences->map);
  pthread_mutex_destroy(&sequences->lock);
}

bool mw_sequences_busy(struct mw_sequences *sequences) {
  pthread_mutex_lock(&sequences->lock);
  size_t cursor = 0;
  struct sequence *sequence;
  bool busy = false;
  while (!busy && (sequence = mw_map_next(&sequences->map, &cursor, NULL))) busy = !mw_list_empty(&sequence->waiters);
  pthread_mutex_unlock(&sequences->lock);
  return busy;
}

/* ---- leasing ---- */

static void run_waiter(struct mw_post *post) {
  struct waiter *waiter = MW_CONTAINER(post, struct waiter, post);
  struct mw_store_result result = {waiter->code, waiter->number, waiter->text};
  waiter->done(waiter->arg, &result);
  free(waiter);
}

static void answer(struct waiter *waiter, int code, uint64_t number, const char *text) {
  waiter->code = code;
  waiter->number = number;
  strncpy(waiter->text, text, sizeof waiter->text - 1);
  waiter->post.run = run_waiter;
  mw_loop_post(waiter->loop, &waiter->post);
}

static void lease_settled(struct mw_store_txn *txn);

/* Starts a lease if less than half of one is left and none is under way. Under the lock. Returns 0 or MW_ENOMEM. */
static int lease(struct sequence *sequence) {
  uint64_t left = sequence->leased - sequence->last;
  if (sequence->leasing || left > sequence->lease / 2) return 0;
  if (sequence->leased > 0 && sequence->lease < LARGEST_LEASE) sequence->lease *= 2;
  struct mw_store_txn *txn = mw_store_txn_new();
  uint64_t leasing = sequence->leased + sequence->lease;
  if (!txn || mw_store_txn_counter(txn, mw_slice(sequence->name, sequence->name_len), leasing) != 0) {
    mw_store_txn_free(txn);
    return MW_ENOMEM;
  }
  sequence->leasing = leasing;
  txn->on_settled = lease_settled;
  txn->arg = sequence;
  mw_writer_queue(sequence->store, txn);
  return 0;
}

/* Issues the numbers of a lease to the waiters, in order. On the writer's thread. */
static void lease_settled(struct mw_store_txn *txn) {
  struct sequence *sequence = txn->arg;
  struct mw_sequences *sequences = &sequence->store->sequences;
  pthread_mutex_lock(&sequences->lock);
  if (txn->code == 0) sequence->leased = sequence->leasing;
  sequence->leasing = 0;
  while (!mw_list_empty(&sequence->waiters) && (txn->code != 0 || sequence->last < sequence->leased)) {
    struct waiter *waiter = MW_CONTAINER(mw_list_shift(&sequence->waiters), struct waiter, link);
    if (txn->code == 0) answer(waiter, 0, ++sequence->last, "");
    else answer(waiter, txn->code, 0, mw_err_text(&txn->err));
  }
  int rc = txn->code == 0 ? lease(sequence) : 0;
  while (rc != 0 && !mw_list_empty(&sequence->waiters)) {
    struct waiter *waiter = MW_CONTAINER(mw_list_shift(&sequence->waiters), struct waiter, link);
    answer(waiter, rc, 0, mw_err_name(rc));
  }
  pthread_mutex_unlock(&sequences->lock);
  mw_store_txn_unref(txn);
}

/* ---- numbers ---- */

static int load(struct mw_store *store, struct sequence *sequence) {
  struct mw_view *view;
  int rc = store->backend->ops->view_open(store->backend, &view, NULL);
  if (rc != 0) return rc;
  rc = store->backend->ops->view_counter(view, mw_slice(sequence->name, sequence->name_len), &sequence->last);
  sequence->leased = sequence->last;
  store->backend->ops->view_close(view);
  return rc;
}

/* Finds the sequence `name`, or creates it. Under the lock. */
static int find(struct mw_store *store, struct mw_slice name, struct sequence **out) {
  *out = mw_map_get(&store->sequences.map, name);
  if (*out) return 0;
  struct sequence *sequence = calloc(1, sizeof *sequence + name.len + 1);
  if (!sequence) return MW_ENOMEM;
  sequence->store = store;
  sequence->lease = FIRST_LEASE;
  mw_list_init(&sequence->waiters);
  sequence->name_len = name.len + 1;
  sequence->name[0] = 's';
  memcpy(sequence->name + 1, name.data, name.len);
  int rc = load(store, sequence);
  if (rc == 0) rc = mw_map_set(&store->sequences.map, name, sequence);
  if (rc != 0) {
    free(sequence);
    return rc;
  }
  *out = sequence;
  return 0;
}

/* Under the lock. */
static int take_number(struct sequence *sequence, uint64_t *out, const struct waiter *like) {
  if (mw_list_empty(&sequence->waiters) && sequence->last < sequence->leased) {
    *out = ++sequence->last;
    /* If an early lease fails now, callers that need it retry it. */
    (void)lease(sequence);
    return 0;
  }
  struct waiter *waiter = malloc(sizeof *waiter);
  if (!waiter) return MW_ENOMEM;
  *waiter = *like;
  int rc = lease(sequence);
  if (rc != 0) {
    free(waiter);
    return rc;
  }
  mw_list_push(&sequence->waiters, &waiter->link);
  return MW_EBUSY;
}

int mw_store_sequence_next(struct mw_store *store, struct mw_slice name, uint64_t *out, struct mw_loop *loop,
                           void (*done)(void *arg, const struct mw_store_result *result), void *arg) {
  if (name.len == 0 || name.len >= MW_STORE_KEY_MAX) return MW_ELIMIT;
  struct waiter like = {.loop = loop, .done = done, .arg = arg};
  struct sequence *sequence;
  pthread_mutex_lock(&store->sequences.lock);
  int rc = find(store, name, &sequence);
  if (rc == 0) rc = take_number(sequence, out, &like);
  pthread_mutex_unlock(&store->sequences.lock);
  return rc;
}
