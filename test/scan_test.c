/* The scan: errors, the decision for the normaliser, and the estimate of memory. */
#include "codec_support.h"

#include "schema/wire/normalise.h"
#include "schema/wire/scan.h"

static int scan_hex(const struct mw_message_type *type, const char *hex, struct mw_scan *scan, struct mw_err *err) {
  struct mw_buf bytes = MW_BUF_INIT;
  put_hex(&bytes, hex);
  int code = mw_scan(type, mw_buf_slice(&bytes), MW_WIRE_NUMBER_MAX, scan, err);
  mw_buf_fini(&bytes);
  return code;
}

static void assert_refused(const char *type, const char *hex, const char *text) {
  struct mw_err err = MW_ERR_INIT;
  struct mw_scan scan = {77, true};
  assert_int_equal(scan_hex(codec_type(every, type), hex, &scan, &err), MW_EFORMAT);
  assert_string_equal(mw_err_text(&err), text);
  assert_int_equal(scan.cost, 77); /* the output is untouched */
  mw_err_fini(&err);
}

static void assert_plain(const struct mw_pool *pool, const char *type, const char *hex, bool plain) {
  struct mw_err err = MW_ERR_INIT;
  struct mw_scan scan;
  if (scan_hex(codec_type(pool, type), hex, &scan, &err) != 0) fail_msg("%s: %s", hex, mw_err_text(&err));
  if (scan.plain != plain) fail_msg("%s of %s is taken for %s", hex, type, plain ? "special" : "plain");
}

#define TRUNCATED "truncated: it extends past the end of its message"
#define OVERLONG "a varint of more than 10 bytes, or of more than 5 in a tag or a length"
#define BAD_NUMBER "a field number outside 1 to 536870911"

static void refuses_bad_tags(void **state) {
  assert_refused("every.Leaf", "00", "every.Leaf: " BAD_NUMBER);
  assert_refused("every.Leaf", "07", "every.Leaf: " BAD_NUMBER);
  assert_refused("every.Leaf", "8000 05", "every.Leaf: " BAD_NUMBER); /* 0 in two bytes: protobuf-c accepts it */
  assert_refused("every.Empty", "8000 05", "every.Empty: " BAD_NUMBER);
  assert_refused("every.Leaf", "8080808010 05", "every.Leaf: " BAD_NUMBER); /* 2^29 */
  assert_refused("every.Leaf", "888080808000 05", "every.Leaf: " OVERLONG);
  assert_refused("every.Leaf", "88", "every.Leaf: " TRUNCATED);
  assert_refused("every.Leaf", "0e", "every.Leaf.x: wire type 6 or 7; there are 0 to 5");
  assert_refused("every.Leaf", "7f", "every.Leaf: field 15: wire type 6 or 7; there are 0 to 5");
}

static void refuses_truncation(void **state) {
  assert_refused("every.Leaf", "08", "every.Leaf.x: " TRUNCATED);
  assert_refused("every.Leaf", "0880", "every.Leaf.x: " TRUNCATED);
  assert_refused("every.Leaf", "12056162", "every.Leaf.s: " TRUNCATED);
  assert_refused("every.Leaf", "31 00000000000000", "every.Leaf.d: " TRUNCATED);
  assert_refused("every.Leaf", "7d 000000", "every.Leaf: field 15: " TRUNCATED);
  assert_refused("every.Leaf", "12ffffffff0f", "every.Leaf.s: " TRUNCATED);
  assert_refused("every.Leaf", "2202 0880", "every.Leaf.xs[0]: " TRUNCATED);
}

static void refuses_overlong_varints(void **state) {
  assert_refused("every.Leaf", "08 8080808080808080808000", "every.Leaf.x: " OVERLONG);
  assert_refused("every.Leaf", "12 808080808000", "every.Leaf.s: " OVERLONG);
  assert_refused("every.Leaf", "220b 8080808080808080808000", "every.Leaf.xs[0]: " OVERLONG);
}

static void refuses_bad_utf8(void **state) {
  assert_refused("every.Leaf", "1201ff", "every.Leaf.s: not valid UTF-8");
  assert_refused("every.Leaf", "1203eda080", "every.Leaf.s: not valid UTF-8"); /* a surrogate */
  assert_refused("every.Leaf", "1202c080", "every.Leaf.s: not valid UTF-8");   /* overlong */
  assert_refused("every.Every", "aa06030a01ff", "every.Every.m_string[0].key: not valid UTF-8");
  assert_plain(every, "every.Leaf", "1203 610062", true); /* NUL is allowed */
  struct mw_err err = MW_ERR_INIT;
  struct mw_scan scan;
  assert_int_equal(scan_hex(codec_type(legacy, "legacy.Legacy"), "1201ff", &scan, &err), MW_EFORMAT);
  assert_string_equal(mw_err_text(&err), "legacy.Legacy.text: not valid UTF-8"); /* proto2 as well */
  mw_err_fini(&err);
}

static void refuses_unbalanced_groups(void **state) {
  assert_refused("every.Leaf", "7c", "every.Leaf: field 15: the end of a group without its start");
  assert_refused("every.Leaf", "7b", "every.Leaf: field 15: " TRUNCATED);
  assert_refused("every.Leaf", "7b 74", "every.Leaf: field 15: the end of a group without its start");
  assert_refused("every.Leaf", "7b 73 7c 74", "every.Leaf: field 15: the end of a group without its start");
  assert_refused("every.Leaf", "0b 0e 0c", "every.Leaf.x: wire type 6 or 7; there are 0 to 5");
}

static void refuses_ragged_packed_values(void **state) {
  assert_refused("every.Every", "ca02 07 00000000000000",
                 "every.Every.r_double[0]: the length of packed 8-byte values is not a multiple of 8");
  assert_refused("every.Every", "d202 03 000000",
                 "every.Every.r_float[0]: the length of packed 4-byte values is not a multiple of 4");
}

static void names_the_element(void **state) {
  assert_refused("every.Leaf", "2a00 2a00 0805 2a04 1a02 1201", "every.Leaf.children[2].child.s: " TRUNCATED);
  assert_refused("every.Many", "0a00 0a05 9a03 02 1201", "every.Many.items[1].r_message[0].s: " TRUNCATED);
}

static void detects_messages_that_protobuf_c_misreads(void **state) {
  assert_plain(every, "every.Leaf", "", true);
  assert_plain(every, "every.Leaf", "0801 0802 120161 120162", true);
  assert_plain(every, "every.Leaf", "2003 220103 2001", true); /* packed and unpacked: protobuf-c accepts both */
  assert_plain(every, "every.Leaf", "7d00000000 7801", true);
  assert_plain(every, "every.Leaf", "0d00000000", false); /* wrong wire type */
  assert_plain(every, "every.Leaf", "0a0101", false);
  assert_plain(every, "every.Leaf", "7b7c", false);      /* group */
  assert_plain(every, "every.Leaf", "1a00 1a00", false); /* to be merged */
  assert_plain(every, "every.Leaf", "4200 4200", false); /* in a oneof */
  assert_plain(every, "every.Leaf", "2a00 2a00", true);
  assert_plain(every, "every.Leaf", "1a04 1a001a00", false);
  assert_plain(every, "every.Every", "41 0000000000000000", false); /* bool f_bool: protobuf-c ignores its wire type */
  assert_plain(every, "every.Every", "7063", true);                 /* open enum */
  assert_plain(legacy, "legacy.Legacy", "2001 2801 320101", true);
  assert_plain(legacy, "legacy.Legacy", "20f9ffffffffffffffff01", true); /* -7 */
  assert_plain(legacy, "legacy.Legacy", "2063", false);
  assert_plain(legacy, "legacy.Legacy", "2863", false);
  assert_plain(legacy, "legacy.Legacy", "32020163", false);
  assert_plain(legacy, "legacy.Legacy", "5a021063", false);
}

/* The numbers of Far.near and Far.far differ by 64. */
static void may_count_two_fields_as_one_but_never_one_as_two(void **state) {
  assert_plain(wide, "wide.Far", "0a00 8a0400", false);
  assert_plain(wide, "wide.Far", "0a00 1001", true);
}

static void put_nested(struct mw_buf *out, const char *open, size_t levels) {
  for (size_t i = 0; i < levels; i++) put_hex(out, open);
}

static int scan_nested_groups(size_t levels) {
  struct mw_buf bytes = MW_BUF_INIT;
  put_nested(&bytes, "7b", levels);
  put_nested(&bytes, "7c", levels);
  struct mw_scan scan;
  int code = mw_scan(codec_type(every, "every.Leaf"), mw_buf_slice(&bytes), MW_WIRE_NUMBER_MAX, &scan, NULL);
  mw_buf_fini(&bytes);
  return code;
}

static void bounds_groups(void **state) {
  assert_int_equal(scan_nested_groups(MW_MESSAGE_DEPTH), 0);
  assert_int_equal(scan_nested_groups(MW_MESSAGE_DEPTH + 1), MW_ELIMIT);
  assert_int_equal(scan_nested_groups(100000), MW_ELIMIT);
}

static void refuses_more_than_2_gib(void **state) {
  struct mw_scan scan;
  struct mw_slice huge = {(const uint8_t *)"", (size_t)INT32_MAX + 1};
  assert_int_equal(mw_scan(codec_type(every, "every.Leaf"), huge, MW_WIRE_NUMBER_MAX, &scan, NULL), MW_ELIMIT);
}

/* The cost must be the memory taken from the arena, except for at most `slack` bytes: arrays are rounded up. */
static void assert_cost(const struct mw_message_type *type, struct mw_slice bytes, size_t slack) {
  struct mw_scan scan;
  assert_int_equal(mw_scan(type, bytes, MW_WIRE_NUMBER_MAX, &scan, NULL), 0);
  assert_true(scan.plain);
  struct mw_arena arena;
  mw_arena_init(&arena, SIZE_MAX);
  ProtobufCMessage *message;
  assert_int_equal(mw_message_unpack(type, bytes, &arena, &message, NULL), 0);
  assert_in_range(arena.used, scan.cost, scan.cost + slack);
  mw_arena_fini(&arena);
}

static void assert_cost_of_many(const struct mw_pool *pool, const char *type, const char *hex, size_t times,
                                size_t slack) {
  struct mw_buf bytes = MW_BUF_INIT;
  put_nested(&bytes, hex, times);
  assert_cost(codec_type(pool, type), mw_buf_slice(&bytes), slack);
  mw_buf_fini(&bytes);
}

static void estimates_the_cost(void **state) {
  for (size_t n = 0; n < 400; n = n * 3 / 2 + 1) {
    assert_cost_of_many(wide, "wide.List", "0a00", n, 16);             /* empty messages */
    assert_cost_of_many(every, "every.Leaf", "7801", n, 0);            /* unknown fields */
    assert_cost_of_many(every, "every.Leaf", "7a03616263", n, 0);      /* unknown bytes */
    assert_cost_of_many(every, "every.Leaf", "2001", n, 16);           /* values one by one */
    assert_cost_of_many(every, "every.Leaf", "22050102038001", n, 16); /* packed varints */
    assert_cost_of_many(every, "every.Every", "820303010001", n, 16);  /* packed bools */
    assert_cost_of_many(every, "every.Every", "ca02080000000000000000", n, 16);
    assert_cost_of_many(every, "every.Leaf", "120161", n, 0);            /* a string, repeatedly */
    assert_cost_of_many(every, "every.Every", "8a0300 8a030161", n, 16); /* repeated strings */
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(refuses_bad_tags),
      cmocka_unit_test(refuses_truncation),
      cmocka_unit_test(refuses_overlong_varints),
      cmocka_unit_test(refuses_bad_utf8),
      cmocka_unit_test(refuses_unbalanced_groups),
      cmocka_unit_test(refuses_ragged_packed_values),
      cmocka_unit_test(names_the_element),
      cmocka_unit_test(detects_messages_that_protobuf_c_misreads),
      cmocka_unit_test(may_count_two_fields_as_one_but_never_one_as_two),
      cmocka_unit_test(bounds_groups),
      cmocka_unit_test(refuses_more_than_2_gib),
      cmocka_unit_test(estimates_the_cost),
  };
  return cmocka_run_group_tests(tests, codec_set_up, codec_tear_down);
}
