#include "schema/wire/wire.h"

#include "schema/wire/message.h"

enum mw_wire_fault mw_wire_group(struct mw_wire_field *field, const uint8_t *end, unsigned levels) {
  uint32_t open[MW_MESSAGE_DEPTH];
  unsigned depth = 0;
  if (levels > MW_MESSAGE_DEPTH) levels = MW_MESSAGE_DEPTH;
  if (levels == 0) return MW_WIRE_TOO_DEEP;
  open[depth++] = field->number;
  for (const uint8_t *at = field->body; depth > 0;) {
    if (at == end) return MW_WIRE_TRUNCATED;
    struct mw_wire_field inner;
    enum mw_wire_fault fault = mw_wire_read(at, end, MW_WIRE_NUMBER_MAX, &inner);
    if (fault != MW_WIRE_OK) return fault;
    at = inner.end;
    if (inner.wire == MW_WIRE_START_GROUP) {
      if (depth == levels) return MW_WIRE_TOO_DEEP;
      open[depth++] = inner.number;
    } else if (inner.wire == MW_WIRE_END_GROUP && open[--depth] != inner.number) {
      return MW_WIRE_UNBALANCED;
    }
    field->end = at;
  }
  return MW_WIRE_OK;
}

ProtobufCMessageUnknownField mw_wire_unknown_field(struct mw_slice fields) {
  uint64_t tag = 0;
  const uint8_t *end = fields.data + fields.len;
  const uint8_t *body = mw_wire_varint(fields.data, end, MW_WIRE_TAG_MAX, &tag);
  return (ProtobufCMessageUnknownField){.tag = (uint32_t)(tag >> 3),
                                        .wire_type = (ProtobufCWireType)(tag & 7),
                                        .len = (size_t)(end - body),
                                        .data = (uint8_t *)(uintptr_t)body};
}
