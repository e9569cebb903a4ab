/* Locks: mw_topics.lock guards the map of topics; a publisher holds it shared. A topic's own lock guards its
 * subscribers and their queues; take it after mw_topics.lock. A topic lives while it has subscribers.
 *
 * A post announces a subscription's first payload. If the subscription is closed while the post is queued, the post
 * frees it. `topic`, `closed` and `current` belong to the loop's thread alone; after the stop, all fields do. */
#include "loop/topic.h"

#include <assert.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "base/map.h"

struct payload {
  struct mw_topics *topics; /* borrowed */
  atomic_size_t refs;
  size_t len;
  uint8_t data[];
};

struct mw_topics {
  pthread_rwlock_t lock;
  struct mw_map by_name;
  atomic_size_t bytes; /* of all payloads, with their headers */
};

struct topic {
  struct mw_topics *topics;
  pthread_mutex_t lock;
  struct mw_list subscriptions;
  char name[];
};

struct mw_subscription {
  struct mw_list link; /* in topic.subscriptions */
  struct topic *topic; /* NULL once stopped */
  struct mw_loop *loop;
  void (*ready)(void *arg);
  void *arg;
  struct mw_post post;
  bool posted; /* guarded by the topic's lock, as are the next five */
  size_t first, count;
  size_t bytes; /* of the queued payloads, with their headers */
  uint64_t dropped;
  size_t capacity;
  bool closed;
  struct payload *current; /* returned last by mw_subscription_take() */
  struct payload *queue[]; /* a ring of `capacity` */
};

static size_t payload_size(const struct payload *payload) { return sizeof *payload + payload->len; }

/* Returns 0, MW_ELIMIT, MW_EFULL or MW_ENOMEM, like mw_topic_publish(). */
static int payload_new(struct mw_topics *topics, struct mw_slice bytes, struct payload **out) {
  if (bytes.len > MW_TOPIC_QUEUE_BYTES) return MW_ELIMIT;
  size_t size = sizeof(struct payload) + bytes.len;
  struct payload *payload = NULL;
  bool fits = atomic_fetch_add_explicit(&topics->bytes, size, memory_order_relaxed) + size <= MW_TOPICS_BYTES;
  if (fits) payload = malloc(size);
  if (!payload) {
    atomic_fetch_sub_explicit(&topics->bytes, size, memory_order_relaxed);
    return fits ? MW_ENOMEM : MW_EFULL;
  }
  payload->topics = topics;
  atomic_init(&payload->refs, 1);
  payload->len = bytes.len;
  if (bytes.len > 0) memcpy(payload->data, bytes.data, bytes.len);
  *out = payload;
  return 0;
}

static struct payload *payload_ref(struct payload *payload) {
  atomic_fetch_add_explicit(&payload->refs, 1, memory_order_relaxed);
  return payload;
}

static void payload_unref(struct payload *payload) {
  if (!payload || atomic_fetch_sub_explicit(&payload->refs, 1, memory_order_acq_rel) != 1) return;
  atomic_fetch_sub_explicit(&payload->topics->bytes, payload_size(payload), memory_order_relaxed);
  free(payload);
}

size_t mw_topics_bytes(const struct mw_topics *topics) {
  return atomic_load_explicit(&topics->bytes, memory_order_relaxed);
}

struct mw_topics *mw_topics_new(void) {
  struct mw_topics *topics = calloc(1, sizeof *topics);
  if (topics) pthread_rwlock_init(&topics->lock, NULL);
  return topics;
}

void mw_topics_free(struct mw_topics *topics) {
  if (!topics) return;
  assert(topics->by_name.len == 0);
  mw_map_fini(&topics->by_name);
  pthread_rwlock_destroy(&topics->lock);
  free(topics);
}

/* ---- publishing ---- */

/* Takes the oldest payload from a queue that is not empty. */
static struct payload *shift(struct mw_subscription *s) {
  struct payload *payload = s->queue[s->first];
  s->first = (s->first + 1) % s->capacity;
  s->count--;
  s->bytes -= payload_size(payload);
  return payload;
}

static void drop_oldest(struct mw_subscription *s) {
  payload_unref(shift(s));
  s->dropped++;
}

static void enqueue(struct mw_subscription *s, struct payload *payload) {
  size_t size = payload_size(payload);
  while (s->count > 0 && (s->count == s->capacity || s->bytes + size > MW_TOPIC_QUEUE_BYTES)) drop_oldest(s);
  s->bytes += size;
  s->queue[(s->first + s->count++) % s->capacity] = payload_ref(payload);
  if (s->count == 1 && !s->posted) {
    s->posted = true;
    mw_loop_post(s->loop, &s->post);
  }
}

/* Drops the oldest payloads of queues that hold more than `most` bytes. mw_topics.lock is held, so nobody publishes. */
static void trim_queues(struct topic *topic, size_t most) {
  pthread_mutex_lock(&topic->lock); /* excludes mw_subscription_take() */
  for (struct mw_list *node = topic->subscriptions.next; node != &topic->subscriptions; node = node->next) {
    struct mw_subscription *s = MW_CONTAINER(node, struct mw_subscription, link);
    while (s->bytes > most) drop_oldest(s);
  }
  pthread_mutex_unlock(&topic->lock);
}

/* Frees an eighth of MW_TOPICS_BYTES, so that this is rare. The longest queues lose the most. */
static void make_room(struct mw_topics *topics) {
  pthread_rwlock_wrlock(&topics->lock);
  for (size_t most = MW_TOPIC_QUEUE_BYTES; most > 0 && mw_topics_bytes(topics) > MW_TOPICS_BYTES / 8 * 7; most /= 2) {
    struct topic *topic;
    for (size_t at = 0; (topic = mw_map_next(&topics->by_name, &at, NULL));) trim_queues(topic, most / 2);
  }
  pthread_rwlock_unlock(&topics->lock);
}

static int publish_to(struct topic *topic, struct payload *payload) {
  int reached = 0;
  pthread_mutex_lock(&topic->lock);
  for (struct mw_list *node = topic->subscriptions.next; node != &topic->subscriptions; node = node->next) {
    enqueue(MW_CONTAINER(node, struct mw_subscription, link), payload);
    reached++;
  }
  pthread_mutex_unlock(&topic->lock);
  return reached;
}

int mw_topic_publish(struct mw_topics *topics, const char *name, struct mw_slice bytes) {
  struct payload *payload;
  int rc = payload_new(topics, bytes, &payload);
  if (rc == MW_EFULL) {
    make_room(topics);
    rc = payload_new(topics, bytes, &payload);
  }
  if (rc != 0) return rc;
  pthread_rwlock_rdlock(&topics->lock);
  struct topic *topic = mw_map_get(&topics->by_name, mw_slice_str(name));
  int reached = topic ? publish_to(topic, payload) : 0;
  pthread_rwlock_unlock(&topics->lock);
  payload_unref(payload);
  return reached;
}

/* ---- subscribing ---- */

/* A stopped subscription needs no lock. */
static void lock(struct mw_subscription *s) {
  if (s->topic) pthread_mutex_lock(&s->topic->lock);
}

static void unlock(struct mw_subscription *s) {
  if (s->topic) pthread_mutex_unlock(&s->topic->lock);
}

static void run_ready(struct mw_post *post) {
  struct mw_subscription *s = MW_CONTAINER(post, struct mw_subscription, post);
  if (s->closed) {
    free(s);
    return;
  }
  lock(s);
  s->posted = false;
  bool any = s->count > 0;
  unlock(s);
  if (any) s->ready(s->arg); /* may close the subscription */
}

/* Under the lock of `topics`, like topic_drop(). */
static struct topic *topic_get(struct mw_topics *topics, const char *name) {
  struct topic *topic = mw_map_get(&topics->by_name, mw_slice_str(name));
  if (topic) return topic;
  size_t size = strlen(name) + 1;
  topic = malloc(sizeof *topic + size);
  if (!topic) return NULL;
  topic->topics = topics;
  pthread_mutex_init(&topic->lock, NULL);
  mw_list_init(&topic->subscriptions);
  memcpy(topic->name, name, size);
  if (mw_map_set(&topics->by_name, mw_slice_str(name), topic) != 0) {
    pthread_mutex_destroy(&topic->lock);
    free(topic);
    return NULL;
  }
  return topic;
}

static void topic_drop(struct topic *topic) {
  mw_map_remove(&topic->topics->by_name, mw_slice_str(topic->name));
  pthread_mutex_destroy(&topic->lock);
  free(topic);
}

size_t mw_subscription_size(size_t capacity) {
  return sizeof(struct mw_subscription) + capacity * sizeof(struct payload *);
}

int mw_topic_subscribe(struct mw_topics *topics, const char *name, size_t capacity, struct mw_loop *loop,
                       void (*ready)(void *arg), void *arg, struct mw_subscription **out) {
  assert(capacity > 0);
  if (capacity > (SIZE_MAX - sizeof(struct mw_subscription)) / sizeof(struct payload *)) return MW_ENOMEM;
  struct mw_subscription *s = calloc(1, mw_subscription_size(capacity));
  if (!s) return MW_ENOMEM;
  s->capacity = capacity;
  s->loop = loop;
  s->ready = ready;
  s->arg = arg;
  s->post.run = run_ready;
  mw_list_init(&s->link);

  pthread_rwlock_wrlock(&topics->lock);
  s->topic = topic_get(topics, name);
  if (s->topic) mw_list_push(&s->topic->subscriptions, &s->link); /* nobody publishes while topics is locked */
  pthread_rwlock_unlock(&topics->lock);
  if (!s->topic) {
    free(s);
    return MW_ENOMEM;
  }
  *out = s;
  return 0;
}

bool mw_subscription_take(struct mw_subscription *s, struct mw_slice *payload, uint64_t *dropped) {
  mw_subscription_release(s);
  lock(s);
  s->current = s->count > 0 ? shift(s) : NULL;
  *dropped = s->dropped;
  s->dropped = 0;
  unlock(s);
  if (s->current) *payload = mw_slice(s->current->data, s->current->len);
  return s->current != NULL;
}

void mw_subscription_release(struct mw_subscription *s) {
  payload_unref(s->current);
  s->current = NULL;
}

void mw_subscription_end(struct mw_subscription *s) {
  if (!s->topic) return;
  struct mw_topics *topics = s->topic->topics;
  pthread_rwlock_wrlock(&topics->lock);
  mw_list_remove(&s->link); /* nobody publishes while topics is locked */
  if (mw_list_empty(&s->topic->subscriptions)) topic_drop(s->topic);
  pthread_rwlock_unlock(&topics->lock);
  s->topic = NULL;
}

void mw_subscription_close(struct mw_subscription *s) {
  if (!s) return;
  mw_subscription_end(s);
  s->closed = true;
  while (s->count > 0) payload_unref(shift(s));
  mw_subscription_release(s);
  if (!s->posted) free(s);
}
