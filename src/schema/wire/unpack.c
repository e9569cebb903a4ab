/* Guards protobuf-c, which trusts its input. Only this file calls protobuf_c_message_unpack() on bytes from outside,
 * and only with bytes that mw_scan() has found plain and affordable, unchanged or after mw_normalise(). */
#include <string.h>

#include "schema/wire/arena_allocator.h"
#include "schema/wire/message.h"
#include "schema/wire/normalise.h"
#include "schema/wire/scan.h"
#include "schema/wire/wire.h"

static int check_cost(const struct mw_message_type *type, size_t cost, const struct mw_arena *arena,
                      struct mw_err *err) {
  size_t left = arena->budget - arena->used;
  if (cost <= left) return 0;
  return mw_err_set(err, MW_ELIMIT, "%s: needs %zu bytes of memory, but %zu of the call's %zu bytes remain",
                    type->full_name, cost, left, arena->budget);
}

static int unpack_plain(const struct mw_message_type *type, struct mw_slice bytes, struct mw_arena *arena,
                        ProtobufCMessage **out, struct mw_err *err) {
  struct mw_arena_allocator allocator;
  mw_arena_allocator_init(&allocator, arena);
  ProtobufCMessage *message = protobuf_c_message_unpack(type->desc, &allocator.base, bytes.len, bytes.data);
  if (message) {
    *out = message;
    return 0;
  }
  if (!allocator.failed) return mw_err_set(err, MW_EFORMAT, "%s: protobuf-c cannot unpack it", type->full_name);
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

/* ---- views ---- */

enum { LONG = 4096 }; /* smallest message, in bytes, for which a view pays */

/* Finds a singular string or bytes field of the message itself that has at least half of its bytes. Returns NULL if
 * there is none, or if a later field overrides it. */
static const struct mw_field *find_large(const struct mw_message_type *type, struct mw_slice bytes,
                                         struct mw_wire_field *large) {
  const uint8_t *at = bytes.data, *end = at + bytes.len;
  size_t half = bytes.len / 2;
  if (bytes.len < LONG) return NULL;
  do {
    if ((size_t)(end - at) < half || mw_wire_next(at, end, MW_WIRE_NUMBER_MAX, 0, large) != MW_WIRE_OK) return NULL;
    at = large->end;
  } while ((size_t)(large->end - large->value) < half);
  const struct mw_field *field = mw_field_by_number(type, large->number);
  if (!field || field->repeated || (field->kind != MW_KIND_STRING && field->kind != MW_KIND_BYTES)) return NULL;
  struct mw_wire_field f;
  for (; at < end; at = f.end) {
    if (mw_wire_next(at, end, MW_WIRE_NUMBER_MAX, 0, &f) != MW_WIRE_OK) return NULL;
    const struct mw_field *other = mw_field_by_number(type, f.number);
    if (other == field || (other && other->oneof && other->oneof == field->oneof)) return NULL;
  }
  return field;
}

/* Unpacks the message as if the large field were empty, then points the field at its bytes. */
static int unpack_around(const struct mw_message_type *type, struct mw_slice bytes, const struct mw_field *field,
                         const struct mw_wire_field *large, struct mw_arena *arena, ProtobufCMessage **out,
                         struct mw_err *err) {
  size_t before = (size_t)(large->body - bytes.data), after = (size_t)(bytes.data + bytes.len - large->end);
  uint8_t *rest = mw_arena_alloc(arena, before + 1 + after);
  if (!rest) return mw_err_set(err, MW_ENOMEM, "%s: no memory to unpack %zu bytes", type->full_name, bytes.len);
  memcpy(rest, bytes.data, before);
  rest[before] = 0; /* the length */
  if (after > 0) memcpy(rest + before + 1, large->end, after);
  int code = unpack_plain(type, mw_slice(rest, before + 1 + after), arena, out, err);
  if (code != 0) return code;
  ProtobufCBinaryData *data = mw_field_value(*out, field);
  data->data = (uint8_t *)(uintptr_t)large->value;
  data->len = (size_t)(large->end - large->value);
  return 0;
}

/* ---- entry points ---- */

static int unpack(const struct mw_message_type *type, struct mw_slice bytes, bool view, struct mw_arena *arena,
                  ProtobufCMessage **out, struct mw_err *err) {
  struct mw_scan scan;
  struct mw_wire_field large;
  ProtobufCMessage *message = NULL;
  int code = mw_scan(type, bytes, MW_WIRE_NUMBER_MAX, &scan, err);
  if (code != 0) return code;
  if (scan.plain) {
    code = check_cost(type, scan.cost, arena, err);
    const struct mw_field *field = code == 0 && view ? find_large(type, bytes, &large) : NULL;
    if (field) {
      code = unpack_around(type, bytes, field, &large, arena, &message, err);
    } else if (code == 0) {
      code = unpack_plain(type, bytes, arena, &message, err);
    }
  } else {
    code = unpack_normalised(type, bytes, arena, &message, err);
  }
  if (code == 0 && type->has_required) code = mw_message_check_required(type, message, err);
  if (code == 0) *out = message;
  return code;
}

int mw_message_unpack(const struct mw_message_type *type, struct mw_slice bytes, struct mw_arena *arena,
                      ProtobufCMessage **out, struct mw_err *err) {
  return unpack(type, bytes, false, arena, out, err);
}

int mw_message_view(const struct mw_message_type *type, struct mw_slice bytes, struct mw_arena *arena,
                    ProtobufCMessage **out, struct mw_err *err) {
  return unpack(type, bytes, true, arena, out, err);
}
