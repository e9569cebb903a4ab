/* A batch of operations on a gRPC call: initialised empty, filled, started. What it borrows or owns until then is given
 * back by mw_core_batch_start(); what operations receive is written to where the caller said, before the tag runs. */
#ifndef MW_ENGINE_CORE_BATCH_H
#define MW_ENGINE_CORE_BATCH_H

#include <grpc/grpc.h>

#include "engine/core/queue.h"
#include "rpc/metadata.h"
#include "rpc/status.h"

struct mw_core_batch {
  grpc_op ops[6];
  size_t n;
  grpc_metadata *metadata[2]; /* what was built for the operations; its slices are released after the start */
  size_t n_metadata[2];
  grpc_byte_buffer *message;
  grpc_slice details;
};

void mw_core_batch_init(struct mw_core_batch *batch);

/* Each adds one operation; an array lives in `arena`, until the call ends. Without memory metadata is left out.
 * `encoding` ("gzip") asks core to compress what is sent; NULL for not. */
void mw_core_batch_send_headers(struct mw_core_batch *batch, const struct mw_metadata *headers, const char *encoding,
                                uint32_t flags, struct mw_arena *arena);
/* Has core compress what follows the headers, which were the last operation, by `encoding` ("gzip", "deflate"), or the
 * other one, or not at all, as the client accepts; "identity" does nothing. */
void mw_core_batch_compress(struct mw_core_batch *batch, const char *encoding);
/* Takes the message. */
void mw_core_batch_send_message(struct mw_core_batch *batch, grpc_byte_buffer *message, uint32_t flags);
void mw_core_batch_send_close(struct mw_core_batch *batch);
void mw_core_batch_send_status(struct mw_core_batch *batch, const struct mw_status *status,
                               const struct mw_metadata *trailers, struct mw_arena *arena);
void mw_core_batch_recv_headers(struct mw_core_batch *batch, grpc_metadata_array *headers);
void mw_core_batch_recv_message(struct mw_core_batch *batch, grpc_byte_buffer **message);
void mw_core_batch_recv_status(struct mw_core_batch *batch, grpc_metadata_array *trailers, grpc_status_code *code,
                               grpc_slice *details);
void mw_core_batch_recv_close(struct mw_core_batch *batch, int *cancelled);

/* Starts it; `tag` runs once all of it is done. */
void mw_core_batch_start(struct mw_core_batch *batch, grpc_call *call, struct mw_core_tag *tag);

#endif
