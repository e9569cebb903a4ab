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
