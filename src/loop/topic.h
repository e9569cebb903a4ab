/* Topics: publish and subscribe across the workers of a process.
 *
 * A payload is bytes, copied once and shared by all subscribers. Each subscriber has a queue, bounded in number and bytes,
 * and reads at its own pace: a slow one delays nobody. The payloads of all topics together are bounded too. Publishing may happen on any thread; a subscription belongs to the thread of its
 * loop. */
#ifndef MW_LOOP_TOPIC_H
#define MW_LOOP_TOPIC_H

#include "base/slice.h"
#include "loop/loop.h"

struct mw_topics; /* all topics of a process */
struct mw_subscription;

enum {
  MW_TOPIC_QUEUE_BYTES = 16 * 1024 * 1024, /* of a queue, and of a payload */
  MW_TOPICS_BYTES = 128 * 1024 * 1024      /* of all payloads of a process */
};

/* NULL without memory. */
struct mw_topics *mw_topics_new(void);

/* Every subscription is closed. */
void mw_topics_free(struct mw_topics *topics);

/* Hands a copy of `payload` to every subscriber of `name`. Returns how many; MW_ELIMIT (longer than MW_TOPIC_QUEUE_BYTES),
 * MW_EFULL (the payloads of all topics would be more than MW_TOPICS_BYTES) or MW_ENOMEM. */
int mw_topic_publish(struct mw_topics *topics, const char *name, struct mw_slice payload);

/* Subscribes with a queue of `capacity` payloads, at least one. `ready(arg)` runs on `loop` when the queue was empty
 * and no longer is. A payload that finds it full, or with MW_TOPIC_QUEUE_BYTES in it, pushes out the oldest ones, which are counted. With
 * MW_TOPICS_BYTES in all queues, the longest ones lose their oldest. Returns 0 or MW_ENOMEM. */
int mw_topic_subscribe(struct mw_topics *topics, const char *name, size_t capacity, struct mw_loop *loop,
                       void (*ready)(void *arg), void *arg, struct mw_subscription **out);

/* Bytes that a subscription takes beside its payloads. */
size_t mw_subscription_size(size_t capacity);

/* Takes the oldest payload: valid until the next call on this subscription. Returns whether there was one;
 * `dropped` is set to how many were pushed out since the last call. */
bool mw_subscription_next(struct mw_subscription *subscription, struct mw_slice *payload, uint64_t *dropped);

/* Lets go of the payload that mw_subscription_next() gave last. */
void mw_subscription_release(struct mw_subscription *subscription);

/* Bytes of all payloads. Any thread. */
size_t mw_topics_bytes(const struct mw_topics *topics);

/* Takes no further payloads; those in the queue can still be read. On the loop's thread. */
void mw_subscription_stop(struct mw_subscription *subscription);

/* Frees it. On the loop's thread; `ready` does not run after it. NULL is allowed. The loop must outlive what it has
 * queued: end it after its subscriptions are closed. */
void mw_subscription_close(struct mw_subscription *subscription);

#endif
