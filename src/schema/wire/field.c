#include "schema/wire/field.h"

#include <string.h>

#include "schema/wire/message.h"

/* ---- values ---- */

static uint64_t fixed(const uint8_t *at, unsigned size) {
  uint64_t number = 0;
  for (unsigned i = 0; i < size; i++) number |= (uint64_t)at[i] << (8 * i);
  return number;
}

static int64_t unzigzag(uint64_t number) { return (int64_t)(number >> 1) ^ -(int64_t)(number & 1); }

static void put32(void *slot, uint32_t bits) { memcpy(slot, &bits, sizeof bits); }
static void put64(void *slot, uint64_t bits) { memcpy(slot, &bits, sizeof bits); }

void mw_wire_decode(enum mw_kind kind, const struct mw_wire_field *f, void *slot) {
  switch (kind) {
    case MW_KIND_STRING:
    case MW_KIND_BYTES:
      *(ProtobufCBinaryData *)slot = (ProtobufCBinaryData){(size_t)(f->end - f->value), (uint8_t *)(uintptr_t)f->value};
      return;
    case MW_KIND_DOUBLE:
    case MW_KIND_FIXED64:
    case MW_KIND_SFIXED64: put64(slot, fixed(f->value, 8)); return;
    case MW_KIND_FLOAT:
    case MW_KIND_FIXED32:
    case MW_KIND_SFIXED32: put32(slot, (uint32_t)fixed(f->value, 4)); return;
    case MW_KIND_INT64:
    case MW_KIND_UINT64: put64(slot, f->varint); return;
    case MW_KIND_SINT64: put64(slot, (uint64_t)unzigzag(f->varint)); return;
    case MW_KIND_INT32:
    case MW_KIND_UINT32:
    case MW_KIND_ENUM: put32(slot, (uint32_t)f->varint); return;
    case MW_KIND_SINT32: put32(slot, (uint32_t)unzigzag((uint32_t)f->varint)); return;
    case MW_KIND_BOOL: *(protobuf_c_boolean *)slot = f->varint != 0; return;
    case MW_KIND_MESSAGE: return;
  }
}

/* ---- fields ---- */

enum effect { NONE, SETS, CLEARS };

/* The effect of an encoded field on the singular `field`. */
static enum effect effect_of(const struct mw_message_type *type, const struct mw_field *field,
                             const struct mw_wire_field *f) {
  if (f->number == field->number) return mw_wire_sets(field, f) ? SETS : NONE;
  if (!field->oneof) return NONE;
  const struct mw_field *other = mw_field_by_number(type, f->number);
  return other && other->oneof == field->oneof && mw_wire_sets(other, f) ? CLEARS : NONE;
}

bool mw_wire_find(const struct mw_message_type *type, const struct mw_field *field, struct mw_slice bytes,
                  struct mw_wire_field *out) {
  bool found = false;
  struct mw_wire_field f;
  while (mw_wire_take(&bytes, MW_MESSAGE_DEPTH, &f)) {
    enum effect effect = effect_of(type, field, &f);
    if (effect == SETS) *out = f;
    if (effect != NONE) found = effect == SETS;
  }
  return found;
}

struct mw_wire_parts mw_wire_find_message(const struct mw_message_type *type, const struct mw_field *field,
                                          struct mw_slice bytes) {
  struct mw_wire_parts parts = {.count = 0};
  for (struct mw_slice before = bytes;; before = bytes) {
    struct mw_wire_field f;
    if (!mw_wire_take(&bytes, MW_MESSAGE_DEPTH, &f)) return parts;
    enum effect effect = effect_of(type, field, &f);
    if (effect == CLEARS) parts = (struct mw_wire_parts){.count = 0};
    if (effect != SETS) continue;
    if (parts.count++ == 0) parts.rest = before;
    parts.last = mw_wire_value(&f);
    parts.size += parts.last.len;
  }
}

void mw_wire_join(const struct mw_wire_parts *parts, const struct mw_field *field, uint8_t *out) {
  struct mw_slice bytes = parts->rest;
  struct mw_wire_field f;
  while (mw_wire_take(&bytes, MW_MESSAGE_DEPTH, &f)) {
    if (f.number != field->number || !mw_wire_sets(field, &f)) continue;
    struct mw_slice part = mw_wire_value(&f);
    if (part.len > 0) memcpy(out, part.data, part.len);
    out += part.len;
  }
}

const struct mw_field *mw_wire_set_member(const struct mw_message_type *type, const struct mw_oneof *oneof,
                                          struct mw_slice bytes) {
  const struct mw_field *set = NULL;
  struct mw_wire_field f;
  while (mw_wire_take(&bytes, MW_MESSAGE_DEPTH, &f)) {
    const struct mw_field *field = mw_field_by_number(type, f.number);
    if (field && field->oneof == oneof && mw_wire_sets(field, &f)) set = field;
  }
  return set;
}
