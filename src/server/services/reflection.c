#include "server/services/reflection.h"

#include <stdlib.h>
#include <string.h>

#include "schema/wire/message.h"
#include "schema/wire/wire.h"
#include "schema/wire/write.h"

/* Field numbers of ServerReflectionRequest and ServerReflectionResponse. */
enum {
  FILE_BY_FILENAME = 3,
  FILE_CONTAINING_SYMBOL = 4,
  FILE_CONTAINING_EXTENSION = 5,
  ALL_EXTENSION_NUMBERS_OF_TYPE = 6,
  LIST_SERVICES = 7,

  VALID_HOST = 1,
  ORIGINAL_REQUEST = 2,
  FILE_DESCRIPTOR_RESPONSE = 4,
  EXTENSION_NUMBERS_RESPONSE = 5,
  LIST_SERVICES_RESPONSE = 6,
  ERROR_RESPONSE = 7
};

enum { SOURCE_CODE_INFO = 9 }; /* field number in google.protobuf.FileDescriptorProto */

/* ---- writing the response ---- */

static int put_error(struct mw_buf *out, enum mw_code code, const char *text) {
  struct mw_buf error = MW_BUF_INIT;
  int rc = mw_wire_put_number(&error, 1, (uint64_t)code);
  if (rc == 0) rc = mw_wire_put_bytes(&error, 2, mw_slice_str(text));
  if (rc == 0) rc = mw_wire_put_bytes(out, ERROR_RESPONSE, mw_buf_slice(&error));
  mw_buf_fini(&error);
  return rc;
}

/* ---- files ---- */

/* Files to write, in order, each once. */
struct queue {
  struct mw_map seen;
  const char **paths; /* borrowed */
  size_t n, cap;
};

static int queue_add(struct queue *queue, const char *path) {
  if (mw_map_get(&queue->seen, mw_slice_str(path))) return 0;
  if (queue->n == queue->cap) {
    size_t cap = queue->cap ? queue->cap * 2 : 16;
    const char **grown = realloc(queue->paths, cap * sizeof *grown);
    if (!grown) return MW_ENOMEM;
    queue->paths = grown;
    queue->cap = cap;
  }
  queue->paths[queue->n++] = path;
  return mw_map_set(&queue->seen, mw_slice_str(path), queue);
}

/* Replaces `out` with the file without its source_code_info. The comments and positions in it are most of a large file.
 * Other servers, which reflect generated code, do not have them either. */
static int strip(struct mw_buf *out, struct mw_slice file) {
  const uint8_t *at = file.data, *end = file.data + file.len;
  int rc = 0;
  mw_buf_clear(out);
  for (struct mw_wire_field field; at < end && rc == 0; at = field.end) {
    bool known = mw_wire_next(at, end, MW_WIRE_NUMBER_MAX, MW_MESSAGE_DEPTH, &field) == MW_WIRE_OK;
    if (!known) field.end = end;
    if (!known || field.number != SOURCE_CODE_INFO) rc = mw_buf_append(out, at, (size_t)(field.end - at));
  }
  return rc;
}

/* Appends a file and all its imports, each once, imports last. Avoids recursion, because a chain of imports may be
 * long. */
static int put_file_and_imports(struct mw_buf *files, const struct mw_pool *pool, const char *path) {
  struct queue queue = {MW_MAP_INIT, NULL, 0, 0};
  struct mw_buf file = MW_BUF_INIT;
  int rc = queue_add(&queue, path);
  for (size_t i = 0; i < queue.n && rc == 0; i++) {
    const char *const *imports;
    size_t n = mw_pool_imports(pool, queue.paths[i], &imports);
    rc = strip(&file, mw_pool_file(pool, queue.paths[i]));
    if (rc == 0) rc = mw_wire_put_bytes(files, 1, mw_buf_slice(&file));
    for (size_t k = 0; k < n && rc == 0; k++) rc = queue_add(&queue, imports[k]);
  }
  mw_buf_fini(&file);
  free(queue.paths);
  mw_map_fini(&queue.seen);
  return rc;
}

/* Answers with NOT_FOUND if `path` is NULL or has no file. */
static int put_file(struct mw_buf *out, const struct mw_pool *pool, const char *path) {
  if (!path || !mw_pool_file(pool, path).data) return put_error(out, MW_CODE_NOT_FOUND, "not found");
  struct mw_buf files = MW_BUF_INIT;
  int rc = put_file_and_imports(&files, pool, path);
  if (rc == 0) rc = mw_wire_put_bytes(out, FILE_DESCRIPTOR_RESPONSE, mw_buf_slice(&files));
  mw_buf_fini(&files);
  return rc;
}

/* ---- the answers ---- */

/* Lists only services with a handler. The pool also has built-in services that are turned off, and services for
 * outbound calls. */
static int put_services(struct mw_buf *out, const struct mw_router *router) {
  const struct mw_pool *pool = router->pool;
  struct mw_buf list = MW_BUF_INIT, one = MW_BUF_INIT;
  int rc = 0;
  for (size_t i = 0; i < mw_pool_service_count(pool) && rc == 0; i++) {
    const struct mw_service_type *service = mw_pool_service_at(pool, i);
    if (!mw_router_serves(router, service)) continue;
    mw_buf_clear(&one);
    rc = mw_wire_put_bytes(&one, 1, mw_slice_str(service->full_name));
    if (rc == 0) rc = mw_wire_put_bytes(&list, 1, mw_buf_slice(&one));
  }
  if (rc == 0) rc = mw_wire_put_bytes(out, LIST_SERVICES_RESPONSE, mw_buf_slice(&list));
  mw_buf_fini(&one);
  mw_buf_fini(&list);
  return rc;
}

static int put_extension_numbers(struct mw_buf *out, const struct mw_pool *pool, const char *type) {
  if (!mw_pool_message(pool, type)) return put_error(out, MW_CODE_NOT_FOUND, "type not found");
  const int32_t *numbers;
  size_t n = mw_pool_extensions(pool, type, &numbers);
  struct mw_buf list = MW_BUF_INIT;
  int rc = mw_wire_put_bytes(&list, 1, mw_slice_str(type));
  for (size_t i = 0; i < n && rc == 0; i++) rc = mw_wire_put_number(&list, 2, (uint64_t)numbers[i]);
  if (rc == 0) rc = mw_wire_put_bytes(out, EXTENSION_NUMBERS_RESPONSE, mw_buf_slice(&list));
  mw_buf_fini(&list);
  return rc;
}

/* Returns a string field as a C string in the arena; NULL without memory. */
static const char *text_of(const ProtobufCMessage *message, const struct mw_message_type *type, uint32_t number,
                           struct mw_arena *arena) {
  const ProtobufCBinaryData *value = mw_field_value(message, mw_field_by_number(type, number));
  return mw_arena_strndup(arena, value->data ? (const char *)value->data : "", value->len);
}

static int put_extension_file(struct mw_buf *out, const struct mw_pool *pool, const struct mw_field *field,
                              const ProtobufCMessage *request, struct mw_arena *arena) {
  const ProtobufCMessage *extension = *(ProtobufCMessage **)mw_field_value(request, field);
  const char *type = text_of(extension, field->message, 1, arena);
  int32_t number = *(const int32_t *)mw_field_value(extension, mw_field_by_number(field->message, 2));
  return type ? put_file(out, pool, mw_pool_file_of_extension(pool, type, number)) : MW_ENOMEM;
}

/* Answers from the generation in force, even if the stream began in an earlier one. */
static int put_answer(struct mw_buf *out, const struct mw_route *route, const ProtobufCMessage *request,
                      struct mw_arena *arena) {
  const struct mw_router *router = ((const struct mw_reflection *)route->arg)->dispatch->router;
  const struct mw_pool *pool = router->pool;
  const struct mw_message_type *type = route->method->input;
  const struct mw_field *any = mw_field_by_number(type, LIST_SERVICES);
  uint32_t number = *mw_field_case(request, any);
  if (number == LIST_SERVICES) return put_services(out, router);
  if (number == 0) return put_error(out, MW_CODE_INVALID_ARGUMENT, "the request asks nothing");
  const struct mw_field *field = mw_field_by_number(type, number);
  if (number == FILE_CONTAINING_EXTENSION) return put_extension_file(out, pool, field, request, arena);
  const char *text = text_of(request, type, number, arena);
  if (!text) return MW_ENOMEM;
  if (number == FILE_BY_FILENAME) return put_file(out, pool, text);
  if (number == FILE_CONTAINING_SYMBOL) return put_file(out, pool, mw_pool_file_of_symbol(pool, text));
  return put_extension_numbers(out, pool, text);
}

/* ---- the call ---- */

struct stream {
  struct mw_list link;
  struct mw_call *call;
};

static void end(struct mw_call *call, struct mw_status status) {
  struct stream *stream = call->state;
  if (stream) mw_list_remove(&stream->link);
  mw_call_finish(call, &status);
}

static void finish(struct mw_call *call, enum mw_code code, const char *text) { end(call, mw_status(code, text)); }

static int respond(struct mw_call *call, struct mw_slice bytes, struct mw_arena *arena, struct mw_buf *out,
                   struct mw_err *err) {
  const struct mw_message_type *type = call->route->method->input;
  ProtobufCMessage *request;
  int rc = mw_message_unpack(type, bytes, arena, &request, err);
  if (rc != 0) return rc;
  const ProtobufCBinaryData *host = mw_field_value(request, mw_field_by_number(type, 1));
  rc = mw_wire_put_bytes(out, VALID_HOST, mw_slice(host->data, host->len));
  if (rc == 0) rc = mw_wire_put_bytes(out, ORIGINAL_REQUEST, bytes);
  if (rc == 0) rc = put_answer(out, call->route, request, arena);
  return rc;
}

static void on_start(struct mw_call *call) {
  struct mw_reflection *reflection = call->route->arg;
  struct stream *stream = mw_arena_alloc(&call->arena, sizeof *stream);
  if (reflection->stopped) {
    end(call, mw_status_shutting_down());
  } else if (!stream) {
    finish(call, MW_CODE_RESOURCE_EXHAUSTED, "out of memory");
  } else {
    stream->call = call;
    mw_list_push(&reflection->streams, &stream->link);
    call->state = stream;
    mw_call_read(call);
  }
}

/* Answers one request. Reads the next one once the send backlog has room. */
static void on_message(struct mw_call *call, struct mw_slice bytes) {
  struct mw_arena arena;
  struct mw_buf response = MW_BUF_INIT;
  struct mw_err err = MW_ERR_INIT;
  mw_arena_init(&arena, 1 << 20);
  int rc = respond(call, bytes, &arena, &response, &err);
  uint8_t *out = rc == 0 ? mw_call_reserve(call, response.len) : NULL;
  if (out) {
    memcpy(out, response.data, response.len);
    if (mw_call_send(call, 0)) mw_call_read(call);
  } else {
    finish(call, rc == 0 ? MW_CODE_RESOURCE_EXHAUSTED : mw_code_of_error(rc), mw_err_text(&err));
  }
  mw_err_fini(&err);
  mw_buf_fini(&response);
  mw_arena_fini(&arena);
}

static void on_end(struct mw_call *call) { finish(call, MW_CODE_OK, ""); }

static void on_writable(struct mw_call *call) { mw_call_read(call); }

static void on_cancelled(struct mw_call *call, struct mw_status status) { end(call, status); }

const struct mw_handler mw_reflection_handler = {on_start, on_message, on_end, on_writable, on_cancelled, NULL};

void mw_reflection_init(struct mw_reflection *reflection, const struct mw_dispatch *dispatch) {
  *reflection = (struct mw_reflection){.dispatch = dispatch};
  mw_list_init(&reflection->streams);
}

int mw_reflection_route(struct mw_reflection *reflection, struct mw_router *router, const struct mw_pool *pool) {
  static const char *const paths[] = {"/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
                                      "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo"};
  int rc = 0;
  for (size_t i = 0; i < sizeof paths / sizeof *paths && rc == 0; i++) {
    rc = mw_router_add(router, mw_pool_method(pool, mw_slice_str(paths[i])), &mw_reflection_handler, reflection);
  }
  return rc;
}

void mw_reflection_stop(struct mw_reflection *reflection) {
  reflection->stopped = true;
  struct mw_list *node;
  while ((node = mw_list_shift(&reflection->streams)) != NULL) {
    end(MW_CONTAINER(node, struct stream, link)->call, mw_status_shutting_down());
  }
}
