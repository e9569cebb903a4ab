/* Locks: mw_topics.lock guards which topics there are and is held, shared, while one is published to; a topic's own
 * lock guards its subscribers and their queues, and is taken behind the first. A topic lives while it has subscribers.
 *
 * A subscription is told of its first payload by a post, which may still be queued when it is closed: the post then
 * frees it. `topic`, `closed` and `current` belong to the loop's thread alone; once it is stopped, all of it does. */
#include "loop/topic.h"

#include <assert.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "base/map.h"

struct payload {
  atomic_size_t refs;
  size_t len;
  uint8_t data[];
};

struct mw_topics {
  pthread_rwlock_t lock;
  struct mw_map by_name;
};

struct topic {
  struct mw_topics *topics;
  pthread_mutex_t lock;
  struct mw_list subscriptions;
  char name[];
};

struct mw_subscription {
  struct mw_list link; /* in topic.subscriptions */
  struct topic *topic; /* NULL once it is stopped */
  struct mw_loop *loop;
  void (*ready)(void *arg);
  void *arg;
  struct mw_post post;
  bool posted; /* guarded by the topic's lock, as are the next four */
  size_t first, count;
  uint64_t dropped;
  size_t capacity;
  bool closed;
  struct payload *current; /* what mw_subscription_next() gave last */
  struct payload *queue[]; /* a ring of `capacity` */
};

static struct payload *payload_new(struct mw_slice bytes) {
  struct payload *payload = malloc(sizeof *payload + bytes.len);
  if (!payload) return NULL;
  atomic_init(&payload->refs, 1);
  payload->len = bytes.len;
  if (bytes.len > 0) memcpy(payload->data, bytes.data, bytes.len);
  return payload;
}

static struct payload *payload_ref(struct payload *payload) {
  atomic_fetch_add_explicit(&payload->refs, 1, memory_order_relaxed);
  return payload;
}

static void payload_unref(struct payload *payload) {
  if (payload && atomic_fetch_sub_explicit(&payload->refs, 1, memory_order_acq_rel) == 1) free(payload);
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

/* Takes the oldest payload out of a queue that has one. */
static struct payload *shift(struct mw_subscription *s) {
  struct payload *payload = s->queue[s->first];
  s->first = (s->first + 1) % s->capacity;
  s->count--;
  return payload;
}

static void enqueue(struct mw_subscription *s, struct payload *payload) {
  if (s->count == s->capacity) {
    payload_unref(shift(s));
    s->dropped++;
  }
  s->queue[(s->first + s->count++) % s->capacity] = payload_ref(payload);
  if (s->count == 1 && !s->posted) {
    s->posted = true;
    mw_loop_post(s->loop, &s->post);
  }
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
  struct payload *payload = payload_new(bytes);
  if (!payload) return MW_ENOMEM;
  pthread_rwlock_rdlock(&topics->lock);
  struct topic *topic = mw_map_get(&topics->by_name, mw_slice_str(name));
  int reached = topic ? publish_to(topic, payload) : 0;
  pthread_rwlock_unlock(&topics->lock);
  payload_unref(payload);
  return reached;
}

/* ---- subscribing ---- */

static void subscription_free(struct mw_subscription *s) {
  while (s->count > 0) payload_unref(shift(s));
  payload_unref(s->current);
  free(s);
}

/* A subscription that is stopped has no lock, and needs none. */
static void lock(struct mw_subscription *s) {
  if (s->topic) pthread_mutex_lock(&s->topic->lock);
}

static void unlock(struct mw_subscription *s) {
  if (s->topic) pthread_mutex_unlock(&s->topic->lock);
}

static void run_ready(struct mw_post *post) {
  struct mw_subscription *s = MW_CONTAINER(post, struct mw_subscription, post);
  if (s->closed) {
    subscription_free(s);
    return;
  }
  lock(s);
  s->posted = false;
  bool any = s->count > 0;
  unlock(s);
  if (any) s->ready(s->arg); /* may close the subscription */
}

/* Under the lock of `topics`, as is topic_drop(). */
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

int mw_topic_subscribe(struct mw_topics *topics, const char *name, size_t capacity, struct mw_loop *loop,
                       void (*ready)(void *arg), void *arg, struct mw_subscription **out) {
  assert(capacity > 0);
  if (capacity > (SIZE_MAX - sizeof(struct mw_subscription)) / sizeof(struct payload *)) return MW_ENOMEM;
  struct mw_subscription *s = calloc(1, sizeof *s + capacity * sizeof s->queue[0]);
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

bool mw_subscription_next(struct mw_subscription *s, struct mw_slice *payload, uint64_t *dropped) {
  payload_unref(s->current);
  lock(s);
  s->current = s->count > 0 ? shift(s) : NULL;
  *dropped = s->dropped;
  s->dropped = 0;
  unlock(s);
  if (s->current) *payload = mw_slice(s->current->data, s->current->len);
  return s->current != NULL;
}

void mw_subscription_stop(struct mw_subscription *s) {
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
  mw_subscription_stop(s);
  s->closed = true;
  if (!s->posted) subscription_free(s);
}
