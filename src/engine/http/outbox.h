/* The messages of a call that are to be sent, each with its prefix, as one stream of bytes.
 *
 * A small message that finds others waiting goes behind them, into a block that has room for many: a stream of small
 * messages is sent without an allocation, and a copy, for each. Any other message has a block of its own. */
#ifndef MW_ENGINE_HTTP_OUTBOX_H
#define MW_ENGINE_HTTP_OUTBOX_H

#include "base/arena.h"
#include "engine/http/batch.h"
#include "engine/http/message.h"

/* A message, or several small ones behind each other. */
struct mw_http_message {
  struct mw_http_message *next;
  size_t len;     /* of bytes, with the prefixes */
  size_t cap;     /* that there is room for */
  bool owned;     /* on the heap, not in an arena */
  bool plain;     /* not to be compressed */
  uint8_t bytes[];
};

struct mw_http_outbox {
  struct mw_http_message *first, *last; /* owned */
  struct mw_http_message *fresh;        /* owned: where the reserved message is, when that is not behind the last */
  size_t reserved; /* bytes, with the prefix */
  size_t taken;    /* bytes of the first that have gone */
  size_t departed; /* bytes of the first that are messages which have gone whole */
  size_t bytes;    /* that have not gone, in all */
  size_t held;     /* bytes of the heap that these messages take */
};

/* A message of `size` bytes behind its prefix, at most UINT32_MAX, on the heap. Returns owned, NULL without memory. */
struct mw_http_message *mw_http_message_new(size_t size);
void mw_http_message_free(struct mw_http_message *message);

/* `size` bytes to be filled and then sent with mw_http_outbox_push(), before anything else happens to the outbox but
 * that this is asked again. They are in `arena` if it is not NULL. Returns NULL without memory, or when they are
 * more than UINT32_MAX. */
uint8_t *mw_http_outbox_reserve(struct mw_http_outbox *outbox, size_t size, struct mw_arena *arena);

/* Takes the message, which then is the reserved one. */
void mw_http_outbox_adopt(struct mw_http_outbox *outbox, struct mw_http_message *message);

/* The bytes that were reserved. */
struct mw_slice mw_http_outbox_reserved(const struct mw_http_outbox *outbox);

/* Puts `bytes`, no more than those that were reserved, in their place: they are the message in a compressed form. */
void mw_http_outbox_replace(struct mw_http_outbox *outbox, struct mw_slice bytes);

/* The reserved message follows those before it. */
void mw_http_outbox_push(struct mw_http_outbox *outbox);

/* Moves the next `len` bytes, no more than there are, into the batch. Returns the number of messages this completes. */
uint32_t mw_http_outbox_take(struct mw_http_outbox *outbox, size_t len, struct mw_http_batch *batch);

/* Frees what is left, the reserved message too. */
void mw_http_outbox_clear(struct mw_http_outbox *outbox);

/* Frees the messages that a written batch had taken. */
void mw_http_batch_free_spent(struct mw_http_batch *batch);

#endif
