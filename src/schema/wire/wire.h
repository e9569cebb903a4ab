/* Reads the protobuf wire format one field at a time (protobuf.dev, "Encoding").
 *
 * Accepts the same input as the reference implementation: tags and lengths of up to five bytes and values of up to ten,
 * with padding allowed; field numbers 1 to 536870911; balanced groups. Pure; any thread. */
#ifndef MW_SCHEMA_WIRE_WIRE_H
#define MW_SCHEMA_WIRE_WIRE_H

#include "schema/type/type.h"
#include "schema/wire/varint.h"

enum mw_wire_type {
  MW_WIRE_VARINT = 0,
  MW_WIRE_I64 = 1,
  MW_WIRE_LEN = 2,
  MW_WIRE_START_GROUP = 3,
  MW_WIRE_END_GROUP = 4,
  MW_WIRE_I32 = 5
};

enum mw_wire_fault {
  MW_WIRE_OK,
  MW_WIRE_TRUNCATED,  /* a tag or a value extends past the end */
  MW_WIRE_OVERLONG,   /* a varint with too many bytes */
  MW_WIRE_BAD_NUMBER, /* field number 0, or above the greatest */
  MW_WIRE_BAD_TYPE,   /* wire type 6 or 7 */
  MW_WIRE_UNBALANCED, /* a group without its end, or an end without its group */
  MW_WIRE_TOO_DEEP    /* groups nested deeper than allowed */
};

enum { MW_WIRE_NUMBER_MAX = (1 << 29) - 1 }; /* greatest field number */

/* One encoded field. */
struct mw_wire_field {
  uint32_t number;      /* 0 if even the tag was unreadable */
  unsigned wire;        /* enum mw_wire_type */
  const uint8_t *body;  /* first byte after the tag */
  const uint8_t *value; /* first byte after the length of MW_WIRE_LEN; else `body` */
  const uint8_t *end;   /* end of the field; of a group, after its end tag */
  uint64_t varint;      /* the value of MW_WIRE_VARINT */
};

static inline enum mw_wire_fault mw_wire_varint_fault(const uint8_t *at, const uint8_t *end, unsigned max) {
  return (size_t)(end - at) < max ? MW_WIRE_TRUNCATED : MW_WIRE_OVERLONG;
}

/* Finds the end of a group. `field` holds its start; sets field->end. `levels` bounds the nesting of groups. */
enum mw_wire_fault mw_wire_group(struct mw_wire_field *field, const uint8_t *end, unsigned levels);

/* Reads tag and extent of the field at `at`, which is before `end`. A group's start or end tag counts as a field
 * without a value. */
static inline enum mw_wire_fault mw_wire_read(const uint8_t *at, const uint8_t *end, uint32_t last_number,
                                              struct mw_wire_field *field) {
  uint64_t tag, len;
  field->number = 0;
  const uint8_t *body = mw_wire_varint(at, end, MW_WIRE_TAG_MAX, &tag);
  if (!body) return mw_wire_varint_fault(at, end, MW_WIRE_TAG_MAX);
  uint32_t number = (uint32_t)(tag >> 3);
  if (number - 1 >= last_number) return MW_WIRE_BAD_NUMBER;
  field->number = number;
  field->wire = (unsigned)tag & 7;
  field->body = field->value = field->end = body;
  size_t left = (size_t)(end - body);
  switch (field->wire) {
    case MW_WIRE_VARINT:
      field->end = mw_wire_varint(body, end, MW_WIRE_VARINT_MAX, &field->varint);
      return field->end ? MW_WIRE_OK : mw_wire_varint_fault(body, end, MW_WIRE_VARINT_MAX);
    case MW_WIRE_LEN:
      field->value = mw_wire_varint(body, end, MW_WIRE_TAG_MAX, &len);
      if (!field->value) return mw_wire_varint_fault(body, end, MW_WIRE_TAG_MAX);
      if (len > (size_t)(end - field->value)) return MW_WIRE_TRUNCATED;
      field->end = field->value + len;
      return MW_WIRE_OK;
    case MW_WIRE_I64:
      if (left < 8) return MW_WIRE_TRUNCATED;
      field->end = body + 8;
      return MW_WIRE_OK;
    case MW_WIRE_I32:
      if (left < 4) return MW_WIRE_TRUNCATED;
      field->end = body + 4;
      return MW_WIRE_OK;
    case MW_WIRE_START_GROUP:
    case MW_WIRE_END_GROUP: return MW_WIRE_OK;
    default: return MW_WIRE_BAD_TYPE;
  }
}

/* Reads the field at `at`, which is before `end`. Accepts numbers up to `last_number` and groups nested up to `levels`
 * deep. On a fault only `field->number` is defined. */
static inline enum mw_wire_fault mw_wire_next(const uint8_t *at, const uint8_t *end, uint32_t last_number,
                                              unsigned levels, struct mw_wire_field *field) {
  enum mw_wire_fault fault = mw_wire_read(at, end, last_number, field);
  if (fault != MW_WIRE_OK) return fault;
  if (field->wire == MW_WIRE_START_GROUP) return mw_wire_group(field, end, levels);
  return field->wire == MW_WIRE_END_GROUP ? MW_WIRE_UNBALANCED : MW_WIRE_OK;
}

/* Takes the next field off `bytes`, with groups as for mw_wire_next(). False at the end of `bytes`, and for a malformed
 * field, which stays. */
static inline bool mw_wire_take(struct mw_slice *bytes, unsigned levels, struct mw_wire_field *field) {
  const uint8_t *end = bytes->data + bytes->len;
  if (bytes->len == 0 || mw_wire_next(bytes->data, end, MW_WIRE_NUMBER_MAX, levels, field) != MW_WIRE_OK) return false;
  *bytes = mw_slice(field->end, (size_t)(end - field->end));
  return true;
}

/* Returns the value of a field of MW_WIRE_LEN. */
static inline struct mw_slice mw_wire_value(const struct mw_wire_field *field) {
  return mw_slice(field->value, (size_t)(field->end - field->value));
}

/* Splits the tag off `fields`, at least one valid field: protobuf-c holds unknown fields so, and packs the rest
 * unchanged. Borrows `fields`. */
ProtobufCMessageUnknownField mw_wire_unknown_field(struct mw_slice fields);

/* Returns the wire type of one value of `kind`. */
static inline unsigned mw_wire_of_kind(enum mw_kind kind) {
  static const uint8_t wires[] = {
      [MW_KIND_DOUBLE] = MW_WIRE_I64,    [MW_KIND_FLOAT] = MW_WIRE_I32,    [MW_KIND_INT64] = MW_WIRE_VARINT,
      [MW_KIND_UINT64] = MW_WIRE_VARINT, [MW_KIND_INT32] = MW_WIRE_VARINT, [MW_KIND_FIXED64] = MW_WIRE_I64,
      [MW_KIND_FIXED32] = MW_WIRE_I32,   [MW_KIND_BOOL] = MW_WIRE_VARINT,  [MW_KIND_STRING] = MW_WIRE_LEN,
      [MW_KIND_MESSAGE] = MW_WIRE_LEN,   [MW_KIND_BYTES] = MW_WIRE_LEN,    [MW_KIND_UINT32] = MW_WIRE_VARINT,
      [MW_KIND_ENUM] = MW_WIRE_VARINT,   [MW_KIND_SFIXED32] = MW_WIRE_I32, [MW_KIND_SFIXED64] = MW_WIRE_I64,
      [MW_KIND_SINT32] = MW_WIRE_VARINT, [MW_KIND_SINT64] = MW_WIRE_VARINT};
  return wires[kind];
}

/* True if `field` may be encoded with wire type `wire`: its own, or packed. */
static inline bool mw_wire_fits(const struct mw_field *field, unsigned wire) {
  unsigned own = mw_wire_of_kind(field->kind);
  return wire == own || (wire == MW_WIRE_LEN && field->repeated);
}

/* True if `value` is unknown to a closed enum. */
static inline bool mw_wire_unknown_enum(const struct mw_enum_type *type, uint64_t value) {
  return type->closed && !protobuf_c_enum_descriptor_get_value(type->desc, (int32_t)(uint32_t)value);
}

#endif
