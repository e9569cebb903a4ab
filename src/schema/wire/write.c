#include "schema/wire/write.h"

#include "schema/wire/wire.h"

int mw_wire_put_varint(struct mw_buf *out, uint64_t value) {
  uint8_t bytes[MW_WIRE_VARINT_MAX];
  return mw_buf_append(out, bytes, (size_t)(mw_wire_write_varint(bytes, value) - bytes));
}

int mw_wire_put_tag(struct mw_buf *out, uint32_t field, unsigned wire) {
  return mw_wire_put_varint(out, (uint64_t)field << 3 | wire);
}

int mw_wire_put_number(struct mw_buf *out, uint32_t field, uint64_t value) {
  int rc = mw_wire_put_tag(out, field, MW_WIRE_VARINT);
  return rc == 0 ? mw_wire_put_varint(out, value) : rc;
}

int mw_wire_put_bytes(struct mw_buf *out, uint32_t field, struct mw_slice bytes) {
  int rc = mw_wire_put_tag(out, field, MW_WIRE_LEN);
  if (rc == 0) rc = mw_wire_put_varint(out, bytes.len);
  return rc == 0 ? mw_buf_append(out, bytes.data, bytes.len) : rc;
}
