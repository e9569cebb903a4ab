/* Unpacking as a whole: every field kind against protoc, and hostile bytes. */
#include "codec_support.h"

#include "failmalloc.h"
#include "schema/wire/varint.h"

static const struct mw_message_type *type_of(const char *name) {
  return codec_type(strncmp(name, "every.", 6) == 0 ? every : strncmp(name, "wide.", 5) == 0 ? wide : legacy, name);
}

static void put_times(struct mw_buf *out, const char *hex, size_t times) {
  struct mw_buf once = MW_BUF_INIT;
  put_hex(&once, hex);
  for (size_t i = 0; i < times; i++) assert_int_equal(mw_buf_append(out, once.data, once.len), 0);
  mw_buf_fini(&once);
}

/* protoc encodes `text`; unpacking and packing must keep its meaning. */
static void assert_text(const char *type, const char *text) {
  struct mw_buf bytes = MW_BUF_INIT;
  if (protoc("encode", type, mw_slice_str(text), &bytes) != 0) fail_msg("protoc refuses %s", text);
  assert_same_meaning(type_of(type), mw_buf_slice(&bytes));
  mw_buf_fini(&bytes);
}

static void assert_hex(const char *type, const char *hex) {
  struct mw_buf bytes = MW_BUF_INIT;
  put_hex(&bytes, hex);
  assert_same_meaning(type_of(type), mw_buf_slice(&bytes));
  mw_buf_fini(&bytes);
}

/* Tests each of `values` in a singular, an optional and a repeated field of `kind`. */
static void assert_kind(const char *kind, const char *const *values) {
  struct mw_buf text = MW_BUF_INIT;
  for (size_t i = 0; values[i]; i++) {
    mw_buf_clear(&text);
    assert_int_equal(mw_buf_printf(&text, "f_%s: %s o_%s: %s r_%s: [", kind, values[i], kind, values[i], kind), 0);
    for (size_t k = 0; k <= i; k++) assert_int_equal(mw_buf_printf(&text, "%s%s", k ? ", " : "", values[k]), 0);
    assert_int_equal(mw_buf_puts(&text, "]"), 0);
    assert_text("every.Every", mw_buf_str(&text));
  }
  mw_buf_fini(&text);
}

#define VALUES(...) ((const char *const[]){__VA_ARGS__, NULL})

static void reads_integers(void **state) {
  const char *const *narrow = VALUES("0", "1", "-1", "2147483647", "-2147483648");
  const char *const *wide_values = VALUES("0", "-1", "9223372036854775807", "-9223372036854775808");
  assert_kind("int32", narrow);
  assert_kind("sint32", narrow);
  assert_kind("sfixed32", narrow);
  assert_kind("int64", wide_values);
  assert_kind("sint64", wide_values);
  assert_kind("sfixed64", wide_values);
  assert_kind("uint32", VALUES("0", "127", "128", "4294967295"));
  assert_kind("fixed32", VALUES("0", "4294967295"));
  assert_kind("uint64", VALUES("0", "16383", "16384", "18446744073709551615"));
  assert_kind("fixed64", VALUES("0", "18446744073709551615"));
  assert_kind("bool", VALUES("false", "true"));
  assert_kind("enum", VALUES("RED", "BLUE", "NEGATIVE", "99"));
}

static void reads_floating_point(void **state) {
  assert_kind("double", VALUES("0", "-0.0", "1.7976931348623157e308", "4.9e-324", "inf", "-inf", "nan"));
  assert_kind("float", VALUES("0", "-0.0", "3.4028235e38", "1.4e-45", "inf", "-inf", "nan"));
}

static void reads_text_and_bytes(void **state) {
  assert_kind("string", VALUES("\"\"", "\"a\"", "\"a\\000b\"", "\"\\342\\202\\254 \\360\\237\\214\\231\""));
  assert_kind("bytes", VALUES("\"\"", "\"\\000\"", "\"\\377\\376\""));
}

static void reads_messages_oneofs_and_maps(void **state) {
  assert_kind("message", VALUES("{}", "{x: 5}", "{child {child {s: 'deep'}} children {} children {x: 1}}"));
  assert_text("every.Every", "u_double: [1, -0.0] u_int32: [1, -1] u_bool: [true, false] u_enum: [BLUE, 77]");
  assert_text("every.Every", "c_double: -0.0");
  assert_text("every.Every", "c_int32: 0");
  assert_text("every.Every", "c_string: ''");
  assert_text("every.Every", "c_message {}");
  assert_text("every.Every", "c_bytes: 'x'");
  assert_text("every.Every", "m_string {key: 'a' value: 1} m_string {key: '' value: 0} m_int64 {key: -1 value {x: 1}}");
  assert_text("every.Every", "m_bool {key: true value: 'x'} m_uint32 {key: 7 value: BLUE}");
  assert_text("every.Every", "m_sfixed32 {key: -1 value: -0.0}");
  assert_text("every.Every", "f_last: 1");
}

/* Entries without value or key, duplicates, unknown fields of entries. */
static void reads_odd_map_entries(void **state) {
  assert_hex("every.Every", "aa0600");
  assert_hex("every.Every", "aa0603 0a0161");
  assert_hex("every.Every", "aa0602 1005");
  assert_hex("every.Every", "aa0605 0a0161 1001 aa0605 0a0161 1002");
  assert_hex("every.Every", "aa0605 1005 0a0161");
  assert_hex("every.Every", "b20602 0801");
  assert_hex("every.Every", "b20608 0801 1200 1202 0805");
}

static void reads_packed_and_unpacked_alike(void **state) {
  assert_hex("every.Every", "ea02 01 05 e802 06 ea02 02 0708 ea0200"); /* r_int32 */
  assert_hex("every.Every", "8a04 02 0102 8804 03");                   /* u_int32 */
  assert_hex("every.Every", "c902 0000000000000080 ca02 08 000000000000f03f");
  assert_hex("every.Every", "8203 04 8080 0001"); /* padded bools */
}

static void reads_padding(void **state) {
  assert_hex("every.Leaf", "8800 05");                 /* a tag in two bytes */
  assert_hex("every.Leaf", "8880808000 05");           /* in five */
  assert_hex("every.Leaf", "12 8180808000 61");        /* a length */
  assert_hex("every.Leaf", "08 85808080808080808000"); /* a value */
  assert_hex("every.Leaf", "08 ffffffffffffffffff01"); /* -1 as int32 */
  assert_hex("every.Leaf", "08 ffffffff1f");           /* bits above 32 are dropped */
}

static void keeps_unknown_fields(void **state) {
  assert_hex("every.Leaf", "7805 79 0102030405060708 7a03616263 7d01020304");
  assert_hex("every.Empty", "7805 0a03616263");
  assert_hex("every.Leaf", "f8ffffff0f 01"); /* the greatest number */
  assert_hex("legacy.Legacy", "a00607");     /* an extension */
}

static void reads_proto2(void **state) {
  assert_text("legacy.Legacy", "");
  assert_text("legacy.Legacy", "number: 41 text: 'hello' raw: '\\001\\000x' closed: TWO");
  assert_text("legacy.Legacy", "number: 0 text: '' raw: '' closed: MINUS");
  assert_text("legacy.Legacy", "unpacked: [ONE, TWO] packed: [TWO, MINUS] plain: [1, 2]");
  assert_text("legacy.Legacy", "Grouped {inside: 1} Groups {inside: 2} Groups {}");
  assert_text("legacy.Legacy", "needs {id: 0} list {id: 1 note: 'x'} map {key: 'a' value: ON} other {id: 4}");
  assert_text("legacy.Legacy", "[legacy.extension]: 7 [legacy.needy_extension] {id: 1}");
}

static void reads_values_into_memory(void **state) {
  struct mw_buf bytes = MW_BUF_INIT;
  put_hex(&bytes, "0800 120461006200 1a00 220105 22020607");
  const struct mw_message_type *type = type_of("every.Leaf");
  struct mw_arena arena;
  mw_arena_init(&arena, SIZE_MAX);
  ProtobufCMessage *message;
  assert_int_equal(mw_message_unpack(type, mw_buf_slice(&bytes), &arena, &message, NULL), 0);
  memset(bytes.data, 0xff, bytes.len); /* the message has no pointers there */
  const struct mw_field *s = mw_field_by_number(type, 2), *child = mw_field_by_number(type, 3);
  const struct mw_field *xs = mw_field_by_number(type, 4);
  const ProtobufCBinaryData *text = mw_field_value(message, s);
  assert_int_equal(text->len, 4);
  assert_memory_equal(text->data, "a\0b\0", 4);
  assert_non_null(*(ProtobufCMessage **)mw_field_value(message, child));
  assert_int_equal(*mw_field_count(message, xs), 3);
  assert_int_equal((*(int32_t **)mw_field_value(message, xs))[2], 7);
  mw_arena_fini(&arena);
  mw_buf_fini(&bytes);
}

static int unpack_hex(const char *type, const char *hex, struct mw_err *err) {
  struct mw_buf bytes = MW_BUF_INIT, packed = MW_BUF_INIT;
  put_hex(&bytes, hex);
  int code = repack(type_of(type), mw_buf_slice(&bytes), &packed, err);
  mw_buf_fini(&bytes);
  mw_buf_fini(&packed);
  return code;
}

static void demands_required_fields(void **state) {
  struct mw_err err = MW_ERR_INIT;
  assert_int_equal(unpack_hex("legacy.Needs", "", &err), MW_EFORMAT);
  assert_non_null(strstr(mw_err_text(&err), "legacy.Needs.id"));
  assert_int_equal(unpack_hex("legacy.Legacy", "5202 0801 5203 120161", &err), MW_EFORMAT);
  assert_non_null(strstr(mw_err_text(&err), "legacy.Legacy.list[1].id"));
  assert_int_equal(unpack_hex("legacy.Legacy", "4a03 120161", &err), MW_EFORMAT);
  assert_int_equal(unpack_hex("legacy.Legacy", "4a03 120161 4a02 0801", &err), 0); /* complete after merging */
  assert_int_equal(unpack_hex("legacy.Legacy", "6a00 6001", &err), 0);             /* replaced by another member */
  assert_int_equal(unpack_hex("legacy.Needs", "0d00000000", &err), MW_EFORMAT);    /* does not set it */
  mw_err_fini(&err);
}

/* Appends a message with `levels` messages nested in it. */
static void put_nested(struct mw_buf *out, size_t levels) {
  struct mw_buf reversed = MW_BUF_INIT;
  for (size_t i = 0, len = 0; i < levels; i++) {
    uint8_t bytes[1 + MW_WIRE_VARINT_MAX], *at = bytes;
    *at++ = 0x1a;
    at = mw_wire_write_varint(at, len);
    len += (size_t)(at - bytes);
    while (at > bytes) assert_int_equal(mw_buf_putc(&reversed, (char)*--at), 0);
  }
  while (reversed.len > 0) assert_int_equal(mw_buf_putc(out, (char)reversed.data[--reversed.len]), 0);
  mw_buf_fini(&reversed);
}

/* The limit is the same as protoc's. */
static void bounds_nesting(void **state) {
  const size_t levels[] = {MW_MESSAGE_DEPTH - 1, MW_MESSAGE_DEPTH, MW_MESSAGE_DEPTH + 1};
  for (size_t i = 0; i < 3; i++) {
    struct mw_buf bytes = MW_BUF_INIT, text = MW_BUF_INIT, packed = MW_BUF_INIT;
    put_nested(&bytes, levels[i]);
    int theirs = protoc("decode", "every.Leaf", mw_buf_slice(&bytes), &text);
    int ours = repack(type_of("every.Leaf"), mw_buf_slice(&bytes), &packed, NULL);
    assert_int_equal(ours, levels[i] <= MW_MESSAGE_DEPTH ? 0 : MW_ELIMIT);
    assert_int_equal(theirs == 0, ours == 0);
    mw_buf_fini(&bytes);
    mw_buf_fini(&text);
    mw_buf_fini(&packed);
  }
}

/* 3 KB suffice for a thousand levels, a megabyte for a stack overflow in code that recurses without a limit. */
static void survives_bottomless_nesting(void **state) {
  struct mw_buf bytes = MW_BUF_INIT, packed = MW_BUF_INIT;
  put_nested(&bytes, 200000);
  struct mw_err err = MW_ERR_INIT;
  assert_int_equal(repack(type_of("every.Leaf"), mw_buf_slice(&bytes), &packed, &err), MW_ELIMIT);
  assert_non_null(strstr(mw_err_text(&err), "every.Leaf.child.child."));
  assert_non_null(strstr(mw_err_text(&err), ".child: nested too deeply, 100 levels at most"));
  mw_err_fini(&err);
  mw_buf_fini(&bytes);
}

/* Asserts that bytes which need more memory than the budget are refused while the arena is empty. */
static void assert_unaffordable(const char *type, const char *hex, size_t times, size_t budget) {
  struct mw_buf bytes = MW_BUF_INIT;
  put_times(&bytes, hex, times);
  struct mw_arena arena;
  mw_arena_init(&arena, budget);
  ProtobufCMessage *message = NULL;
  struct mw_err err = MW_ERR_INIT;
  assert_int_equal(mw_message_unpack(type_of(type), mw_buf_slice(&bytes), &arena, &message, &err), MW_ELIMIT);
  assert_non_null(strstr(mw_err_text(&err), " memory"));
  assert_null(message);
  assert_null(arena.blocks);
  mw_arena_fini(&arena);
  mw_err_fini(&err);
  mw_buf_fini(&bytes);
}

static void refuses_amplification(void **state) {
  assert_unaffordable("wide.List", "0a00", 10000, 1 << 20);      /* empty messages of 200 doubles */
  assert_unaffordable("every.Leaf", "7801", 50000, 1 << 20);     /* unknown fields */
  assert_unaffordable("every.Leaf", "120161", 50000, 1 << 20);   /* a string that is replaced each time */
  assert_unaffordable("wide.List", "1200 0a00", 10000, 1 << 20); /* in the normaliser */
  assert_unaffordable("every.Leaf", "7b7c", 50000, 1 << 20);     /* groups */
}

/* If the arena lacks a few bytes that the scan does not count, the error names the call's memory. */
static void names_the_exceeded_limit(void **state) {
  struct mw_buf bytes = MW_BUF_INIT;
  put_hex(&bytes, "2001");
  struct mw_arena arena;
  size_t size = (type_of("every.Leaf")->desc->sizeof_message + 15) / 16 * 16;
  mw_arena_init(&arena, size + 8);
  ProtobufCMessage *message = NULL;
  struct mw_err err = MW_ERR_INIT;
  assert_int_equal(mw_message_unpack(type_of("every.Leaf"), mw_buf_slice(&bytes), &arena, &message, &err), MW_ELIMIT);
  assert_non_null(strstr(mw_err_text(&err), "every.Leaf: takes more memory than the call's"));
  mw_arena_fini(&arena);
  mw_err_fini(&err);
  mw_buf_fini(&bytes);
}

/* protobuf-c copies all elements for each copy of their message: this 1 MB would take hundreds. */
static void merges_in_linear_memory(void **state) {
  struct mw_buf bytes = MW_BUF_INIT;
  put_times(&bytes, "1a02 2001", 1 << 18);
  struct mw_arena arena;
  mw_arena_init(&arena, SIZE_MAX);
  ProtobufCMessage *message;
  const struct mw_message_type *type = type_of("every.Leaf");
  assert_int_equal(mw_message_unpack(type, mw_buf_slice(&bytes), &arena, &message, NULL), 0);
  ProtobufCMessage *child = *(ProtobufCMessage **)mw_field_value(message, mw_field_by_number(type, 3));
  assert_int_equal(*mw_field_count(child, mw_field_by_number(type, 4)), 1 << 18);
  assert_true(arena.used < 32 * bytes.len);
  mw_arena_fini(&arena);
  mw_buf_fini(&bytes);
}

/* protobuf-c writes through a wild pointer for this field number. */
static void refuses_field_number_0_in_two_bytes(void **state) {
  assert_int_equal(unpack_hex("every.Empty", "800005", NULL), MW_EFORMAT);
  assert_int_equal(unpack_hex("every.Leaf", "800005", NULL), MW_EFORMAT);
}

/* Fields with the number of the normaliser's carriers. */
static void refuses_carriers(void **state) {
  assert_int_equal(unpack_hex("every.Leaf", "8280808010 02 0801", NULL), MW_EFORMAT);
  assert_int_equal(unpack_hex("every.Leaf", "8280808010 00", NULL), MW_EFORMAT);
}

static void leaves_the_output_alone_on_failure(void **state) {
  struct mw_arena arena;
  mw_arena_init(&arena, SIZE_MAX);
  ProtobufCMessage *message = (ProtobufCMessage *)(void *)&arena;
  assert_int_equal(mw_message_unpack(type_of("every.Leaf"), mw_slice_str("\x12\x01\xff"), &arena, &message, NULL),
                   MW_EFORMAT);
  assert_ptr_equal(message, &arena);
  mw_arena_fini(&arena);
}

/* Tests a field with `size` bytes between two others: the message is the same, copied or viewed. */
static void assert_bulk(const char *before, const char *tag, size_t size, const char *after, bool is_viewed) {
  struct mw_buf bytes = MW_BUF_INIT, copied = MW_BUF_INIT, viewed = MW_BUF_INIT;
  const struct mw_message_type *type = type_of("every.Every");
  put_hex(&bytes, before);
  put_hex(&bytes, tag);
  assert_int_equal(mw_buf_putc(&bytes, (char)((size & 127) | 128)), 0);
  assert_int_equal(mw_buf_putc(&bytes, (char)(size >> 7)), 0);
  put_times(&bytes, "78", size);
  put_hex(&bytes, after);
  assert_int_equal(repack(type, mw_buf_slice(&bytes), &copied, NULL), 0);
  struct mw_arena arena;
  mw_arena_init(&arena, SIZE_MAX);
  ProtobufCMessage *message;
  assert_int_equal(mw_message_view(type, mw_buf_slice(&bytes), &arena, &message, NULL), 0);
  pack(message, &viewed);
  assert_true(mw_slice_eq(mw_buf_slice(&copied), mw_buf_slice(&viewed)));
  assert_int_equal(arena.used < type->desc->sizeof_message + size, is_viewed);
  mw_arena_fini(&arena);
  mw_buf_fini(&bytes);
  mw_buf_fini(&copied);
  mw_buf_fini(&viewed);
}

static void views_fields_of_half_a_message(void **state) {
  assert_bulk("", "62", 5000, "", true);             /* f_bytes */
  assert_bulk("4a0161", "62", 5000, "4a0162", true); /* f_string before and after it */
  assert_bulk("", "4a", 5000, "5a00", true);
  assert_bulk("620161", "62", 5000, "", true);           /* replaces an earlier one */
  assert_bulk("", "ea01", 5000, "", true);               /* o_string */
  assert_bulk("a80501", "e205", 5000, "c23e0161", true); /* c_bytes replaces c_int32; an unknown field */
}

static void copies_other_fields(void **state) {
  assert_bulk("", "62", 4000, "", false);       /* short */
  assert_bulk("", "62", 5000, "620161", false); /* replaced */
  assert_bulk("", "62", 5000, "6200", false);
  assert_bulk("", "e205", 5000, "a80501", false); /* replaced by c_int32 of the same oneof */
  assert_bulk("", "e205", 5000, "ca0500", false);
  assert_bulk("", "a203", 5000, "", false);        /* repeated */
  assert_bulk("", "c23e", 5000, "", false);        /* unknown */
  assert_bulk("5a00 5a00", "62", 5000, "", false); /* normalised */
}

static int unpack_scenario(void *arg) {
  const struct mw_slice *bytes = arg;
  struct mw_arena arena;
  mw_arena_init(&arena, SIZE_MAX);
  ProtobufCMessage *message = NULL;
  struct mw_err err = MW_ERR_INIT;
  int code = mw_message_view(type_of("every.Leaf"), *bytes, &arena, &message, &err);
  mw_arena_fini(&arena);
  mw_err_fini(&err);
  return code;
}

static void survives_lack_of_memory(void **state) {
  static const char many[] = "2a07 120548656c6c6f"; /* arena, buffer and slabs have to grow, more than once */
  const struct {
    const char *head, *rest;
    size_t times;
  } inputs[] = {
      {"0805 12024142 2a00 2a0b 1203616263 2003 7805 3806", many, 200},                  /* plain */
      {"1a05 1203616263 1a02 2007 4200 4200 7b7c 0d00000000 2a04 1a00 1a00", many, 200}, /* normalised */
      {"12 8827", "78", 5000},                                                           /* viewed */
  };
  for (size_t i = 0; i < sizeof inputs / sizeof *inputs; i++) {
    struct mw_buf bytes = MW_BUF_INIT;
    put_hex(&bytes, inputs[i].head);
    put_times(&bytes, inputs[i].rest, inputs[i].times);
    struct mw_slice slice = mw_buf_slice(&bytes);
    failmalloc_sweep(unpack_scenario, &slice);
    mw_buf_fini(&bytes);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(reads_integers),
      cmocka_unit_test(reads_floating_point),
      cmocka_unit_test(reads_text_and_bytes),
      cmocka_unit_test(reads_messages_oneofs_and_maps),
      cmocka_unit_test(reads_odd_map_entries),
      cmocka_unit_test(reads_packed_and_unpacked_alike),
      cmocka_unit_test(reads_padding),
      cmocka_unit_test(keeps_unknown_fields),
      cmocka_unit_test(reads_proto2),
      cmocka_unit_test(reads_values_into_memory),
      cmocka_unit_test(demands_required_fields),
      cmocka_unit_test(bounds_nesting),
      cmocka_unit_test(survives_bottomless_nesting),
      cmocka_unit_test(refuses_amplification),
      cmocka_unit_test(names_the_exceeded_limit),
      cmocka_unit_test(merges_in_linear_memory),
      cmocka_unit_test(refuses_field_number_0_in_two_bytes),
      cmocka_unit_test(refuses_carriers),
      cmocka_unit_test(leaves_the_output_alone_on_failure),
      cmocka_unit_test(views_fields_of_half_a_message),
      cmocka_unit_test(copies_other_fields),
      cmocka_unit_test(survives_lack_of_memory),
  };
  return cmocka_run_group_tests(tests, codec_set_up, codec_tear_down);
}
