/* The messages of a call that are to be sent, each with its prefix, as one stream of bytes. */
#ifndef MW_ENGINE_HTTP_OUTBOX_H
#define MW_ENGINE_HTTP_OUTBOX_H

#include "base/arena.h"
#include "engine/http/batch.h"
#include "engine/http/message.h"

struct mw_http_message {
  struct mw_http_message *next;
  size_t len;     /* of bytes, with the prefix */
  bool owned;     /* on the heap, not in an arena */
  bool plain;     /* not to be compressed */
  uint8_t bytes[];
};

struct mw_http_outbox {
  struct mw_http_message *first, *last; /* owned */
  size_t taken; /* bytes of the first that have gone */
  size_t bytes; /* that have not, in all */
};

/* A message of `size` bytes behind an empty prefix, at most UINT32_MAX; in `arena` or, if that is NULL, on the heap.
 * Returns owned, NULL without memory. */
struct mw_http_message *mw_http_message_new(size_t size, struct mw_arena *arena);
void mw_http_message_free(struct mw_http_message *message);

/* Takes the message. */
void mw_http_outbox_push(struct mw_http_outbox *outbox, struct mw_http_message *message);

/* Moves the next `len` bytes, no more than there are, into the batch. Returns the number of messages this completes. */
uint32_t mw_http_outbox_take(struct mw_http_outbox *outbox, size_t len, struct mw_http_batch *batch);

/* Frees what is left. */
void mw_http_outbox_clear(struct mw_http_outbox *outbox);

/* Frees the messages that a written batch had taken. */
void mw_http_batch_free_spent(struct mw_http_batch *batch);

#endif
