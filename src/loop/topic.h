/* Topics: publish and subscribe across the workers of a process.
 *
 * A payload is bytes, copied once and shared by all subscribers. Each subscriber has its own queue, bounded in
 * number and bytes, so that a slow subscriber delays nobody. All payloads together are bounded too. Any thread may
 * publish; a subscription belongs to the thread of its loop. */
#ifndef MW_LOOP_TOPIC_H
#define MW_LOOP_TOPIC_H

#include "base/slice.h"
#include "loop/loop.h"

struct mw_topics; /* all topics of a process */
struct mw_subscription;

enum {
  MW_TOPIC_QUEUE_BYTES = 16 * 1024 * 1024, /* greatest size of a queue and of a payload */
  MW_TOPICS_BYTES = 128 * 1024 * 1024      /* greatest size of all payloads of a process */
};

/* NULL without memory. */
struct mw_topics *mw_topics_new(void);

/* Requires that every subscription is closed. */
void mw_topics_free(struct mw_topics *topics);

/* Queues a copy of `payload` for every subscriber of `name`. Returns the number of subscribers; MW_ELIMIT (longer
 * than MW_TOPIC_QUEUE_BYTES), MW_EFULL (the payloads of all topics would exceed MW_TOPICS_BYTES) or MW_ENOMEM. */
int mw_topic_publish(struct mw_topics *topics, const char *name, struct mw_slice payload);

/* Subscribes with a queue of `capacity` payloads, at least one. `ready(arg)` runs on `loop` when the queue was empty
 * and no longer is. A payload for a queue that is full, or that would exceed MW_TOPIC_QUEUE_BYTES, drops the oldest
 * ones, which are counted. When all payloads would exceed MW_TOPICS_BYTES, the longest queues drop their oldest.
 * Returns 0 or MW_ENOMEM. */
int mw_topic_subscribe(struct mw_topics *topics, const char *name, size_t capacity, struct mw_loop *loop,
                       void (*ready)(void *arg), void *arg, struct mw_subscription **out);

/* Bytes that a subscription takes without its payloads. */
size_t mw_subscription_size(size_t capacity);

/* Takes the oldest payload, which is valid until the next call on this subscription. Returns false if the queue is
 * empty. Sets `dropped` to the number of payloads dropped since the last call. */
bool mw_subscription_take(struct mw_subscription *subscription, struct mw_slice *payload, uint64_t *dropped);

/* Releases the payload that mw_subscription_take() returned last. */
void mw_subscription_release(struct mw_subscription *subscription);

/* Bytes of all payloads. Any thread. */
size_t mw_topics_bytes(const struct mw_topics *topics);

/* Stops receiving; the payloads in the queue can still be read. On the loop's thread. */
void mw_subscription_end(struct mw_subscription *subscription);

/* Frees it. On the loop's thread; `ready` does not run after it. NULL is allowed. Close all subscriptions before the
 * end of the loop: a queued post frees the subscription. */
void mw_subscription_close(struct mw_subscription *subscription);

#endif
