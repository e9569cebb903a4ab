#include "engine/core/batch.h"

#include <assert.h>
#include <grpc/compression.h>
#include <string.h>

#include "engine/core/metadata.h"

void mw_core_batch_init(struct mw_core_batch *batch) {
  batch->n = 0;
  batch->metadata[0] = batch->metadata[1] = NULL;
  batch->n_metadata[0] = batch->n_metadata[1] = 0;
  batch->message = NULL;
  batch->details = grpc_empty_slice();
}

static grpc_op *add(struct mw_core_batch *batch, grpc_op_type type, uint32_t flags) {
  assert(batch->n < sizeof batch->ops / sizeof *batch->ops);
  grpc_op *op = &batch->ops[batch->n++];
  *op = (grpc_op){.op = type, .flags = flags};
  return op;
}

/* Builds core's form of `metadata`, plus an entry for `key` unless that is NULL. */
static void build(struct mw_core_batch *batch, size_t which, const struct mw_metadata *metadata, const char *key,
                  struct mw_slice value, struct mw_arena *arena) {
  if (metadata->len == 0 && !key) return;
  grpc_metadata *array = mw_arena_alloc(arena, (metadata->len + 1) * sizeof *array);
  if (!array) return;
  size_t n = mw_core_metadata_fill(metadata, array);
  if (key) array[n++] = mw_core_metadata_entry(mw_slice_str(key), value);
  batch->metadata[which] = array;
  batch->n_metadata[which] = n;
}

void mw_core_batch_send_headers(struct mw_core_batch *batch, const struct mw_metadata *headers, const char *encoding,
                                uint32_t flags, struct mw_arena *arena) {
  const char *key = encoding ? GRPC_COMPRESSION_REQUEST_ALGORITHM_MD_KEY : NULL;
  build(batch, 0, headers, key, mw_slice_str(encoding ? encoding : ""), arena);
  grpc_op *op = add(batch, GRPC_OP_SEND_INITIAL_METADATA, flags);
  op->data.send_initial_metadata.metadata = batch->metadata[0];
  op->data.send_initial_metadata.count = batch->n_metadata[0];
}

/* Core ranks the encodings that the client accepts, gzip before deflate: its low level is the first, its high level the
 * last of them. */
void mw_core_batch_compress(struct mw_core_batch *batch, const char *encoding) {
  grpc_op *headers = &batch->ops[batch->n - 1];
  assert(headers->op == GRPC_OP_SEND_INITIAL_METADATA);
  if (strcmp(encoding, "identity") == 0) return;
  bool gzip = strcmp(encoding, "gzip") == 0;
  headers->data.send_initial_metadata.maybe_compression_level.is_set = 1;
  headers->data.send_initial_metadata.maybe_compression_level.level = gzip ? GRPC_COMPRESS_LEVEL_LOW
                                                                           : GRPC_COMPRESS_LEVEL_HIGH;
}

void mw_core_batch_send_message(struct mw_core_batch *batch, grpc_byte_buffer *message, uint32_t flags) {
  batch->message = message;
  add(batch, GRPC_OP_SEND_MESSAGE, flags)->data.send_message.send_message = message;
}

void mw_core_batch_send_close(struct mw_core_batch *batch) { add(batch, GRPC_OP_SEND_CLOSE_FROM_CLIENT, 0); }

void mw_core_batch_send_status(struct mw_core_batch *batch, const struct mw_status *status,
                               const struct mw_metadata *trailers, struct mw_arena *arena) {
  build(batch, 1, trailers, status->details.len > 0 ? "grpc-status-details-bin" : NULL, status->details, arena);
  grpc_op *op = add(batch, GRPC_OP_SEND_STATUS_FROM_SERVER, 0);
  op->data.send_status_from_server.trailing_metadata = batch->metadata[1];
  op->data.send_status_from_server.trailing_metadata_count = batch->n_metadata[1];
  op->data.send_status_from_server.status = (grpc_status_code)status->code;
  if (status->message.len > 0) {
    struct mw_slice message = mw_status_message_cut(status->message);
    batch->details = grpc_slice_from_copied_buffer((const char *)message.data, message.len);
    op->data.send_status_from_server.status_details = &batch->details;
  }
}

void mw_core_batch_recv_headers(struct mw_core_batch *batch, grpc_metadata_array *headers) {
  add(batch, GRPC_OP_RECV_INITIAL_METADATA, 0)->data.recv_initial_metadata.recv_initial_metadata = headers;
}

void mw_core_batch_recv_message(struct mw_core_batch *batch, grpc_byte_buffer **message) {
  add(batch, GRPC_OP_RECV_MESSAGE, 0)->data.recv_message.recv_message = message;
}

void mw_core_batch_recv_status(struct mw_core_batch *batch, grpc_metadata_array *trailers, grpc_status_code *code,
                               grpc_slice *details) {
  grpc_op *op = add(batch, GRPC_OP_RECV_STATUS_ON_CLIENT, 0);
  op->data.recv_status_on_client.trailing_metadata = trailers;
  op->data.recv_status_on_client.status = code;
  op->data.recv_status_on_client.status_details = details;
}

void mw_core_batch_recv_close(struct mw_core_batch *batch, int *cancelled) {
  add(batch, GRPC_OP_RECV_CLOSE_ON_SERVER, 0)->data.recv_close_on_server.cancelled = cancelled;
}

/* Core holds its own references after the start. */
static void cleanup(struct mw_core_batch *batch) {
  for (size_t i = 0; i < 2; i++) mw_core_metadata_release(batch->metadata[i], batch->n_metadata[i]);
  if (batch->message) grpc_byte_buffer_destroy(batch->message);
  grpc_slice_unref(batch->details);
}

void mw_core_batch_start(struct mw_core_batch *batch, grpc_call *call, struct mw_core_tag *tag) {
  grpc_call_error error = grpc_call_start_batch(call, batch->ops, batch->n, tag, NULL);
  assert(error == GRPC_CALL_OK);
  (void)error;
  cleanup(batch);
}
