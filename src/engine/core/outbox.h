/* The unsent messages of a call, in order. */
#ifndef MW_ENGINE_CORE_OUTBOX_H
#define MW_ENGINE_CORE_OUTBOX_H

#include <grpc/byte_buffer.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct mw_core_outgoing {
  grpc_byte_buffer *message; /* owned; NULL for none */
  uint32_t flags;            /* GRPC_WRITE_NO_COMPRESS or 0 */
};

struct mw_core_outbox {
  struct mw_core_outgoing *ring; /* owned; `cap` is a power of two */
  size_t cap, head, len;
  size_t bytes; /* of all messages */
};

/* Takes the message. Returns false without memory; the message is destroyed then. */
bool mw_core_outbox_push(struct mw_core_outbox *outbox, grpc_byte_buffer *message, uint32_t flags);

/* Removes the oldest message. Returns it owned; NULL in `message` if there is none. */
struct mw_core_outgoing mw_core_outbox_shift(struct mw_core_outbox *outbox);

/* Destroys the remaining messages; keeps a small ring. */
void mw_core_outbox_clear(struct mw_core_outbox *outbox);

/* Destroys the remaining messages and frees the ring. */
void mw_core_outbox_fini(struct mw_core_outbox *outbox);

#endif
