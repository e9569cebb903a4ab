/* The protobuf-c descriptors made at run time: protobuf-c unpacks and packs protoc's bytes with them, and the accessors
 * of schema/wire/message.h read the messages. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "schema/load/load.h"
#include "schema/wire/message.h"
#include "textproto.h"

static struct mw_pool *pool;
static struct mw_arena arena;

static void *allocate(void *unused, size_t size) { return mw_arena_alloc(&arena, size); }
static void release(void *unused, void *piece) {}

/* Unpacks with protobuf-c alone, which is safe for bytes from protoc. */
static ProtobufCMessage *unpack(const char *type, struct mw_slice bytes) {
  ProtobufCAllocator allocator = {allocate, release, NULL};
  const struct mw_message_type *message_type = mw_pool_message(pool, type);
  assert_non_null(message_type);
  ProtobufCMessage *message = protobuf_c_message_unpack(message_type->desc, &allocator, bytes.len, bytes.data);
  assert_non_null(message);
  return message;
}

/* Encodes `text` by protoc, unpacks it, and asserts that packing gives the same bytes. */
static ProtobufCMessage *round_trip(const char *file, const char *type, const char *text) {
  struct mw_buf bytes = MW_BUF_INIT;
  textproto_encode(&bytes, "proto/kinds", file, type, text);
  ProtobufCMessage *message = unpack(type, mw_buf_slice(&bytes));
  assert_int_equal(mw_message_size(message), bytes.len);
  uint8_t *again = mw_arena_alloc(&arena, bytes.len);
  mw_message_pack(message, again);
  assert_memory_equal(again, bytes.data, bytes.len);
  mw_buf_fini(&bytes);
  return message;
}

static const struct mw_field *field_of(const char *type, const char *name) {
  const struct mw_field *field = mw_field_by_name(mw_pool_message(pool, type), mw_slice_str(name));
  assert_non_null(field);
  return field;
}

static int set_up(void **state) {
  mw_arena_init(&arena, SIZE_MAX);
  return mw_schema_load(&pool, "proto/kinds", NULL);
}

static int tear_down(void **state) {
  mw_pool_unref(pool);
  mw_arena_fini(&arena);
  return 0;
}

#define VALUE(c_type, message, field) (*(c_type *)mw_field_value(message, field))

static void test_scalars(void **state) {
  const char *type = "kinds3.Scalars";
  ProtobufCMessage *m = round_trip("kinds3.proto", type,
                                   "f_double: -1.5 f_float: 0.25 f_int64: -9223372036854775808 "
                                   "f_uint64: 18446744073709551615 f_int32: -2147483648 f_fixed64: 1 f_fixed32: 2 "
                                   "f_bool: true f_string: 'a\\000b' f_bytes: '\\377\\000' f_uint32: 4294967295 "
                                   "f_color: BLUE f_sfixed32: -3 f_sfixed64: -4 f_sint32: -5 f_sint64: -6 "
                                   "f_inner { f_inner { f_int32: 7 } }");
  assert_true(VALUE(double, m, field_of(type, "f_double")) == -1.5);
  assert_true(VALUE(float, m, field_of(type, "f_float")) == 0.25f);
  assert_true(VALUE(int64_t, m, field_of(type, "f_int64")) == INT64_MIN);
  assert_true(VALUE(uint64_t, m, field_of(type, "f_uint64")) == UINT64_MAX);
  assert_int_equal(VALUE(int32_t, m, field_of(type, "f_int32")), INT32_MIN);
  assert_int_equal(VALUE(int32_t, m, field_of(type, "f_color")), -5);
  assert_int_equal(VALUE(int64_t, m, field_of(type, "f_sint64")), -6);
  ProtobufCBinaryData text = VALUE(ProtobufCBinaryData, m, field_of(type, "f_string"));
  assert_int_equal(text.len, 3); /* a string keeps its NULs */
  assert_memory_equal(text.data, "a\0b", 3);
  const struct mw_message_type *scalars = mw_pool_message(pool, type);
  for (size_t i = 0; i < scalars->n_fields; i++) assert_true(mw_field_is_set(m, &scalars->fields[i]));
}

static void test_nothing_set(void **state) {
  for (size_t i = 0; i < mw_pool_message_count(pool); i++) {
    const struct mw_message_type *type = mw_pool_message_at(pool, i);
    ProtobufCMessage *made = mw_message_new(type, &arena), *unpacked = unpack(type->full_name, mw_slice("", 0));
    assert_memory_equal(made, unpacked, type->desc->sizeof_message);
    assert_int_equal(mw_message_size(made), 0);
    for (size_t k = 0; k < type->n_fields; k++) {
      if (!type->fields[k].repeated) assert_false(mw_field_is_set(made, &type->fields[k]));
    }
  }
}

static void test_repeated(void **state) {
  const char *type = "kinds3.Repeated";
  ProtobufCMessage *m = round_trip("kinds3.proto", type,
                                   "f_double: [1, 2.5] f_float: [3] f_int64: [-1, 0, 1] f_bool: [true, false] "
                                   "f_string: ['', 'x'] f_bytes: ['\\000'] f_color: [BLUE, RED] f_sint32: [-1, 1] "
                                   "f_inner { f_int32: 1 } f_inner { } unpacked: [1, 2] "
                                   "counts { key: 'a' value: 1 } inners { key: -1 value { f_bool: true } }");
  assert_int_equal(*mw_field_count(m, field_of(type, "f_int64")), 3);
  assert_int_equal(VALUE(int64_t *, m, field_of(type, "f_int64"))[0], -1);
  assert_int_equal(*mw_field_count(m, field_of(type, "f_string")), 2);
  assert_int_equal(VALUE(ProtobufCBinaryData *, m, field_of(type, "f_string"))[1].len, 1);
  const struct mw_field *counts = field_of(type, "counts");
  ProtobufCMessage *entry = VALUE(ProtobufCMessage **, m, counts)[0];
  assert_int_equal(VALUE(ProtobufCBinaryData, entry, &counts->message->fields[0]).len, 1);
  assert_int_equal(VALUE(int32_t, entry, &counts->message->fields[1]), 1);
}

static void test_oneofs(void **state) {
  static const char *const texts[] = {"number: 0", "text: 'some words'", "inner { f_int32: 3 }", "flag: true"};
  for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
    ProtobufCMessage *m = round_trip("kinds3.proto", "kinds3.Choice", texts[i]);
    const struct mw_oneof *what = &mw_pool_message(pool, "kinds3.Choice")->oneofs[0];
    for (size_t k = 0; k < what->n_members; k++) assert_int_equal(mw_field_is_set(m, what->members[k]), i == k);
    assert_int_equal(*mw_field_case(m, what->members[0]), what->members[i]->number);
  }
  ProtobufCMessage *m = round_trip("kinds3.proto", "kinds3.Choice",
                                   "maybe: 0 text: 'x' ratio: 0.5 at { seconds: 1 } status { code: 5 details { "
                                   "type_url: 'x/y.Z' value: '\\001' } }");
  assert_true(mw_field_is_set(m, field_of("kinds3.Choice", "maybe"))); /* set, although 0 */
}

/* The last member wins, whichever member the union held before. */
static void test_oneof_members_replace_each_other(void **state) {
  struct mw_buf bytes = MW_BUF_INIT;
  textproto_encode(&bytes, "proto/kinds", "kinds3.proto", "kinds3.Choice", "inner { f_string: 'x' }");
  textproto_encode(&bytes, "proto/kinds", "kinds3.proto", "kinds3.Choice", "flag: true");
  textproto_encode(&bytes, "proto/kinds", "kinds3.proto", "kinds3.Choice", "text: 'last'");
  ProtobufCMessage *m = unpack("kinds3.Choice", mw_buf_slice(&bytes));
  assert_true(mw_field_is_set(m, field_of("kinds3.Choice", "text")));
  assert_memory_equal(VALUE(ProtobufCBinaryData, m, field_of("kinds3.Choice", "text")).data, "last", 4);
  mw_buf_fini(&bytes);
}

static void test_empty_messages_keep_unknown_fields(void **state) {
  static const uint8_t bytes[] = {0x80, 0x00, 0x05}; /* field number 0 in two bytes: must not write to memory */
  ProtobufCAllocator allocator = {allocate, release, NULL};
  protobuf_c_message_unpack(mw_pool_message(pool, "kinds3.Empty")->desc, &allocator, sizeof bytes, bytes);
  ProtobufCMessage *m = unpack("kinds3.Empty", mw_slice("\x08\x05", 2));
  assert_int_equal(m->n_unknown_fields, 1);
  assert_int_equal(mw_message_size(m), 2);
}

static void test_proto2_defaults(void **state) {
  const char *type = "kinds2.Defaults";
  ProtobufCMessage *m = round_trip("kinds2.proto", type, "i32: 0 unpacked: [1, 2] packed: [3, 4] one: 5");
  assert_int_equal(VALUE(int32_t, m, field_of(type, "i32")), 0);
  assert_true(mw_field_is_set(m, field_of(type, "i32")));
  assert_false(mw_field_is_set(m, field_of(type, "s")));
  assert_int_equal(VALUE(ProtobufCBinaryData, m, field_of(type, "s")).len, 13);
  assert_int_equal(VALUE(int32_t, m, field_of(type, "level")), 7);
  assert_int_equal(VALUE(int32_t, m, field_of(type, "first")), 3);
  round_trip("kinds2.proto", "kinds2.Extended", "kept: 2 [kinds2.extra]: 5"); /* extensions stay, as unknown fields */
}

static void test_marking(void **state) {
  ProtobufCMessage *m = mw_message_new(mw_pool_message(pool, "kinds3.Scalars"), &arena);
  const struct mw_field *number = field_of("kinds3.Scalars", "f_int32");
  const struct mw_field *ratio = field_of("kinds3.Scalars", "f_double");
  const struct mw_field *text = field_of("kinds3.Scalars", "f_string");
  mw_field_mark(m, number);
  mw_field_mark(m, text);
  assert_int_equal(mw_message_size(m), 0); /* a zero without presence is not sent */
  VALUE(int32_t, m, number) = 1;
  mw_field_mark(m, number);
  assert_true(mw_field_is_set(m, number));
  VALUE(double, m, ratio) = -0.0;
  mw_field_mark(m, ratio);
  assert_true(mw_field_is_set(m, ratio));
  assert_int_equal(mw_message_size(m), 2 + 9);

  ProtobufCMessage *choice = mw_message_new(mw_pool_message(pool, "kinds3.Choice"), &arena);
  const struct mw_field *maybe = field_of("kinds3.Choice", "maybe"), *inner = field_of("kinds3.Choice", "inner");
  const struct mw_field *at = field_of("kinds3.Choice", "at");
  mw_field_mark(choice, maybe);
  assert_true(mw_field_is_set(choice, maybe));
  mw_field_mark(choice, inner);
  assert_false(mw_field_is_set(choice, inner)); /* its message is NULL */
  VALUE(ProtobufCMessage *, choice, inner) = m;
  assert_true(mw_field_is_set(choice, inner));
  assert_false(mw_field_is_set(choice, at));
  VALUE(ProtobufCMessage *, choice, at) = mw_message_new(at->message, &arena);
  mw_field_mark(choice, at);
  assert_true(mw_field_is_set(choice, at));
}

static void assert_missing(ProtobufCMessage *m, const char *type, const char *words) {
  struct mw_err err = MW_ERR_INIT;
  assert_int_equal(mw_message_check_required(mw_pool_message(pool, type), m, &err), MW_EFORMAT);
  assert_string_equal(mw_err_text(&err), words);
  mw_err_fini(&err);
}

static void test_required_fields(void **state) {
  const struct mw_message_type *needy = mw_pool_message(pool, "kinds2.Needy");
  const struct mw_field *name = field_of("kinds2.Needy", "name"), *child = field_of("kinds2.Needy", "child");
  ProtobufCMessage *m = mw_message_new(needy, &arena), *inner = mw_message_new(needy, &arena);
  assert_missing(m, "kinds2.Needy", "kinds2.Needy.name: required field is not set");
  mw_field_mark(m, name); /* "" is a value */
  assert_int_equal(mw_message_check_required(needy, m, NULL), 0);
  VALUE(ProtobufCMessage *, m, child) = inner;
  assert_missing(m, "kinds2.Needy", "kinds2.Needy.child.name: required field is not set");

  ProtobufCMessage *holder = mw_message_new(mw_pool_message(pool, "kinds2.Holder"), &arena);
  assert_int_equal(mw_message_check_required(mw_pool_message(pool, "kinds2.Holder"), holder, NULL), 0);
  ProtobufCMessage *two[] = {m, m};
  *mw_field_count(holder, field_of("kinds2.Holder", "needies")) = 2;
  VALUE(ProtobufCMessage **, holder, field_of("kinds2.Holder", "needies")) = two;
  assert_missing(holder, "kinds2.Holder", "kinds2.Holder.needies[0].child.name: required field is not set");
  mw_field_mark(inner, name);
  assert_int_equal(mw_message_check_required(mw_pool_message(pool, "kinds2.Holder"), holder, NULL), 0);
  assert_int_equal(mw_message_check_required(mw_pool_message(pool, "kinds3.Scalars"), NULL, NULL), 0);
}

/* Each value lies within the message, aligned, and overlaps no other. */
static void test_fields_do_not_overlap(void **state) {
  for (size_t i = 0; i < mw_pool_message_count(pool); i++) {
    const struct mw_message_type *type = mw_pool_message_at(pool, i);
    uint8_t *used = mw_arena_calloc(&arena, 1, type->desc->sizeof_message);
    memset(used, 1, sizeof(ProtobufCMessage));
    for (size_t k = 0; k < type->n_fields; k++) {
      const struct mw_field *field = &type->fields[k];
      if (field->oneof && field->oneof->members[0] != field) continue; /* members share one place */
      size_t size = field->oneof ? sizeof(ProtobufCBinaryData) : mw_kind_size(field->kind);
      if (field->repeated) size = sizeof(void *);
      size_t flag = field->repeated ? sizeof(size_t) : field->kind == MW_KIND_MESSAGE && !field->oneof ? 0 : 4;
      assert_int_equal(field->desc->offset % (size > 4 ? 8 : 4), 0);
      assert_int_equal(field->desc->quantifier_offset % (flag > 4 ? 8 : 4), 0);
      assert_true(field->desc->offset + size <= type->desc->sizeof_message);
      assert_true(field->desc->quantifier_offset + flag <= type->desc->sizeof_message);
      for (size_t b = 0; b < size; b++) assert_int_equal(used[field->desc->offset + b]++, 0);
      for (size_t b = 0; b < flag; b++) assert_int_equal(used[field->desc->quantifier_offset + b]++, 0);
    }
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_scalars),
      cmocka_unit_test(test_nothing_set),
      cmocka_unit_test(test_repeated),
      cmocka_unit_test(test_oneofs),
      cmocka_unit_test(test_oneof_members_replace_each_other),
      cmocka_unit_test(test_empty_messages_keep_unknown_fields),
      cmocka_unit_test(test_proto2_defaults),
      cmocka_unit_test(test_marking),
      cmocka_unit_test(test_required_fields),
      cmocka_unit_test(test_fields_do_not_overlap),
  };
  return cmocka_run_group_tests(tests, set_up, tear_down);
}
