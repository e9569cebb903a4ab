/* The wire format's building blocks: varints, and fields in and out. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "schema/wire/wire.h"
#include "schema/wire/write.h"

static void assert_varint(uint64_t value, size_t len) {
  uint8_t bytes[MW_WIRE_VARINT_MAX];
  uint64_t read = ~value;
  const uint8_t *end = mw_wire_write_varint(bytes, value);
  assert_int_equal(end - bytes, len);
  assert_ptr_equal(mw_wire_varint(bytes, end, MW_WIRE_VARINT_MAX, &read), end);
  assert_true(read == value);
  assert_null(mw_wire_varint(bytes, end - 1, MW_WIRE_VARINT_MAX, &read)); /* cut off */
  assert_null(mw_wire_varint(bytes, end, (unsigned)len - 1, &read));      /* too long */
}

static void varints_come_back(void **state) {
  assert_varint(0, 1);
  assert_varint(127, 1);
  assert_varint(128, 2);
  assert_varint(16383, 2);
  assert_varint(16384, 3);
  assert_varint(UINT32_MAX, 5);
  assert_varint((uint64_t)1 << 63, 10);
  assert_varint(UINT64_MAX, 10);
}

static void padding_is_read(void **state) {
  static const uint8_t padded[] = {0x81, 0x80, 0x80, 0x80, 0x00};
  uint64_t value = 0;
  assert_ptr_equal(mw_wire_varint(padded, padded + sizeof padded, MW_WIRE_TAG_MAX, &value), padded + sizeof padded);
  assert_int_equal(value, 1);
}

static void fields_come_back(void **state) {
  struct mw_buf out = MW_BUF_INIT;
  struct mw_wire_field field;
  assert_int_equal(mw_wire_put_number(&out, 1, 300), 0);
  assert_int_equal(mw_wire_put_bytes(&out, MW_WIRE_NUMBER_MAX, mw_slice_str("text")), 0);
  struct mw_slice rest = mw_buf_slice(&out);
  assert_true(mw_wire_take(&rest, 0, &field));
  assert_int_equal(field.number, 1);
  assert_int_equal(field.varint, 300);
  struct mw_slice second = rest;
  assert_true(mw_wire_take(&rest, 0, &field));
  assert_int_equal(field.number, MW_WIRE_NUMBER_MAX);
  assert_true(mw_slice_eq_str(mw_wire_value(&field), "text"));
  assert_false(mw_wire_take(&rest, 0, &field));
  assert_int_equal(rest.len, 0);
  ProtobufCMessageUnknownField unknown = mw_wire_unknown_field(second);
  assert_int_equal(unknown.tag, MW_WIRE_NUMBER_MAX);
  assert_int_equal(unknown.wire_type, MW_WIRE_LEN);
  assert_int_equal(unknown.len, 5); /* length and text */
  mw_buf_fini(&out);
}

static void a_malformed_field_stays(void **state) {
  static const uint8_t bytes[] = {0x08, 0x01, 0x12, 0x05, 'a'}, group[] = {0x0b, 0x0c};
  struct mw_slice rest = mw_slice(bytes, sizeof bytes);
  struct mw_wire_field field;
  assert_true(mw_wire_take(&rest, 0, &field));
  assert_false(mw_wire_take(&rest, 0, &field));
  assert_int_equal(rest.len, 3);
  rest = mw_slice(group, sizeof group);
  assert_false(mw_wire_take(&rest, 0, &field)); /* deeper than `levels` */
  assert_true(mw_wire_take(&rest, 1, &field));
  assert_int_equal(rest.len, 0);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(varints_come_back),
      cmocka_unit_test(padding_is_read),
      cmocka_unit_test(fields_come_back),
      cmocka_unit_test(a_malformed_field_stays),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
