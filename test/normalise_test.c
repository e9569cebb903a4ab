/* The normaliser: its output has the meaning of the input, is plain, and takes linear time and memory. */
#include "codec_support.h"

#include "schema/wire/normalise.h"
#include "schema/wire/scan.h"

static const struct mw_pool *pool_of(const char *type) { return strncmp(type, "every.", 6) == 0 ? every : legacy; }

static void put_times(struct mw_buf *out, const char *hex, size_t times) {
  for (size_t i = 0; i < times; i++) put_hex(out, hex);
}

/* Unpacks and packs `bytes`, and decodes the result by protoc. */
static void decode_repacked(const char *type_name, struct mw_slice bytes, struct mw_buf *text) {
  const struct mw_message_type *type = codec_type(pool_of(type_name), type_name);
  struct mw_buf packed = MW_BUF_INIT;
  struct mw_err err = MW_ERR_INIT;
  if (repack(type, bytes, &packed, &err) != 0) fail_msg("%s", mw_err_text(&err));
  assert_int_equal(protoc("decode", type_name, mw_buf_slice(&packed), text), 0);
  mw_buf_fini(&packed);
}

/* Asserts that the bytes need the normaliser, are plain after it, and that protoc decodes them as `text` before and
 * after. */
static void assert_means(const char *type_name, const char *hex, const char *text) {
  const struct mw_message_type *type = codec_type(pool_of(type_name), type_name);
  struct mw_buf bytes = MW_BUF_INIT, plain = MW_BUF_INIT, theirs = MW_BUF_INIT, ours = MW_BUF_INIT;
  struct mw_scan scan;
  put_hex(&bytes, hex);
  assert_int_equal(mw_scan(type, mw_buf_slice(&bytes), MW_WIRE_NUMBER_MAX, &scan, NULL), 0);
  assert_false(scan.plain);
  assert_int_equal(mw_normalise(type, mw_buf_slice(&bytes), SIZE_MAX, &plain, NULL), 0);
  assert_int_equal(mw_scan(type, mw_buf_slice(&plain), MW_CARRIER_NUMBER, &scan, NULL), 0);
  assert_true(scan.plain);

  assert_int_equal(protoc("decode", type_name, mw_buf_slice(&bytes), &theirs), 0);
  assert_string_equal(mw_buf_str(&theirs), text);
  decode_repacked(type_name, mw_buf_slice(&bytes), &ours);
  assert_string_equal(mw_buf_str(&ours), text);
  mw_buf_fini(&bytes);
  mw_buf_fini(&plain);
  mw_buf_fini(&theirs);
  mw_buf_fini(&ours);
}

static void merges_submessages(void **state) {
  assert_means("every.Leaf", "1a02 0801 1a03 120161", "child {\n  x: 1\n  s: \"a\"\n}\n");
  assert_means("every.Leaf", "1a02 0801 0805 1a02 0802", "x: 5\nchild {\n  x: 2\n}\n");
  assert_means("every.Leaf", "1a02 2001 1a02 2002 1a0422020304", "child {\n  xs: 1\n  xs: 2\n  xs: 3\n  xs: 4\n}\n");
  assert_means("every.Leaf", "1a00 1a00", "child {\n}\n");
}

static void merges_at_every_depth(void **state) {
  assert_means("every.Leaf", "1a04 1a02 0801 1a05 1a03 120161", "child {\n  child {\n    x: 1\n    s: \"a\"\n  }\n}\n");
  assert_means("every.Leaf", "2a08 1a02 0801 1a02 2007", "children {\n  child {\n    x: 1\n    xs: 7\n  }\n}\n");
}

static void merges_in_a_oneof_until_another_member_comes(void **state) {
  assert_means("every.Leaf", "4202 0801 4202 2007", "leaf {\n  x: 1\n  xs: 7\n}\n");
  assert_means("every.Leaf", "4202 0801 3805 4202 2007", "leaf {\n  xs: 7\n}\n");
  assert_means("every.Leaf", "4202 0801 4202 2007 3805", "number: 5\n");
  assert_means("every.Every", "da0502 0801 fa0500 da0500", "c_message {\n}\n");
  assert_means("every.Every", "da0502 0801 da0500 fa0502 0802", "c_other {\n  x: 2\n}\n");
  /* A value of a wrong wire type does not set the oneof. */
  assert_means("every.Leaf", "4202 0801 3d00000000", "leaf {\n  x: 1\n}\n7: 0x00000000\n");
}

/* protobuf-c refuses to merge two messages in which the same oneof is unset. */
static void merges_messages_with_unset_oneofs(void **state) {
  assert_means("every.Every", "5a00 5a02 0801", "f_message {\n  x: 1\n}\n");
}

static void keeps_wrong_wire_types(void **state) {
  assert_means("every.Leaf", "0d01000000", "1: 0x00000001\n");
  assert_means("every.Leaf", "0a0161 0801", "x: 1\n1: \"a\"\n");
  assert_means("every.Leaf", "1005 1801 2800", "2: 5\n3: 1\n5: 0\n");
  assert_means("every.Leaf", "1a05 0d01000000", "child {\n  1: 0x00000001\n}\n");
  assert_means("every.Every", "41 0100000000000000", "8: 0x0000000000000001\n"); /* bool: wire type unchecked */
  assert_means("every.Every", "420101 4801", "8: \"\\001\"\n9: 1\n");
}

static void keeps_groups(void **state) {
  assert_means("every.Leaf", "7b 0805 7c", "15 {\n  1: 5\n}\n");
  assert_means("every.Leaf", "0b 13 7a0161 14 0c 0801", "x: 1\n1 {\n  2 {\n    15: \"a\"\n  }\n}\n");
  assert_means("legacy.Legacy", "3b 0805 3c 43 0806 44 43 44",
               "Grouped {\n  inside: 5\n}\nGroups {\n  inside: 6\n}\nGroups {\n}\n");
}

static void keeps_values_unknown_to_closed_enums(void **state) {
  assert_means("legacy.Legacy", "2063", "4: 99\n");
  assert_means("legacy.Legacy", "2002 2063", "closed: TWO\n4: 99\n");
  assert_means("legacy.Legacy", "2801 2863 2802", "unpacked: ONE\nunpacked: TWO\n5: 99\n");
  assert_means("legacy.Legacy", "3203 016302 3001", "packed: ONE\npacked: TWO\npacked: ONE\n6: 99\n");
  assert_means("legacy.Legacy", "6002 6063", "pick: TWO\n12: 99\n");
}

static void assert_entries(const char *hex, size_t entries, unsigned unknown) {
  struct mw_buf bytes = MW_BUF_INIT, once = MW_BUF_INIT, twice = MW_BUF_INIT;
  put_hex(&bytes, hex);
  const struct mw_message_type *type = codec_type(legacy, "legacy.Legacy");
  struct mw_arena arena;
  mw_arena_init(&arena, SIZE_MAX);
  ProtobufCMessage *message;
  assert_int_equal(mw_message_unpack(type, mw_buf_slice(&bytes), &arena, &message, NULL), 0);
  const struct mw_field *map = mw_field_by_number(type, 11);
  assert_int_equal(*mw_field_count(message, map), entries);
  assert_int_equal(message->n_unknown_fields, unknown);
  for (unsigned i = 0; i < unknown; i++) {
    assert_int_equal(message->unknown_fields[i].tag, 11);
    assert_int_equal(message->unknown_fields[i].wire_type, PROTOBUF_C_WIRE_TYPE_LENGTH_PREFIXED);
  }
  pack(message, &once);
  assert_int_equal(repack(type, mw_buf_slice(&once), &twice, NULL), 0);
  assert_true(mw_slice_eq(mw_buf_slice(&once), mw_buf_slice(&twice)));
  mw_arena_fini(&arena);
  mw_buf_fini(&bytes);
  mw_buf_fini(&once);
  mw_buf_fini(&twice);
}

/* protoc is no oracle here: it decodes without generated code, and leaves such an entry in the map. */
static void keeps_map_entries_with_unknown_values_whole(void **state) {
  assert_entries("5a05 0a0161 1063", 0, 1);
  assert_entries("5a05 0a0161 1063 5a05 0a0162 1001 5a02 1062", 1, 2);
}

/* A value that a later one has replaced must not be packed after the later one. */
static void drops_replaced_values_of_map_entries(void **state) {
  assert_entries("5a07 0a0163 1063 1001", 1, 0);
  assert_entries("5a07 0a0163 1001 1063", 0, 1);
}

/* A field of the input must not be taken for a carrier: a carrier's number is refused. */
static void admits_no_carrier_from_outside(void **state) {
  struct mw_scan scan;
  struct mw_buf bytes = MW_BUF_INIT;
  put_hex(&bytes, "8280808010 02 0801");
  assert_int_equal(mw_scan(codec_type(every, "every.Leaf"), mw_buf_slice(&bytes), MW_WIRE_NUMBER_MAX, &scan, NULL),
                   MW_EFORMAT);
  assert_int_equal(mw_scan(codec_type(every, "every.Leaf"), mw_buf_slice(&bytes), MW_CARRIER_NUMBER, &scan, NULL), 0);
  mw_buf_fini(&bytes);
}

/* Asserts that the output for `times` copies has at most `most` bytes. */
static void assert_linear(const char *hex, size_t times, size_t most) {
  struct mw_buf bytes = MW_BUF_INIT, plain = MW_BUF_INIT;
  put_times(&bytes, hex, times);
  assert_int_equal(mw_normalise(codec_type(every, "every.Leaf"), mw_buf_slice(&bytes), 1 << 24, &plain, NULL), 0);
  assert_true(plain.len <= most);
  mw_buf_fini(&bytes);
  mw_buf_fini(&plain);
}

static void is_linear(void **state) {
  assert_linear("1a02 2001", 1 << 18, (2 << 18) + 100);
  assert_linear("1a06 1a04 1a02 2001", 1 << 18, (2 << 18) + 100);
  assert_linear("1a04 1a00 1a00", 1 << 18, 100);
}

/* Each element counts with the size of its message, which has many fields, so that the budget is exceeded. */
static void ends_at_the_budget(void **state) {
  struct mw_buf bytes = MW_BUF_INIT, plain = MW_BUF_INIT;
  put_hex(&bytes, "1200 1200");
  put_times(&bytes, "0a00", 1 << 18);
  struct mw_err err = MW_ERR_INIT;
  assert_int_equal(mw_normalise(codec_type(wide, "wide.List"), mw_buf_slice(&bytes), 1 << 20, &plain, &err), MW_ELIMIT);
  assert_string_equal(mw_err_text(&err), "wide.List: takes more memory than the 1048576 bytes that remain");
  assert_true(plain.len < 1 << 14);

  mw_buf_clear(&bytes);
  put_times(&bytes, "1a00", 1 << 18); /* no output, but much memory until the end */
  const struct mw_message_type *leaf = codec_type(every, "every.Leaf");
  assert_int_equal(mw_normalise(leaf, mw_buf_slice(&bytes), 1 << 20, &plain, &err), MW_ELIMIT);
  mw_err_fini(&err);
  mw_buf_fini(&bytes);
  mw_buf_fini(&plain);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(merges_submessages),
      cmocka_unit_test(merges_at_every_depth),
      cmocka_unit_test(merges_in_a_oneof_until_another_member_comes),
      cmocka_unit_test(merges_messages_with_unset_oneofs),
      cmocka_unit_test(keeps_wrong_wire_types),
      cmocka_unit_test(keeps_groups),
      cmocka_unit_test(keeps_values_unknown_to_closed_enums),
      cmocka_unit_test(keeps_map_entries_with_unknown_values_whole),
      cmocka_unit_test(drops_replaced_values_of_map_entries),
      cmocka_unit_test(admits_no_carrier_from_outside),
      cmocka_unit_test(is_linear),
      cmocka_unit_test(ends_at_the_budget),
  };
  return cmocka_run_group_tests(tests, codec_set_up, codec_tear_down);
}
