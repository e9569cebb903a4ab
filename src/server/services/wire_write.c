#include "server/services/wire_write.h"

#include "schema/wire/wire.h"

int mw_write_varint(struct mw_buf *out, uint64_t value) {
  int rc = 0;
  while (rc == 0 && value >= 0x80) {
    rc = mw_buf_putc(out, (char)(value | 0x80));
    value >>= 7;
  }
  return rc == 0 ? mw_buf_putc(out, (char)value) : rc;
}

int mw_write_number(struct mw_buf *out, uint32_t field, uint64_t value) {
  int rc = mw_write_varint(out, field << 3 | MW_WIRE_VARINT);
  return rc == 0 ? mw_write_varint(out, value) : rc;
}

int mw_write_head(struct mw_buf *out, uint32_t field, size_t len) {
  int rc = mw_write_varint(out, field << 3 | MW_WIRE_LEN);
  return rc == 0 ? mw_write_varint(out, len) : rc;
}

int mw_write_bytes(struct mw_buf *out, uint32_t field, struct mw_slice bytes) {
  int rc = mw_write_head(out, field, bytes.len);
  return rc == 0 ? mw_buf_append(out, bytes.data, bytes.len) : rc;
}
