/* mw_pool_new(): the descriptions of types, and refused sets. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "failmalloc.h"
#include "schema/load/load.h"
#include "schema/pool/wellknown.h"
#include "schema/wire/write.h"
#include "textproto.h"

static struct mw_buf encode_set(const char *text) {
  struct mw_buf set = MW_BUF_INIT;
  textproto_encode(&set, NULL, NULL, "google.protobuf.FileDescriptorSet", text);
  return set;
}

static struct mw_pool *load(const char *dir) {
  struct mw_err err = MW_ERR_INIT;
  struct mw_pool *pool = NULL;
  mw_schema_load(&pool, dir, &err);
  assert_string_equal(mw_err_text(&err), "no error");
  assert_non_null(pool);
  return pool;
}

static const struct mw_field *field_of(const struct mw_pool *pool, const char *type, const char *name) {
  const struct mw_message_type *message = mw_pool_message(pool, type);
  assert_non_null(message);
  const struct mw_field *field = mw_field_by_name(message, mw_slice_str(name));
  assert_non_null(field);
  return field;
}

/* ---- refusals ---- */

struct refusal {
  const char *set;
  int code;
  const char *words;
};

#define IN_FILE(body) "file { name: 'a.proto' syntax: 'proto3' package: 'p' " body " }"
#define IN_FILE2(body) "file { name: 'a.proto' package: 'p' " body " }"
#define FIELD(body) IN_FILE("message_type { name: 'M' field { name: 'f' label: LABEL_OPTIONAL " body " } }")
#define FIELD2(body) IN_FILE2("message_type { name: 'M' field { name: 'f' label: LABEL_OPTIONAL " body " } }")
#define MESSAGE(body) IN_FILE("message_type { name: 'M' " body " }")

static const struct refusal refusals[] = {
    /* files */
    {"file { }", MW_EFORMAT, "descriptor set: file 1 has no name"},
    {"file { name: 'a.proto' syntax: 'editions' }", MW_EUNSUPPORTED,
     "a.proto: protobuf editions are not supported: expected syntax = \"proto3\" or \"proto2\""},
    {"file { name: 'a.proto' syntax: 'proto9' }", MW_EFORMAT,
     "a.proto: unknown syntax \"proto9\": expected \"proto3\" or \"proto2\""},
    {"file { name: 'a.proto' package: 'a..b' }", MW_EFORMAT, "a.proto: \"a..b\" is not a package name"},
    {"file { name: 'a.proto' dependency: 'b.proto' }", MW_EFORMAT,
     "a.proto: imports \"b.proto\", which is not in the descriptor set: make the set with --include_imports"},
    {"file { name: 'a.proto' } file { name: 'a.proto' package: 'p' }", MW_EEXIST,
     "a.proto: the file is in the descriptor sets twice, with different contents"},
    /* names */
    {IN_FILE("message_type { name: 'A-B' }"), MW_EFORMAT,
     "a.proto: \"A-B\" in \"p\" is not a name: expected letters, digits and underscores"},
    {IN_FILE("message_type { }"), MW_EFORMAT, "a.proto: \"\" in \"p\" is not a name"},
    {IN_FILE("message_type { name: '1A' }"), MW_EFORMAT, "\"1A\" in \"p\" is not a name"},
    {MESSAGE("field { number: 1 type: TYPE_INT32 }"), MW_EFORMAT, "\"\" in \"p.M\" is not a name"},
    {IN_FILE("message_type { name: 'M' } message_type { name: 'M' }"), MW_EEXIST,
     "a.proto: \"p.M\" is already defined in a.proto"},
    {IN_FILE("message_type { name: 'M' } enum_type { name: 'E' value { name: 'M' number: 0 } }"), MW_EEXIST,
     "\"p.M\" is already defined in a.proto"},
    {IN_FILE("message_type { name: 'S' } service { name: 'S' }"), MW_EEXIST, "\"p.S\" is already defined"},
    {MESSAGE("field { name: 'f' number: 1 type: TYPE_INT32 } field { name: 'f' number: 2 type: TYPE_INT32 }"),
     MW_EEXIST, "\"p.M.f\" is already defined"},
    {IN_FILE("message_type { name: 'M' }") "file { name: 'b.proto' package: 'p' message_type { name: 'M' } }",
     MW_EEXIST, "b.proto: \"p.M\" is already defined in a.proto"},
    /* enums */
    {IN_FILE("enum_type { name: 'E' }"), MW_EFORMAT, "a.proto: enum \"p.E\" has no values"},
    {IN_FILE("enum_type { name: 'E' value { name: 'V' number: 1 } }"), MW_EFORMAT,
     "a.proto: enum \"p.E\": the first value of a proto3 enum must be 0, got V = 1"},
    {IN_FILE("enum_type { name: 'E' value { number: 0 } }"), MW_EFORMAT, "\"\" in \"p\" is not a name"},
    /* fields */
    {FIELD("number: 0 type: TYPE_INT32"), MW_EFORMAT,
     "a.proto: p.M.f: number 0: expected 1 to 536870911, and not 19000 to 19999"},
    {FIELD("number: -1 type: TYPE_INT32"), MW_EFORMAT, "p.M.f: number -1: expected"},
    {FIELD("number: 536870912 type: TYPE_INT32"), MW_EFORMAT, "p.M.f: number 536870912: expected"},
    {FIELD("number: 19000 type: TYPE_INT32"), MW_EFORMAT, "p.M.f: number 19000: expected"},
    {MESSAGE("field { name: 'f' number: 1 type: TYPE_INT32 } field { name: 'g' number: 1 type: TYPE_INT32 }"),
     MW_EFORMAT, "a.proto: p.M: fields \"f\" and \"g\" have the same number, 1"},
    {MESSAGE("field { name: 'f' number: 1 type: TYPE_GROUP } field { name: 'g' number: 1 type: TYPE_INT32 }"),
     MW_EFORMAT, "have the same number, 1"},
    {FIELD("number: 1"), MW_EFORMAT, "a.proto: p.M.f: has no type"},
    {FIELD("number: 1 type: TYPE_MESSAGE"), MW_EFORMAT, "a.proto: p.M.f: has no type"},
    {FIELD("number: 1 type: TYPE_ENUM"), MW_EFORMAT, "a.proto: p.M.f: has no type"},
    {FIELD("number: 1 type: TYPE_MESSAGE type_name: '.p.N'"), MW_EFORMAT, "a.proto: p.M.f: there is no type \".p.N\""},
    {FIELD("number: 1 type: TYPE_MESSAGE type_name: '.p.M.f'"), MW_EFORMAT, "there is no type \".p.M.f\""},
    {FIELD("number: 1 type: TYPE_ENUM type_name: '.p.M'"), MW_EFORMAT,
     "a.proto: p.M.f: \".p.M\" is not an enum, as the field's type requires"},
    {FIELD("number: 1 type: TYPE_INT32 type_name: '.p.M'"), MW_EFORMAT,
     "\".p.M\" is not a scalar, as the field's type requires"},
    {FIELD("number: 1 type: TYPE_INT32 json_name: '\\377'"), MW_EFORMAT, "p.M.f: the JSON name is not valid UTF-8"},
    /* oneofs */
    {MESSAGE("oneof_decl { name: 'o' }"), MW_EFORMAT, "a.proto: p.M: oneof \"o\" has no members"},
    {FIELD("number: 1 type: TYPE_INT32 oneof_index: 0"), MW_EFORMAT, "a.proto: p.M.f: there is no oneof number 0"},
    {FIELD("number: 1 type: TYPE_INT32 oneof_index: -1"), MW_EFORMAT, "there is no oneof number -1"},
    {MESSAGE("oneof_decl { name: 'o' } field { name: 'f' number: 1 label: LABEL_REPEATED type: TYPE_INT32 "
             "oneof_index: 0 }"),
     MW_EFORMAT, "a.proto: p.M.f: a member of a oneof must be neither required nor repeated"},
    {MESSAGE("oneof_decl { name: 'o' } field { name: 'f' number: 1 type: TYPE_INT32 oneof_index: 0 "
             "proto3_optional: true } field { name: 'g' number: 2 type: TYPE_INT32 oneof_index: 0 }"),
     MW_EFORMAT, "a.proto: p.M: an optional field is in oneof \"o\" with others"},
    /* maps */
    {MESSAGE("nested_type { name: 'E' options { map_entry: true } }"), MW_EFORMAT,
     "a.proto: p.M.E: a map entry must have a key = 1 and a value = 2"},
    {MESSAGE("nested_type { name: 'E' options { map_entry: true } field { name: 'key' number: 1 type: TYPE_DOUBLE } "
             "field { name: 'value' number: 2 type: TYPE_INT32 } }"),
     MW_EFORMAT, "a.proto: p.M.E: a map's key must be an integer, a boolean or a string, not double"},
    {MESSAGE("nested_type { name: 'E' options { map_entry: true } field { name: 'key' number: 1 type: TYPE_INT32 } "
             "field { name: 'value' number: 2 type: TYPE_INT32 label: LABEL_REPEATED } }"),
     MW_EFORMAT, "a map entry must have"},
    {MESSAGE("field { name: 'f' number: 1 type: TYPE_MESSAGE type_name: '.p.M.E' } nested_type { name: 'E' "
             "options { map_entry: true } field { name: 'key' number: 1 type: TYPE_INT32 } "
             "field { name: 'value' number: 2 type: TYPE_INT32 } }"),
     MW_EFORMAT, "a.proto: p.M.f: a map must be repeated"},
    /* defaults */
    {FIELD("number: 1 type: TYPE_INT32 default_value: '1'"), MW_EFORMAT,
     "a.proto: p.M.f: only a singular scalar field of proto2 can have a default"},
    {FIELD2("number: 1 type: TYPE_MESSAGE type_name: '.p.M' default_value: '1'"), MW_EFORMAT, "only a singular scalar"},
    {FIELD2("number: 1 type: TYPE_INT32 default_value: '2147483648'"), MW_EFORMAT,
     "a.proto: p.M.f: the default \"2147483648\" is not of type int32"},
    {FIELD2("number: 1 type: TYPE_INT32 default_value: ''"), MW_EFORMAT, "the default \"\" is not of type int32"},
    {FIELD2("number: 1 type: TYPE_INT64 default_value: '9223372036854775808'"), MW_EFORMAT, "is not of type int64"},
    {FIELD2("number: 1 type: TYPE_UINT32 default_value: '-1'"), MW_EFORMAT, "is not of type uint32"},
    {FIELD2("number: 1 type: TYPE_UINT64 default_value: '18446744073709551616'"), MW_EFORMAT, "is not of type uint64"},
    {FIELD2("number: 1 type: TYPE_DOUBLE default_value: '1.5x'"), MW_EFORMAT, "is not of type double"},
    {FIELD2("number: 1 type: TYPE_FLOAT default_value: ''"), MW_EFORMAT, "is not of type float"},
    {FIELD2("number: 1 type: TYPE_BOOL default_value: 'yes'"), MW_EFORMAT, "is not of type bool"},
    {FIELD2("number: 1 type: TYPE_BYTES default_value: '\\\\q'"), MW_EFORMAT, "is not of type bytes"},
    {FIELD2("number: 1 type: TYPE_BYTES default_value: '\\\\777'"), MW_EFORMAT, "is not of type bytes"},
    {FIELD2("number: 1 type: TYPE_BYTES default_value: '\\\\x'"), MW_EFORMAT, "is not of type bytes"},
    {FIELD2("number: 1 type: TYPE_BYTES default_value: '\\\\'"), MW_EFORMAT, "is not of type bytes"},
    {FIELD2("number: 1 type: TYPE_STRING default_value: '\\377'"), MW_EFORMAT, "is not of type string"},
    {IN_FILE2("enum_type { name: 'E' value { name: 'V' number: 1 } } message_type { name: 'M' field { name: 'f' "
              "number: 1 type: TYPE_ENUM type_name: '.p.E' default_value: 'W' } }"),
     MW_EFORMAT, "a.proto: p.M.f: the default \"W\" is not of type p.E"},
    /* services */
    {IN_FILE("service { name: 'S' method { name: 'Call' input_type: '.p.X' output_type: '.p.X' } }"), MW_EFORMAT,
     "a.proto: p.S.Call: there is no message \".p.X\""},
    {IN_FILE("message_type { name: 'M' } service { name: 'S' method { name: 'Call' input_type: '.p.M' } }"), MW_EFORMAT,
     "a.proto: p.S.Call: there is no message \"\""},
    {IN_FILE("message_type { name: 'M' } service { name: 'S' "
             "method { name: 'C' input_type: '.p.M' output_type: '.p.M' } "
             "method { name: 'C' input_type: '.p.M' output_type: '.p.M' } }"),
     MW_EEXIST, "a.proto: \"p.S.C\" is already defined in a.proto"},
    /* extensions */
    {IN_FILE2("extension { name: 'x' number: 1 type: TYPE_INT32 extendee: '.p.X' }"), MW_EFORMAT,
     "a.proto: extension \"x\": there is no message \".p.X\""},
    {IN_FILE2("extension { name: 'x' number: 1 type: TYPE_INT32 }"), MW_EFORMAT,
     "a.proto: extension \"x\": there is no message \"\""},
    /* well-known types that differ */
    {"file { name: 'google/protobuf/timestamp.proto' package: 'google.protobuf' syntax: 'proto3' message_type { "
     "name: 'Timestamp' field { name: 'seconds' number: 1 type: TYPE_INT32 } } }",
     MW_EFORMAT,
     "google/protobuf/timestamp.proto: google.protobuf.Timestamp: this copy differs from the built-in definition: "
     "expected "
     "{ int64 seconds = 1; int32 nanos = 2; }, got { int32 seconds = 1; }"},
};

static void test_refuses_impossible_types(void **state) {
  for (size_t i = 0; i < sizeof refusals / sizeof refusals[0]; i++) {
    struct mw_buf set = encode_set(refusals[i].set);
    struct mw_err err = MW_ERR_INIT;
    struct mw_pool *pool = NULL;
    int rc = mw_pool_new(&pool, mw_buf_slice(&set), &err);
    if (rc != refusals[i].code || !strstr(mw_err_text(&err), refusals[i].words)) {
      fail_msg("%s\n  expected %d, %s\n  got %d, %s", refusals[i].set, refusals[i].code, refusals[i].words, rc,
               mw_err_text(&err));
    }
    assert_null(pool);
    mw_err_fini(&err);
    mw_buf_fini(&set);
  }
}

static void assert_refused(struct mw_slice set, int code, const char *words) {
  struct mw_err err = MW_ERR_INIT;
  struct mw_pool *pool = NULL;
  assert_int_equal(mw_pool_new(&pool, set, &err), code);
  assert_string_equal(mw_err_text(&err), words);
  assert_null(pool);
  mw_err_fini(&err);
}

static void test_refuses_bytes_that_are_no_set(void **state) {
  assert_refused(mw_slice("\x0a\x05", 2), MW_EFORMAT, "not a serialised google.protobuf.FileDescriptorSet");
  assert_refused(mw_slice("\x00\x00", 2), MW_EFORMAT, "not a serialised google.protobuf.FileDescriptorSet");
  assert_refused(mw_slice("\x0b\x0c", 2), MW_EFORMAT, "not a serialised google.protobuf.FileDescriptorSet");
  assert_refused(mw_slice("\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 11), MW_EFORMAT,
                 "not a serialised google.protobuf.FileDescriptorSet");
  assert_refused(mw_slice("\x0a\x01\x0a", 3), MW_EFORMAT, "descriptor set: file 1 is damaged");
  assert_refused(mw_slice("\x0a\x02\x22\x05", 4), MW_EFORMAT, "descriptor set: file 1 is damaged");
  assert_refused(mw_slice("\x0a\x02\x08\x01", 4), MW_EFORMAT, "descriptor set: file 1 is damaged"); /* name: 1 */
}

static void test_bounds_size(void **state) {
  assert_refused(mw_slice("", MW_POOL_SET_MAX + 1u), MW_ELIMIT, "descriptor set: larger than 256 MiB"); /* not read */
}

/* protoc refuses these numbers itself. */
static void test_refuses_unknown_numbers_of_types_and_labels(void **state) {
  struct mw_buf set = encode_set(FIELD("number: 1 type: TYPE_INT32"));
  uint8_t *label = memmem(set.data, set.len, "\x20\x01", 2), *type = memmem(set.data, set.len, "\x28\x05", 2);
  assert_non_null(label);
  assert_non_null(type);
  type[1] = 19;
  assert_refused(mw_buf_slice(&set), MW_EFORMAT, "a.proto: p.M.f: has no type");
  type[1] = 0;
  assert_refused(mw_buf_slice(&set), MW_EFORMAT, "a.proto: p.M.f: has no type");
  type[1] = 5;
  label[1] = 4;
  assert_refused(mw_buf_slice(&set), MW_EFORMAT, "a.proto: p.M.f: label 4: expected optional, required or repeated");
  mw_buf_fini(&set);
}

/* Returns a set of messages nested `depth` deep. */
static struct mw_buf nested_set(unsigned depth) {
  struct mw_buf inner = MW_BUF_INIT;
  for (unsigned i = 0; i <= depth + 1; i++) {
    struct mw_buf outer = MW_BUF_INIT;
    const char *name = i == depth  ? "\x0a\x01"
                                     "f"
                       : i > depth ? ""
                                   : "\x0a\x01"
                                     "M"; /* the file, the set, a message */
    const char *tag = i == 0 ? "" : i == depth ? "\x22" : i == depth + 1 ? "\x0a" : "\x1a";
    assert_int_equal(mw_buf_printf(&outer, "%s%s", name, tag), 0);
    if (i > 0) assert_int_equal(mw_wire_put_varint(&outer, inner.len), 0);
    assert_int_equal(mw_buf_append(&outer, inner.data, inner.len), 0);
    mw_buf_fini(&inner);
    inner = outer;
  }
  return inner;
}

static void test_bounds_nesting(void **state) {
  struct mw_buf deep = nested_set(64), deeper = nested_set(65), abyss = nested_set(3000);
  struct mw_pool *pool = NULL;
  assert_int_equal(mw_pool_new(&pool, mw_buf_slice(&deep), NULL), 0);
  mw_pool_unref(pool);
  assert_refused(mw_buf_slice(&deeper), MW_ELIMIT, "descriptor set: file 1 nests messages more than 64 deep");
  assert_refused(mw_buf_slice(&abyss), MW_ELIMIT, "descriptor set: file 1 nests messages more than 64 deep");
  mw_buf_fini(&deep);
  mw_buf_fini(&deeper);
  mw_buf_fini(&abyss);
}

/* Flips each bit of a valid set, and takes each prefix of it: nothing may crash. */
static void test_survives_damage(void **state) {
  struct mw_buf set = encode_set(
      IN_FILE2("message_type { name: 'M' field { name: 'f' number: 1 type: TYPE_INT32 label: LABEL_OPTIONAL "
               "default_value: '7' } oneof_decl { name: 'o' } field { name: 'g' number: 2 type: TYPE_BYTES "
               "label: LABEL_OPTIONAL oneof_index: 0 } field { name: 'm' number: 3 type: TYPE_MESSAGE "
               "type_name: '.p.M' label: LABEL_REPEATED } } enum_type { name: 'E' value { name: 'V' number: 0 } } "
               "service { name: 'S' method { name: 'C' input_type: '.p.M' output_type: '.p.M' } }"));
  for (size_t i = 0; i < set.len; i++) {
    struct mw_pool *pool = NULL;
    if (mw_pool_new(&pool, mw_slice(set.data, i), NULL) == 0) mw_pool_unref(pool);
    for (unsigned bit = 0; bit < 8; bit++) {
      set.data[i] ^= (uint8_t)(1u << bit);
      if (mw_pool_new(&pool, mw_buf_slice(&set), NULL) == 0) mw_pool_unref(pool);
      set.data[i] ^= (uint8_t)(1u << bit);
    }
  }
  mw_buf_fini(&set);
}

/* ---- descriptions ---- */

static void test_has_the_wellknown_types(void **state) {
  static const struct {
    const char *name;
    enum mw_wellknown kind;
  } expected[] = {
      {"google.protobuf.Timestamp", MW_WKT_TIMESTAMP},
      {"google.protobuf.Duration", MW_WKT_DURATION},
      {"google.protobuf.FieldMask", MW_WKT_FIELD_MASK},
      {"google.protobuf.Struct", MW_WKT_STRUCT},
      {"google.protobuf.Value", MW_WKT_VALUE},
      {"google.protobuf.ListValue", MW_WKT_LIST_VALUE},
      {"google.protobuf.Any", MW_WKT_ANY},
      {"google.protobuf.Empty", MW_WKT_EMPTY},
      {"google.protobuf.DoubleValue", MW_WKT_WRAPPER},
      {"google.protobuf.FloatValue", MW_WKT_WRAPPER},
      {"google.protobuf.Int64Value", MW_WKT_WRAPPER},
      {"google.protobuf.UInt64Value", MW_WKT_WRAPPER},
      {"google.protobuf.Int32Value", MW_WKT_WRAPPER},
      {"google.protobuf.UInt32Value", MW_WKT_WRAPPER},
      {"google.protobuf.BoolValue", MW_WKT_WRAPPER},
      {"google.protobuf.StringValue", MW_WKT_WRAPPER},
      {"google.protobuf.BytesValue", MW_WKT_WRAPPER},
      {"google.protobuf.Type", MW_WKT_NONE},
      {"google.protobuf.Api", MW_WKT_NONE},
      {"google.protobuf.SourceContext", MW_WKT_NONE},
      {"google.protobuf.FileDescriptorSet", MW_WKT_NONE},
      {"google.rpc.Status", MW_WKT_NONE},
      {"google.rpc.ErrorInfo", MW_WKT_NONE},
      {"google.rpc.RetryInfo", MW_WKT_NONE},
      {"google.rpc.DebugInfo", MW_WKT_NONE},
      {"google.rpc.QuotaFailure", MW_WKT_NONE},
      {"google.rpc.PreconditionFailure", MW_WKT_NONE},
      {"google.rpc.BadRequest", MW_WKT_NONE},
      {"google.rpc.RequestInfo", MW_WKT_NONE},
      {"google.rpc.ResourceInfo", MW_WKT_NONE},
      {"google.rpc.Help", MW_WKT_NONE},
      {"google.rpc.LocalizedMessage", MW_WKT_NONE},
  };
  struct mw_pool *pool = NULL;
  assert_int_equal(mw_pool_new(&pool, mw_slice(NULL, 0), NULL), 0);
  for (size_t i = 0; i < sizeof expected / sizeof expected[0]; i++) {
    const struct mw_message_type *type = mw_pool_message(pool, expected[i].name);
    assert_non_null(type);
    assert_int_equal(type->wellknown, expected[i].kind);
  }
  assert_non_null(mw_pool_enum(pool, "google.rpc.Code"));
  assert_non_null(mw_pool_enum(pool, "google.protobuf.NullValue"));
  mw_pool_unref(mw_pool_ref(pool));
  mw_pool_unref(pool);
  mw_pool_unref(NULL);
}

static void test_accepts_a_copy_of_a_wellknown_file(void **state) {
  struct mw_pool *pool = NULL;
  struct mw_buf set = MW_BUF_INIT;
  struct mw_slice own = mw_schema_wellknown();
  assert_int_equal(mw_buf_append(&set, own.data, own.len), 0); /* all well-known files, twice */
  assert_int_equal(mw_buf_append(&set, own.data, own.len), 0);
  assert_int_equal(mw_pool_new(&pool, mw_buf_slice(&set), NULL), 0);
  mw_pool_unref(pool);
  mw_buf_fini(&set);
  set = encode_set(
      "file { name: 'third_party/empty.proto' package: 'google.protobuf' syntax: 'proto3' "
      "message_type { name: 'Empty' } }");
  assert_int_equal(mw_pool_new(&pool, mw_buf_slice(&set), NULL), 0);
  assert_string_equal(mw_pool_message(pool, "google.protobuf.Empty")->file, "third_party/empty.proto");
  mw_pool_unref(pool);
  mw_buf_fini(&set);
}

static void test_ignores_a_file_given_twice(void **state) {
  struct mw_pool *pool = NULL;
  /* The second copy has source information, as from another run of protoc. */
  struct mw_buf set = encode_set(
      "file { name: 'a.proto' package: 'p' message_type { name: 'M' } }"
      "file { name: 'a.proto' package: 'p' message_type { name: 'M' } "
      "       source_code_info { location { path: 4 span: 1 } } }");
  assert_int_equal(mw_pool_new(&pool, mw_buf_slice(&set), NULL), 0);
  assert_non_null(mw_pool_message(pool, "p.M"));
  mw_pool_unref(pool);
  mw_buf_fini(&set);
}

static void test_describes_fields(void **state) {
  struct mw_pool *pool = load("proto/kinds");
  const struct mw_message_type *scalars = mw_pool_message(pool, "kinds3.Scalars");
  assert_int_equal(scalars->n_fields, 17);
  assert_string_equal(scalars->file, "kinds3.proto");
  static const char *const types[] = {"double",   "float",    "int64",  "uint64", "int32",         "fixed64",
                                      "fixed32",  "bool",     "string", "bytes",  "uint32",        "kinds3.Color",
                                      "sfixed32", "sfixed64", "sint32", "sint64", "kinds3.Scalars"};
  for (size_t i = 0; i < 17; i++) {
    const struct mw_field *field = &scalars->fields[i];
    assert_int_equal(field->number, i + 1);
    assert_string_equal(mw_field_type_name(field), types[i]);
    assert_int_equal(field->has_presence, field->kind == MW_KIND_MESSAGE);
    assert_ptr_equal(mw_field_by_number(scalars, (uint32_t)i + 1), field);
    assert_ptr_equal(mw_field_by_name(scalars, mw_slice_str(field->name)), field);
    assert_ptr_equal(mw_field_by_json_name(scalars, mw_slice_str(field->json_name)), field);
    assert_ptr_equal(mw_field_by_json_name(scalars, mw_slice_str(field->name)), field);
    assert_ptr_equal(protobuf_c_message_descriptor_get_field(scalars->desc, (unsigned)i + 1), field->desc);
    assert_ptr_equal(protobuf_c_message_descriptor_get_field_by_name(scalars->desc, field->name), field->desc);
  }
  assert_null(mw_field_by_number(scalars, 0));
  assert_null(mw_field_by_number(scalars, 18));
  assert_null(mw_field_by_name(scalars, mw_slice_str("f_doubl")));
  assert_null(mw_field_by_name(scalars, mw_slice(NULL, 0)));
  assert_string_equal(field_of(pool, "kinds3.Scalars", "f_double")->json_name, "fDouble");
  assert_string_equal(field_of(pool, "kinds3.Choice", "at")->json_name, "when");

  assert_true(field_of(pool, "kinds3.Repeated", "f_int64")->packed);
  assert_true(field_of(pool, "kinds3.Repeated", "f_color")->packed);
  assert_false(field_of(pool, "kinds3.Repeated", "f_string")->packed);
  assert_false(field_of(pool, "kinds3.Repeated", "f_inner")->packed);
  assert_false(field_of(pool, "kinds3.Repeated", "unpacked")->packed);
  assert_ptr_equal(mw_field_by_number(mw_pool_message(pool, "kinds3.Repeated"), 101),
                   field_of(pool, "kinds3.Repeated", "counts"));
  const struct mw_field *counts = field_of(pool, "kinds3.Repeated", "counts");
  assert_true(counts->map && counts->repeated && counts->message->map_entry);
  mw_pool_unref(pool);
}

static void test_describes_oneofs(void **state) {
  struct mw_pool *pool = load("proto/kinds");
  const struct mw_message_type *choice = mw_pool_message(pool, "kinds3.Choice");
  assert_int_equal(choice->n_oneofs, 2); /* without the synthetic one of `optional` */
  assert_string_equal(choice->oneofs[0].name, "what");
  assert_int_equal(choice->oneofs[0].n_members, 4);
  assert_string_equal(choice->oneofs[0].members[3]->name, "flag");
  assert_ptr_equal(choice->oneofs[1].members[0]->oneof, &choice->oneofs[1]);
  const struct mw_field *maybe = field_of(pool, "kinds3.Choice", "maybe");
  assert_true(maybe->has_presence);
  assert_null(maybe->oneof);
  mw_pool_unref(pool);
}

static void test_describes_enums(void **state) {
  struct mw_pool *pool = load("proto/kinds");
  const struct mw_enum_type *color = mw_pool_enum(pool, "kinds3.Color");
  assert_false(color->closed);
  assert_int_equal(color->n_values, 4);
  assert_string_equal(color->values[2].name, "CRIMSON");
  assert_string_equal(mw_enum_by_number(color, 1)->name, "RED"); /* the first of two names */
  assert_string_equal(mw_enum_by_number(color, -5)->name, "BLUE");
  assert_null(mw_enum_by_number(color, 2));
  assert_null(mw_enum_by_number(color, INT32_MIN));
  assert_int_equal(mw_enum_by_name(color, mw_slice_str("CRIMSON"))->number, 1);
  assert_null(mw_enum_by_name(color, mw_slice_str("red")));
  assert_int_equal(protobuf_c_enum_descriptor_get_value_by_name(color->desc, "CRIMSON")->value, 1);
  assert_int_equal(protobuf_c_enum_descriptor_get_value(color->desc, -5)->value, -5);
  assert_null(protobuf_c_enum_descriptor_get_value(color->desc, 2));
  assert_true(mw_pool_enum(pool, "kinds2.Level")->closed);
  mw_pool_unref(pool);
}

static void test_describes_proto2(void **state) {
  struct mw_pool *pool = load("proto/kinds");
  assert_int_equal(*(const int32_t *)field_of(pool, "kinds2.Defaults", "i32")->default_value, -42);
  assert_true(*(const uint64_t *)field_of(pool, "kinds2.Defaults", "u64")->default_value == UINT64_MAX);
  assert_true(*(const double *)field_of(pool, "kinds2.Defaults", "d")->default_value > 1e308);
  assert_true(*(const float *)field_of(pool, "kinds2.Defaults", "f")->default_value == 1.5f);
  assert_true(*(const protobuf_c_boolean *)field_of(pool, "kinds2.Defaults", "b")->default_value);
  assert_true(*(const int64_t *)field_of(pool, "kinds2.Defaults", "s64")->default_value == INT64_MIN);
  const ProtobufCBinaryData *text = field_of(pool, "kinds2.Defaults", "s")->default_value;
  assert_int_equal(text->len, 13);
  assert_memory_equal(text->data, "a \"quoted\" \xc3\xa4", 13);
  const ProtobufCBinaryData *raw = field_of(pool, "kinds2.Defaults", "raw")->default_value;
  assert_int_equal(raw->len, 4);
  assert_memory_equal(raw->data, "\x01\xff\n\\", 4);
  assert_int_equal(*(const int32_t *)field_of(pool, "kinds2.Defaults", "level")->default_value, 7);
  assert_int_equal(*(const int32_t *)field_of(pool, "kinds2.Defaults", "first")->default_value, 3);
  assert_null(field_of(pool, "kinds2.Defaults", "plain")->default_value);
  assert_int_equal(*(const int32_t *)field_of(pool, "kinds2.Defaults", "one")->default_value, 1);
  assert_null(field_of(pool, "kinds2.Defaults", "one")->desc->default_value);
  assert_true(field_of(pool, "kinds2.Defaults", "plain")->has_presence);
  assert_false(field_of(pool, "kinds2.Defaults", "unpacked")->packed);
  assert_true(field_of(pool, "kinds2.Defaults", "packed")->packed);

  assert_true(field_of(pool, "kinds2.Needy", "name")->required);
  assert_true(mw_pool_message(pool, "kinds2.Holder")->has_required);
  assert_true(mw_pool_message(pool, "kinds2.Holder.ByNameEntry")->has_required);
  assert_false(mw_pool_message(pool, "kinds2.Defaults")->has_required);
  assert_int_equal(mw_pool_message(pool, "kinds2.Extended")->n_fields, 1); /* neither group nor extension */
  mw_pool_unref(pool);
}

static void test_describes_services(void **state) {
  struct mw_pool *pool = load("proto/kinds");
  const struct mw_service_type *kinds = mw_pool_service(pool, "kinds3.Kinds");
  assert_non_null(kinds);
  bool found = false;
  for (size_t i = 0; i < mw_pool_service_count(pool); i++) {
    const struct mw_service_type *service = mw_pool_service_at(pool, i);
    assert_ptr_equal(mw_pool_service(pool, service->full_name), service);
    if (i > 0) assert_true(strcmp(mw_pool_service_at(pool, i - 1)->full_name, service->full_name) < 0);
    found |= service == kinds;
  }
  assert_true(found);
  assert_int_equal(kinds->line, 70);
  assert_string_equal(kinds->file, "kinds3.proto");
  assert_int_equal(kinds->n_methods, 4);
  const struct mw_method_type *up = mw_pool_method(pool, mw_slice_str("/kinds3.Kinds/Up"));
  assert_ptr_equal(up, &kinds->methods[2]);
  assert_ptr_equal(up->service, kinds);
  assert_string_equal(up->name, "Up");
  assert_true(up->client_streaming);
  assert_false(up->server_streaming);
  assert_string_equal(up->input->full_name, "kinds3.Scalars");
  assert_string_equal(up->output->full_name, "kinds3.Repeated");
  assert_null(mw_pool_method(pool, mw_slice_str("/kinds3.Kinds/Nix")));
  assert_null(mw_pool_message(pool, "kinds3.Kinds"));
  assert_null(mw_pool_service(pool, "kinds3.Scalars"));
  mw_pool_unref(pool);
}

static void test_numbers_its_types(void **state) {
  struct mw_pool *pool = load("proto/kinds");
  for (size_t i = 0; i < mw_pool_message_count(pool); i++) assert_int_equal(mw_pool_message_at(pool, i)->index, i);
  for (size_t i = 0; i < mw_pool_enum_count(pool); i++) assert_int_equal(mw_pool_enum_at(pool, i)->index, i);
  mw_pool_unref(pool);
}

static void test_serves_reflection(void **state) {
  struct mw_pool *pool = load("proto/kinds");
  struct mw_slice file = mw_pool_file(pool, "kinds2.proto");
  assert_non_null(file.data);
  assert_non_null(memmem(file.data, file.len, "kept", 4)); /* the value of a custom option */
  static const char *const symbols[] = {
      "kinds2.Needy",         "kinds2.Needy.name",  "kinds2.Level", "kinds2.HIGH",
      "kinds2.Noted",         "kinds2.Noted.Call",  "kinds2.extra", "kinds2.Scope.inner_extra",
      "kinds2.Defaults.pick", "kinds2.Extended.Old"};
  for (size_t i = 0; i < sizeof symbols / sizeof symbols[0]; i++) {
    assert_string_equal(mw_pool_file_of_symbol(pool, symbols[i]), "kinds2.proto");
  }
  assert_null(mw_pool_file_of_symbol(pool, "kinds2.Nix"));
  assert_null(mw_pool_file(pool, "nix.proto").data);

  const int32_t *numbers;
  assert_int_equal(mw_pool_extensions(pool, "kinds2.Extended", &numbers), 2);
  assert_int_equal(numbers[0], 110);
  assert_int_equal(numbers[1], 150);
  assert_int_equal(mw_pool_extensions(pool, "kinds2.Needy", &numbers), 0);
  assert_string_equal(mw_pool_file_of_extension(pool, "google.protobuf.MethodOptions", 50001), "kinds2.proto");
  assert_null(mw_pool_file_of_extension(pool, "google.protobuf.MethodOptions", 50002));

  const char *const *imports;
  assert_int_equal(mw_pool_imports(pool, "kinds3.proto", &imports), 2);
  assert_string_equal(imports[0], "google/protobuf/timestamp.proto");
  assert_non_null(mw_pool_file(pool, imports[0]).data);
  assert_int_equal(mw_pool_imports(pool, "nix.proto", &imports), 0);
  mw_pool_unref(pool);
}

/* ---- memory ---- */

/* A pool that was created in spite of a failed allocation must be complete. */
static void assert_whole(const struct mw_pool *pool) {
  for (size_t i = 0; i < mw_pool_message_count(pool); i++) {
    const struct mw_message_type *type = mw_pool_message_at(pool, i);
    assert_ptr_equal(mw_pool_message(pool, type->full_name), type);
    assert_non_null(mw_pool_file(pool, type->file).data);
    for (size_t k = 0; k < type->n_fields; k++) {
      assert_ptr_equal(mw_field_by_name(type, mw_slice_str(type->fields[k].name)), &type->fields[k]);
      assert_non_null(mw_field_by_json_name(type, mw_slice_str(type->fields[k].json_name)));
    }
    for (size_t k = 0; k < type->n_oneofs; k++) assert_non_null(type->oneofs[k].name);
  }
  for (size_t i = 0; i < mw_pool_enum_count(pool); i++) {
    const struct mw_enum_type *type = mw_pool_enum_at(pool, i);
    for (size_t k = 0; k < type->n_values; k++) {
      assert_non_null(mw_enum_by_name(type, mw_slice_str(type->values[k].name)));
    }
  }
  for (size_t i = 0; i < mw_pool_service_count(pool); i++) {
    const struct mw_service_type *service = mw_pool_service_at(pool, i);
    for (size_t k = 0; k < service->n_methods; k++) {
      assert_non_null(service->methods[k].name);
      assert_ptr_equal(mw_pool_method(pool, mw_slice_str(service->methods[k].path)), &service->methods[k]);
    }
  }
}

static int make_and_drop(void *set) {
  struct mw_err err = MW_ERR_INIT;
  struct mw_pool *pool = NULL;
  int rc = mw_pool_new(&pool, mw_buf_slice(set), &err);
  assert_int_equal(rc == 0, pool != NULL);
  if (pool) assert_whole(pool);
  mw_pool_unref(pool);
  mw_err_fini(&err);
  return rc;
}

static void test_survives_lack_of_memory(void **state) {
  struct mw_buf set = encode_set(
      IN_FILE2("message_type { name: 'M' field { name: 'f' number: 1 type: TYPE_STRING default_value: 'x' } "
               "oneof_decl { name: 'o' } field { name: 'g' number: 2 type: TYPE_BYTES oneof_index: 0 } } "
               "service { name: 'S' method { name: 'C' input_type: '.p.M' output_type: '.p.M' } }"));
  failmalloc_sweep(make_and_drop, &set);
  mw_buf_fini(&set);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_refuses_impossible_types),
      cmocka_unit_test(test_refuses_bytes_that_are_no_set),
      cmocka_unit_test(test_refuses_unknown_numbers_of_types_and_labels),
      cmocka_unit_test(test_bounds_size),
      cmocka_unit_test(test_bounds_nesting),
      cmocka_unit_test(test_survives_damage),
      cmocka_unit_test(test_has_the_wellknown_types),
      cmocka_unit_test(test_accepts_a_copy_of_a_wellknown_file),
      cmocka_unit_test(test_ignores_a_file_given_twice),
      cmocka_unit_test(test_describes_fields),
      cmocka_unit_test(test_describes_oneofs),
      cmocka_unit_test(test_describes_enums),
      cmocka_unit_test(test_describes_proto2),
      cmocka_unit_test(test_describes_services),
      cmocka_unit_test(test_numbers_its_types),
      cmocka_unit_test(test_serves_reflection),
      cmocka_unit_test(test_survives_lack_of_memory),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
