/* The messages of a call, in one direction, that the other side has not taken yet. */
#ifndef MW_ENGINE_INPROC_QUEUE_H
#define MW_ENGINE_INPROC_QUEUE_H

#include <stdint.h>
#include <stdlib.h>

#include "base/list.h"
#include "base/slice.h"

struct mw_inproc_message {
  struct mw_list link;
  bool last; /* the server's last message: goes with the status, and does not count as unsent */
  size_t len;
  uint8_t bytes[];
};

struct mw_inproc_queue {
  struct mw_list list;
  uint32_t len;
  struct mw_inproc_message *reserved; /* owned; NULL for none */
};

static inline void mw_inproc_queue_init(struct mw_inproc_queue *queue) {
  mw_list_init(&queue->list);
  queue->len = 0;
  queue->reserved = NULL;
}

/* Reserves a message. Returns its bytes, to be filled before mw_inproc_queue_push(); NULL without memory. */
static inline uint8_t *mw_inproc_queue_reserve(struct mw_inproc_queue *queue, size_t size) {
  free(queue->reserved);
  queue->reserved = malloc(sizeof *queue->reserved + size);
  if (!queue->reserved) return NULL;
  queue->reserved->len = size;
  return queue->reserved->bytes;
}

/* Appends the reserved message. */
static inline void mw_inproc_queue_push(struct mw_inproc_queue *queue, bool last) {
  queue->reserved->last = last;
  mw_list_init(&queue->reserved->link);
  mw_list_push(&queue->list, &queue->reserved->link);
  queue->reserved = NULL;
  queue->len++;
}

/* Removes the oldest message. Returns owned, NULL if there is none. */
static inline struct mw_inproc_message *mw_inproc_queue_shift(struct mw_inproc_queue *queue) {
  struct mw_list *node = mw_list_shift(&queue->list);
  if (!node) return NULL;
  queue->len--;
  return MW_CONTAINER(node, struct mw_inproc_message, link);
}

static inline struct mw_slice mw_inproc_message_bytes(const struct mw_inproc_message *message) {
  return mw_slice(message->bytes, message->len);
}

static inline void mw_inproc_queue_fini(struct mw_inproc_queue *queue) {
  struct mw_inproc_message *message;
  while ((message = mw_inproc_queue_shift(queue)) != NULL) free(message);
  free(queue->reserved);
  queue->reserved = NULL;
}

#endif
