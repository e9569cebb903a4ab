/* Messages in the order they are to be sent. */
#ifndef MW_ENGINE_CORE_OUTBOX_H
#define MW_ENGINE_CORE_OUTBOX_H

#include <grpc/byte_buffer.h>
#include <stdbool.h>
#include <stddef.h>

struct mw_core_outbox {
  grpc_byte_buffer **ring; /* owned, a power of two of them */
  size_t cap, head, len;
};

/* Takes the message. Returns whether there was memory; without it the message is destroyed. */
bool mw_core_outbox_push(struct mw_core_outbox *outbox, grpc_byte_buffer *message);

/* Returns the oldest owned, NULL when there is none. */
grpc_byte_buffer *mw_core_outbox_shift(struct mw_core_outbox *outbox);

/* Destroys what is left and frees the ring. */
void mw_core_outbox_fini(struct mw_core_outbox *outbox);

#endif
