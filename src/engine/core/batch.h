/* A batch of operations on a gRPC call: initialised empty, filled, started. mw_core_batch_start() releases all memory
 * that the batch owns. Receive operations write to the given addresses before the tag runs. */
#ifndef MW_ENGINE_CORE_BATCH_H
#define MW_ENGINE_CORE_BATCH_H

#include <grpc/grpc.h>

#include "engine/core/queue.h"
#include "rpc/metadata.h"
#include "rpc/status.h"

struct mw_core_batch {
  grpc_op ops[6];
  size_t n;
  grpc_metadata *metadata[2]; /* arrays of the operations; the start releases their slices */
  size_t n_metadata[2];
  grpc_byte_buffer *message;
  grpc_slice details;
};

void mw_core_batch_init(struct mw_core_batch *batch);

/* Each function below adds one operation. Metadata arrays are in `arena`, which must live until the call ends; without
 * memory the metadata is omitted. `encoding` ("gzip") makes core compress the messages; NULL for none. */
void mw_core_batch_send_headers(struct mw_core_batch *batch, const struct mw_metadata *headers, const char *encoding,
                                uint32_t flags, struct mw_arena *arena);
/* Makes core compress the messages after the headers, which must be the last operation: by `encoding` ("gzip",
 * "deflate") if the client accepts it, else by the other one, else not at all. "identity" does nothing. */
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

/* Starts the batch; `tag` runs once all operations are complete. */
void mw_core_batch_start(struct mw_core_batch *batch, grpc_call *call, struct mw_core_tag *tag);

#endif
