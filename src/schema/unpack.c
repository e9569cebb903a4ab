/* protobuf-c trusts its input. This is the only place that calls protobuf_c_message_unpack() on bytes from outside, and
 * it hands over nothing that mw_scan() has not found plain and affordable, as it came or after mw_normalise(). */
#include "schema/message.h"
#include "schema/normalise.h"
#include "schema/scan.h"
#include "schema/wire.h"

struct allocator {
  ProtobufCAllocator base;
  struct mw_arena *arena;
  bool failed;
};

static void *allocate(void *data, size_t size) {
  struct allocator *allocator = data;
  void *piece = mw_arena_alloc(allocator->arena, size);
  if (!piece) allocator->failed = true;
  return piece;
}

/* protobuf-c calls it without asking whether it is there. */
static void release(void *data, void *piece) {
  (void)data;
  (void)piece;
}

static int check_cost(const struct mw_message_type *type, size_t cost, const struct mw_arena *arena,
                      struct mw_err *err) {
  size_t left = arena->budget - arena->used;
  if (cost <= left) return 0;
  return mw_err_set(err, MW_ELIMIT, "%s: takes %zu bytes of memory, %zu are left of the call's %zu", type->full_name,
                    cost, left, arena->budget);
}

static int unpack_plain(const struct mw_message_type *type, struct mw_slice bytes, struct mw_arena *arena,
                        ProtobufCMessage **out, struct mw_err *err) {
  struct allocator allocator = {{allocate, release, NULL}, arena, false};
  allocator.base.allocator_data = &allocator;
  ProtobufCMessage *message = protobuf_c_message_unpack(type->desc, &allocator.base, bytes.len, bytes.data);
  if (message) {
    *out = message;
    return 0;
  }
  if (!allocator.failed) return mw_err_set(err, MW_EFORMAT, "%s: refused by protobuf-c", type->full_name);
  if (mw_arena_over(arena)) {
    return mw_err_set(err, MW_ELIMIT, "%s: takes more memory than the call's %zu bytes", type->full_name,
                      arena->budget);
  }
  return mw_err_set(err, MW_ENOMEM, "%s: no memory to unpack %zu bytes", type->full_name, bytes.len);
}

static int unpack_normalised(const struct mw_message_type *type, struct mw_slice bytes, struct mw_arena *arena,
                             ProtobufCMessage **out, struct mw_err *err) {
  struct mw_buf plain = MW_BUF_INIT;
  struct mw_scan scan;
  ProtobufCMessage *message = NULL;
  int code = mw_normalise(type, bytes, arena->budget - arena->used, &plain, err);
  if (code == 0) code = mw_scan(type, mw_buf_slice(&plain), MW_CARRIER_NUMBER, &scan, err);
  if (code == 0) code = check_cost(type, scan.cost, arena, err);
  if (code == 0) code = unpack_plain(type, mw_buf_slice(&plain), arena, &message, err);
  mw_buf_fini(&plain);
  if (code != 0) return code;
  mw_normalise_restore(type, message);
  *out = message;
  return 0;
}

int mw_message_unpack(const struct mw_message_type *type, struct mw_slice bytes, struct mw_arena *arena,
                      ProtobufCMessage **out, struct mw_err *err) {
  struct mw_scan scan;
  ProtobufCMessage *message = NULL;
  int code = mw_scan(type, bytes, MW_WIRE_NUMBER_MAX, &scan, err);
  if (code != 0) return code;
  if (scan.plain) {
    code = check_cost(type, scan.cost, arena, err);
    if (code == 0) code = unpack_plain(type, bytes, arena, &message, err);
  } else {
    code = unpack_normalised(type, bytes, arena, &message, err);
  }
  if (code == 0 && type->has_required) code = mw_message_check_required(type, message, err);
  if (code == 0) *out = message;
  return code;
}
