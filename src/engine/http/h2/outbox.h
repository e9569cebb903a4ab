/* The unsent messages of a call, each with its prefix, as one stream of bytes.
 *
 * A small message joins earlier unsent ones in a block with room for many. So a stream of small messages needs no
 * allocation for each. Any other message has a block of its own. */
#ifndef MW_ENGINE_HTTP_H2_OUTBOX_H
#define MW_ENGINE_HTTP_H2_OUTBOX_H

#include "base/arena.h"
#include "engine/http/h2/batch.h"
#include "engine/http/h2/reader.h"

/* A block: one message, or several small ones in a row. */
struct mw_http_block {
  struct mw_http_block *next;
  size_t len; /* of `bytes`, prefixes included */
  size_t cap; /* capacity of `bytes` */
  bool owned; /* on the heap, not in an arena */
  bool plain; /* not to be compressed */
  uint8_t bytes[];
};

struct mw_http_outbox {
  struct mw_http_block *first, *last;   /* owned */
  struct mw_http_block *reserved_block; /* owned: the block of the reserved message, if it does not fit into `last` */
  size_t reserved;                      /* bytes of the reserved message, prefix included */
  size_t sent;                          /* bytes of the first block that have left */
  size_t sent_whole;                    /* the same, but only of messages that have left whole */
  size_t bytes;                         /* unsent bytes, in all */
  size_t held;                          /* heap bytes of the blocks */
};

/* Makes a block with one message of `size` bytes after its prefix, at most UINT32_MAX, on the heap. Returns owned, NULL
 * without memory. */
struct mw_http_block *mw_http_block_new(size_t size);
void mw_http_block_free(struct mw_http_block *block);

/* Reserves a message of `size` bytes. The caller fills them and calls mw_http_outbox_push() before any other function
 * of the outbox; calling this again replaces the reservation. A new block is in `arena` unless that is NULL. Returns
 * NULL without memory, or if `size` exceeds UINT32_MAX. */
uint8_t *mw_http_outbox_reserve(struct mw_http_outbox *outbox, size_t size, struct mw_arena *arena);

/* Takes a block with one message, as the reserved one. */
void mw_http_outbox_adopt(struct mw_http_outbox *outbox, struct mw_http_block *block);

/* Returns the bytes of the reserved message, without its prefix. */
struct mw_slice mw_http_outbox_reserved(const struct mw_http_outbox *outbox);

/* Replaces the reserved message by its compressed form `bytes`, which must not be longer. */
void mw_http_outbox_replace(struct mw_http_outbox *outbox, struct mw_slice bytes);

/* Appends the reserved message to the unsent ones. */
void mw_http_outbox_push(struct mw_http_outbox *outbox);

/* Moves the next `len` bytes, of which there must be as many, into the batch. Returns the number of messages that this
 * completes. */
uint32_t mw_http_outbox_take(struct mw_http_outbox *outbox, size_t len, struct mw_http_batch *batch);

/* Frees all messages, the reserved one too. */
void mw_http_outbox_clear(struct mw_http_outbox *outbox);

/* Frees the blocks that wait in batch->spent. Called once the batch is written. */
void mw_http_batch_free_spent(struct mw_http_batch *batch);

#endif
