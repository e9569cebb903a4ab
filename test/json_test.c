/* The JSON mapping, rule by rule, in both directions: protobuf.dev, "ProtoJSON Format". */
#include "json_support.h"

#include "failmalloc.h"
#include "schema/wire/write.h"

static struct mw_pool *pool;

static int open_pool(void **state) {
  pool = json_pool();
  return 0;
}

static int close_pool(void **state) {
  mw_pool_unref(pool);
  return 0;
}

static const struct mw_message_type *type_of(const char *name) {
  const struct mw_message_type *type = mw_pool_message(pool, name);
  if (!type) fail_msg("no type %s", name);
  return type;
}

/* Reads `in`, packs and unpacks the message, and asserts that it is written as `out`. */
static void check_as(const char *name, const char *in, const char *out, const struct mw_json_options *options) {
  const struct mw_message_type *type = type_of(name);
  struct mw_arena arena;
  struct mw_buf text = MW_BUF_INIT;
  struct mw_err err = MW_ERR_INIT;
  ProtobufCMessage *message = NULL, *again = NULL;
  mw_arena_init(&arena, SIZE_MAX);
  if (mw_json_read(mw_slice_str(in), pool, type, options, &arena, &message, &err) != 0)
    fail_msg("reading %s: %s", in, mw_err_text(&err));
  size_t size = mw_message_size(message);
  uint8_t *bytes = mw_arena_alloc(&arena, size);
  mw_message_pack(message, bytes);
  if (mw_message_unpack(type, mw_slice(bytes, size), &arena, &again, &err) != 0)
    fail_msg("unpacking %s: %s", in, mw_err_text(&err));
  if (mw_json_write(&text, pool, type, again, options, &err) != 0) fail_msg("writing %s: %s", in, mw_err_text(&err));
  assert_string_equal(mw_buf_str(&text), out);
  mw_buf_fini(&text);
  mw_arena_fini(&arena);
}

static void check(const char *in, const char *out) { check_as("json.All", in, out, NULL); }
static void same(const char *text) { check(text, text); }

/* Asserts that reading `in` fails with exactly these words. */
static void refuse_as(const char *name, const char *in, const char *words, const struct mw_json_options *options) {
  struct mw_arena arena;
  struct mw_err err = MW_ERR_INIT;
  ProtobufCMessage *message = NULL;
  mw_arena_init(&arena, SIZE_MAX);
  int rc = mw_json_read(mw_slice_str(in), pool, type_of(name), options, &arena, &message, &err);
  if (rc == 0) fail_msg("%s was taken", in);
  assert_string_equal(mw_err_text(&err), words);
  assert_null(message);
  mw_err_fini(&err);
  mw_arena_fini(&arena);
}

static void refuse(const char *in, const char *words) { refuse_as("json.All", in, words, NULL); }

/* ---- scalars ---- */

static void test_integers(void **state) {
  check("{\"fInt32\": 1e5}", "{\"fInt32\":100000}");
  check("{\"fInt32\": 100000.000}", "{\"fInt32\":100000}");
  check("{\"fInt32\": \"-12\"}", "{\"fInt32\":-12}");
  check("{\"fInt32\": \"1e2\"}", "{\"fInt32\":100}");
  check("{\"fInt32\": -2.147483648e9}", "{\"fInt32\":-2147483648}");
  check("{\"fInt32\": 0e99999999999, \"fUint64\": -0}", "{}");
  check("{\"fInt64\": -9223372036854775808}", "{\"fInt64\":\"-9223372036854775808\"}");
  check("{\"fUint64\": 18446744073709551615}", "{\"fUint64\":\"18446744073709551615\"}");
  same(
      "{\"fFixed64\":\"1\",\"fFixed32\":4294967295,\"fSfixed32\":-1,\"fSfixed64\":\"-1\",\"fSint32\":-5,"
      "\"fSint64\":\"-6\"}");
  refuse("{\"fInt32\": 2147483648}", "1:12: json.All.f_int32: expected int32, got 2147483648 (out of range)");
  refuse("{\"fInt32\": 1.5}", "1:12: json.All.f_int32: expected int32, got 1.5 (not an integer)");
  refuse("{\"fInt32\": 1e-1}", "1:12: json.All.f_int32: expected int32, got 1e-1 (not an integer)");
  refuse("{\"fInt64\": 9223372036854775808}",
         "1:12: json.All.f_int64: expected int64, got 9223372036854775808 (out of range)");
  refuse("{\"fUint64\": 18446744073709551616}",
         "1:13: json.All.f_uint64: expected uint64, got 18446744073709551616 (out of range)");
  refuse("{\"fUint32\": -1}", "1:13: json.All.f_uint32: expected uint32, got -1 (out of range)");
  refuse("{\"fInt32\": \"\"}", "1:12: json.All.f_int32: expected int32, got \"\"");
  refuse("{\"fInt32\": \" 1\"}", "1:12: json.All.f_int32: expected int32, got \" 1\"");
  refuse("{\"fInt32\": \"12x\"}", "1:12: json.All.f_int32: expected int32, got \"12x\"");
  refuse("{\"fInt32\": true}", "1:12: json.All.f_int32: expected int32, got true");
  refuse("{\"fInt32\": [1]}", "1:12: json.All.f_int32: expected int32, got an array");
}

static void test_reals(void **state) {
  same("{\"fDouble\":0.1,\"fFloat\":0.1}");
  same("{\"fDouble\":5e-324,\"fFloat\":1e-45}");
  same("{\"fDouble\":1.7976931348623157e+308,\"fFloat\":3.4028235e+38}");
  same("{\"fDouble\":-0.0,\"fFloat\":-0.0}");
  same("{\"fDouble\":\"NaN\",\"fFloat\":\"-Infinity\"}");
  check("{\"fDouble\": \"1.5\", \"fFloat\": 1e2}", "{\"fDouble\":1.5,\"fFloat\":100}");
  refuse("{\"fDouble\": 1e309}", "1:13: json.All.f_double: expected double, got 1e309 (out of range)");
  refuse("{\"fFloat\": 3.5e38}", "1:12: json.All.f_float: expected float, got 3.5e38 (out of range)");
  refuse("{\"fDouble\": \"nan\"}", "1:13: json.All.f_double: expected double, got \"nan\"");
  refuse("{\"fDouble\": NaN}", "1:13: expected a value, got 'N'");
}

/* Escapes are decoded before a string is read as any type. */
static void test_escapes(void **state) {
  check("{\"fDouble\": \"N\\u0061N\", \"fFloat\": \"-Infin\\u0069ty\"}",
        "{\"fDouble\":\"NaN\",\"fFloat\":\"-Infinity\"}");
  check("{\"rDouble\": [\"\\u0049nfinity\", \"\\u0031.5\"], \"wFloat\": \"\\u004eaN\"}",
        "{\"rDouble\":[\"Infinity\",1.5],\"wFloat\":\"NaN\"}");
  check("{\"fInt32\": \"\\u0031\", \"fUint64\": \"1\\u0065\\u0031\"}", "{\"fUint64\":\"10\",\"fInt32\":1}");
  check("{\"fBytes\": \"A\\u0041\\u003d=\", \"fEnum\": \"\\u0048IGH\"}", "{\"fBytes\":\"AA==\",\"fEnum\":\"HIGH\"}");
  check("{\"mBool\": {\"tr\\u0075e\": 1, \"\\u0066alse\": 3}}", "{\"mBool\":{\"true\":\"LOW\",\"false\":\"HIGH\"}}");
  check("{\"mInt32\": {\"\\u002d1\": \"\"}, \"mUint64\": {\"\\u0031\": \"\"}}",
        "{\"mInt32\":{\"-1\":\"\"},\"mUint64\":{\"1\":\"\"}}");
  check("{\"timestamp\": \"1970-01-01\\u005400:00:00Z\", \"duration\": \"\\u0031s\", \"mask\": \"a\\u002cb\"}",
        "{\"timestamp\":\"1970-01-01T00:00:00Z\",\"duration\":\"1s\",\"mask\":\"a,b\"}");
  check("{\"any\": {\"\\u0040type\": \"t\\u002fjson.All\", \"\\u0066Int32\": 1}}",
        "{\"any\":{\"@type\":\"t/json.All\",\"fInt32\":1}}");
  refuse("{\"mBool\": {\"true\": 1, \"tr\\u0075e\": 1}}",
         "1:23: json.All.m_bool[\"tr\\u0075e\"]: this key is given twice");
}

static void test_bool_string_bytes(void **state) {
  same("{\"fBool\":true,\"fString\":\"Gr\u00fc\u00dfe \\\" \\\\ \\n \\u0001\",\"fBytes\":\"AP/+\"}");
  check("{\"fString\": \"\\ud83d\\ude00\\u00e9\\/\\u0000\"}", "{\"fString\":\"\U0001f600\u00e9/\\u0000\"}");
  check("{\"fBytes\": \"-_8\"}", "{\"fBytes\":\"+/8=\"}");
  refuse("{\"fBool\": \"true\"}", "1:11: json.All.f_bool: expected true or false, got \"true\"");
  refuse("{\"fBool\": 1}", "1:11: json.All.f_bool: expected true or false, got 1");
  refuse("{\"fString\": 5}", "1:13: json.All.f_string: expected string, got 5");
  refuse("{\"fBytes\": \"a b\"}", "1:12: json.All.f_bytes: expected bytes in base64, got \"a b\"");
}

static void test_enums(void **state) {
  same("{\"fEnum\":\"HIGH\"}");
  check("{\"fEnum\": 3}", "{\"fEnum\":\"HIGH\"}");
  same("{\"fEnum\":-7000}");
  check("{\"fEnum\": \"PRIORITY_UNSPECIFIED\"}", "{}");
  refuse("{\"fEnum\": \"HIHG\"}",
         "1:11: json.All.f_enum: expected json.Priority, got \"HIHG\" (did you mean \"HIGH\"?)");
  refuse("{\"fEnum\": \"somethingelse\"}", "1:11: json.All.f_enum: expected json.Priority, got \"somethingelse\"");
  refuse("{\"fEnum\": 1.5}", "1:11: json.All.f_enum: expected json.Priority, got 1.5 (not an integer)");
  refuse("{\"fEnum\": {}}", "1:11: json.All.f_enum: expected json.Priority, got an object");
}

/* ---- presence, names ---- */

static void test_presence(void **state) {
  same("{\"maybeInt\":0,\"maybeString\":\"\",\"maybeEnum\":\"PRIORITY_UNSPECIFIED\"}");
  check("{\"fInt32\": 0, \"fString\": \"\", \"fBool\": false, \"rInt64\": [], \"mString\": {}}", "{}");
  check(
      "{\"fInt32\": null, \"inner\": null, \"rInt64\": null, \"mString\": null, \"fEnum\": null, \"wInt64\": null,"
      "\"timestamp\": null, \"cInt\": null, \"structure\": null}",
      "{}");
  same("{\"inner\":{\"inner\":{}}}");
}

static void test_names(void **state) {
  check("{\"f_int32\": 1, \"fBool\": true, \"@other\": \"a\"}", "{\"fInt32\":1,\"fBool\":true,\"@other\":\"a\"}");
  check("{\"renamed\": \"a\", \"f_\\u0069nt32\": 1}", "{\"fInt32\":1,\"@other\":\"a\"}");
  check_as("json.All", "{\"fInt32\":1}", "{\"f_int32\":1}", &(struct mw_json_options){.proto_names = true});
  refuse("{\"fint32\": 1}", "1:2: json.All: json.All has no field \"fint32\" (did you mean \"fInt32\"?)");
  refuse("{\"inner\": {\n  \"qwertyuiop\": 1}}", "2:3: json.All.inner: json.All has no field \"qwertyuiop\"");
  refuse("{\"fInt32\": 1, \"f_int32\": 2}", "1:15: json.All: the field \"f_int32\" is given twice");
  refuse("{\"fInt32\": null, \"fInt32\": null}", "1:18: json.All: the field \"f_int32\" is given twice");
}

static void test_ignoring_unknown(void **state) {
  const struct mw_json_options lenient = {.ignore_unknown = true};
  check_as("json.All", "{\"x\": {\"y\": [1, {\"z\": null}]}, \"fInt32\": 1, \"w\": \"]}\"}", "{\"fInt32\":1}",
           &lenient);
  check_as("json.All", "{\"fEnum\": \"NEW\", \"rEnum\": [\"LOW\", \"NEW\", \"HIGH\"], \"mBool\": {\"true\": \"NEW\"}}",
           "{\"rEnum\":[\"LOW\",\"HIGH\"]}", &lenient);
  refuse_as("json.All", "{\"x\": [}", "1:8: expected a value, got '}'", &lenient);
}

static void test_defaults_are_written_on_demand(void **state) {
  struct mw_buf out = MW_BUF_INIT;
  struct mw_arena arena;
  mw_arena_init(&arena, SIZE_MAX);
  const struct mw_message_type *type = type_of("google.protobuf.Timestamp");
  const struct mw_json_options all = {.defaults = true};
  assert_int_equal(mw_json_write(&out, pool, type, mw_message_new(type, &arena), &all, NULL), 0);
  assert_string_equal(mw_buf_str(&out), "\"1970-01-01T00:00:00Z\"");
  mw_buf_clear(&out);
  type = type_of("google.rpc.Status");
  assert_int_equal(mw_json_write(&out, pool, type, mw_message_new(type, &arena), &all, NULL), 0);
  assert_string_equal(mw_buf_str(&out), "{\"code\":0,\"message\":\"\",\"details\":[]}");
  mw_buf_fini(&out);
  mw_arena_fini(&arena);
}

static void test_indent(void **state) {
  check_as("json.All", "{\"inner\":{},\"rInt64\":[1,2],\"mString\":{\"a\":\"b\"}}",
           "{\n  \"inner\": {},\n  \"rInt64\": [\n    \"1\",\n    \"2\"\n  ],\n"
           "  \"mString\": {\n    \"a\": \"b\"\n  }\n}",
           &(struct mw_json_options){.indent = 2});
}

/* ---- lists, maps, oneofs ---- */

static void test_lists(void **state) {
  same(
      "{\"rDouble\":[1.5,\"NaN\"],\"rInt64\":[\"1\",\"-2\",\"3\",\"4\",\"5\"],\"rBool\":[true,false],"
      "\"rString\":[\"\",\"a\"],\"rBytes\":[\"\",\"AA==\"],\"rEnum\":[\"LOW\",9],\"rInner\":[{},{\"fInt32\":1}]}");
  refuse("{\"rInt64\": [1, null]}", "1:16: json.All.r_int64[1]: expected int64, got null");
  refuse("{\"rInner\": [{\"fBool\": 3}]}", "1:23: json.All.r_inner[0].f_bool: expected true or false, got 3");
  refuse("{\"rInner\": [null]}", "1:13: json.All.r_inner[0]: expected json.All, got null");
  refuse("{\"rInt64\": 1}", "1:12: json.All.r_int64: expected an array, got 1");
  refuse("{\"rInner\": {}}", "1:12: json.All.r_inner: expected an array, got an object");
}

static void test_maps(void **state) {
  same(
      "{\"mString\":{\"\":\"a\",\"k\\n\":\"\"},\"mInt32\":{\"-1\":\"a\"},"
      "\"mInt64\":{\"9223372036854775807\":{\"fInt32\":1}},"
      "\"mUint32\":{\"4294967295\":1.5},\"mUint64\":{\"18446744073709551615\":\"AA==\"},"
      "\"mBool\":{\"true\":\"HIGH\",\"false\":\"LOW\"}}");
  same("{\"mInt32\":{\"0\":\"\"},\"mInt64\":{\"0\":{}}}");
  refuse("{\"mString\": {\"a\": \"1\", \"\\u0061\": \"2\"}}",
         "1:24: json.All.m_string[\"\\u0061\"]: this key is given twice");
  refuse("{\"mInt32\": {\"1\": \"\", \"1.0\": \"\"}}", "1:22: json.All.m_int32[\"1.0\"]: this key is given twice");
  refuse("{\"mInt32\": {\"x\": \"\"}}", "1:13: json.All.m_int32[\"x\"]: expected int32, got \"x\"");
  refuse("{\"mBool\": {\"1\": 1}}", "1:12: json.All.m_bool[\"1\"]: expected \"true\" or \"false\", got \"1\"");
  refuse("{\"mString\": {\"a\": null}}", "1:19: json.All.m_string[\"a\"]: expected string, got null");
  refuse("{\"mString\": []}", "1:13: json.All.m_string: expected an object, got an array");
}

/* Bytes may have a key twice, JSON may not: the last entry is written. */
static void test_map_from_bytes_with_a_key_twice(void **state) {
  static const uint8_t bytes[] = "\xa2\x03\x04\x08\x01\x12\x00\xa2\x03\x05\x08\x01\x12\x01y\xa2\x03\x00";
  struct mw_arena arena;
  struct mw_buf out = MW_BUF_INIT;
  ProtobufCMessage *message = NULL;
  mw_arena_init(&arena, SIZE_MAX);
  const struct mw_message_type *type = type_of("json.All");
  assert_int_equal(mw_message_unpack(type, mw_slice(bytes, sizeof bytes - 1), &arena, &message, NULL), 0);
  assert_int_equal(mw_json_write(&out, pool, type, message, NULL, NULL), 0);
  assert_string_equal(mw_buf_str(&out), "{\"mInt32\":{\"1\":\"y\",\"0\":\"\"}}");
  mw_buf_fini(&out);
  mw_arena_fini(&arena);
}

static void test_oneofs(void **state) {
  same("{\"cInt\":0}");
  same("{\"cString\":\"\"}");
  same("{\"cInner\":{}}");
  same("{\"cNull\":null}");
  same("{\"cValue\":null}");
  check("{\"cInt\": null, \"cString\": \"a\"}", "{\"cString\":\"a\"}");
  refuse("{\"cInt\": 1, \"cString\": \"a\"}",
         "1:24: json.All.c_string: the oneof \"choice\" is already set by \"c_int\"");
  refuse("{\"cNull\": null, \"cInner\": {}}",
         "1:27: json.All.c_inner: the oneof \"choice\" is already set by \"c_null\"");
}

/* ---- well-known types ---- */

static void test_times(void **state) {
  same("{\"timestamp\":\"2026-11-21T10:33:54.123Z\",\"duration\":\"-1.500s\"}");
  check("{\"timestamp\": \"1970-01-01T01:00:00+01:00\", \"duration\": \"0s\"}",
        "{\"timestamp\":\"1970-01-01T00:00:00Z\",\"duration\":\"0s\"}");
  same("{\"rTimestamp\":[\"0001-01-01T00:00:00Z\",\"9999-12-31T23:59:59.999999999Z\"]}");
  refuse("{\"timestamp\": \"yesterday\"}",
         "1:15: json.All.timestamp: expected an RFC 3339 time of the years 1 to 9999, got \"yesterday\"");
  refuse("{\"timestamp\": 5}", "1:15: json.All.timestamp: expected an RFC 3339 time of the years 1 to 9999, got 5");
  refuse("{\"duration\": \"1.5\"}",
         "1:14: json.All.duration: expected a duration in seconds like \"1.5s\", got \"1.5\"");
}

static void test_field_mask(void **state) {
  same("{\"mask\":\"a,fooBar.bazQux\"}");
  same("{\"mask\":\"\"}");
  refuse("{\"mask\": \"foo_bar\"}",
         "1:10: json.All.mask: expected field paths in lowerCamelCase, separated by commas, got \"foo_bar\"");
  refuse("{\"mask\": \"a,,b\"}",
         "1:10: json.All.mask: expected field paths in lowerCamelCase, separated by commas, got \"a,,b\"");
}

static void test_struct(void **state) {
  same("{\"structure\":{\"a\":1,\"b\":[null,true,\"x\",{\"c\":{}}],\"d\":[]}}");
  same("{\"structure\":{},\"list\":[]}");
  same("{\"value\":null,\"rValue\":[null,1.5,[]],\"mValue\":{\"a\":null}}");
  same("{\"value\":{\"a\":[1]},\"list\":[1,[2]]}");
  check("{\"nullValue\": null}", "{}");
  check("{\"nullValue\": \"NULL_VALUE\"}", "{}");
  refuse("{\"structure\": {\"a\": 1, \"a\": 2}}", "1:24: json.All.structure[\"a\"]: this key is given twice");
  refuse("{\"structure\": [1]}", "1:15: json.All.structure: expected an object, got an array");
  refuse("{\"value\": 1e400}", "1:11: json.All.value: expected double, got 1e400 (out of range)");
}

static void test_wrappers(void **state) {
  same(
      "{\"wDouble\":0,\"wFloat\":1.5,\"wInt64\":\"-1\",\"wUint64\":\"18446744073709551615\",\"wInt32\":0,"
      "\"wUint32\":7,\"wBool\":false,\"wString\":\"\",\"wBytes\":\"AA==\"}");
  same("{\"rWInt64\":[\"0\",\"5\"]}");
  refuse("{\"rWInt64\": [null]}", "1:14: json.All.r_w_int64[0]: expected google.protobuf.Int64Value, got null");
  refuse("{\"wBool\": 1}", "1:11: json.All.w_bool: expected true or false, got 1");
  refuse_as("google.protobuf.Int64Value", "null", "1:1: google.protobuf.Int64Value: expected int64, got null", NULL);
}

static void test_any(void **state) {
  same("{\"any\":{\"@type\":\"type.googleapis.com/json.All\",\"fInt32\":1,\"inner\":{}}}");
  check("{\"any\": {\"fInt32\": 1, \"@type\": \"x/json.All\"}}", "{\"any\":{\"@type\":\"x/json.All\",\"fInt32\":1}}");
  same("{\"any\":{\"@type\":\"t/google.protobuf.Duration\",\"value\":\"1.500s\"}}");
  same(
      "{\"any\":{\"@type\":\"t/google.protobuf.Any\","
      "\"value\":{\"@type\":\"t/google.protobuf.Value\",\"value\":null}}}");
  same("{\"any\":{\"@type\":\"t/google.protobuf.Empty\"}}");
  same("{\"any\":{},\"empty\":{}}");
  refuse("{\"any\": {\"fInt32\": 1}}", "1:9: json.All.any: expected \"@type\" in the object, got an object");
  refuse("{\"any\": {\"@type\": \"json.All\"}}",
         "1:9: json.All.any: expected a type URL like \"type.googleapis.com/package.Message\", got \"json.All\"");
  refuse("{\"any\": {\"@type\": \"t/no.Such\"}}",
         "1:9: json.All.any: the schema has no message type \"no.Such\", which \"@type\" names");
  refuse("{\"any\": {\"@type\": \"t/json.All\", \"@type\": \"t/json.All\"}}",
         "1:33: json.All.any: \"@type\" is given twice");
  refuse("{\"any\": {\"@type\": \"t/json.All\", \"fInt32\": {}}}",
         "1:43: json.All.any[json.All].f_int32: expected int32, got an object");
  refuse("{\"any\": {\"@type\": \"t/google.protobuf.Duration\"}}",
         "1:47: json.All.any[google.protobuf.Duration]: "
         "a google.protobuf.Duration in an Any needs the member \"value\"");
  refuse("{\"any\": {\"@type\": \"t/google.protobuf.Duration\", \"seconds\": 1}}",
         "1:49: json.All.any[google.protobuf.Duration]: expected \"@type\" and \"value\" alone, got \"seconds\"");
  refuse("{\"empty\": {\"a\": 1}}", "1:12: json.All.empty: google.protobuf.Empty has no field \"a\"");
}

/* ---- proto2 ---- */

static void test_proto2(void **state) {
  check_as("json.Legacy", "{\"name\": \"\", \"count\": 0, \"closed\": 2}",
           "{\"name\":\"\",\"count\":0,\"closed\":\"TWO\"}", NULL);
  check_as("json.Legacy", "{\"name\": \"a\"}", "{\"name\":\"a\"}", NULL);
  refuse_as("json.Legacy", "{\"name\": \"a\", \"closed\": 5}",
            "1:25: json.Legacy.closed: expected json.Closed, got 5 (the enum is closed and has no such number)", NULL);
  struct mw_arena arena;
  struct mw_err err = MW_ERR_INIT;
  ProtobufCMessage *message = NULL;
  mw_arena_init(&arena, SIZE_MAX);
  assert_int_equal(mw_json_read(mw_slice_str("{\"name\": \"a\", \"inner\": {}}"), pool, type_of("json.Legacy"), NULL,
                                &arena, &message, &err),
                   MW_EFORMAT);
  assert_non_null(strstr(mw_err_text(&err), "json.Legacy.inner.name"));
  mw_err_fini(&err);
  mw_arena_fini(&arena);
}

static void test_extensions(void **state) {
  check_as("json.Legacy",
           "{\"[json.ext_int]\": 7, \"name\": \"a\", \"[json.ext_strings]\": [\"x\", \"y\"], "
           "\"[json.ext_packed]\": [\"1\", 2], \"[json.ext_enum]\": \"TWO\", \"[json.Scope.ext_bytes]\": \"AA==\", "
           "\"[json.Scope.ext_message]\": {\"name\": \"b\", \"[json.ext_int]\": 0}}",
           "{\"name\":\"a\",\"[json.ext_int]\":7,\"[json.ext_strings]\":[\"x\",\"y\"],"
           "\"[json.ext_packed]\":[\"1\",\"2\"],\"[json.ext_enum]\":\"TWO\","
           "\"[json.Scope.ext_message]\":{\"name\":\"b\",\"[json.ext_int]\":0},\"[json.Scope.ext_bytes]\":\"AA==\"}",
           NULL);
  check_as("json.Legacy", "{\"name\": \"a\", \"[json.ext_strings]\": [], \"[json.ext_int]\": null}", "{\"name\":\"a\"}",
           NULL);
  check_as("json.Legacy", "{\"name\": \"a\", \"inner\": {\"name\": \"b\", \"[json.\\u0065xt_int]\": 1}}",
           "{\"name\":\"a\",\"inner\":{\"name\":\"b\",\"[json.ext_int]\":1}}", NULL);
  check("{\"any\": {\"@type\": \"t/json.Legacy\", \"name\": \"a\", \"[json.ext_int]\": 1}}",
        "{\"any\":{\"@type\":\"t/json.Legacy\",\"name\":\"a\",\"[json.ext_int]\":1}}");
  refuse_as("json.Legacy", "{\"[json.ext_int]\": 1, \"[json.ext_int]\": 2}",
            "1:23: json.Legacy: the extension \"[json.ext_int]\" is given twice", NULL);
  refuse_as("json.Legacy", "{\"[json.ext_int]\": true}", "1:20: json.Legacy.[json.ext_int]: expected int32, got true",
            NULL);
  refuse_as("json.Legacy", "{\"[json.ext_strings]\": [1]}",
            "1:25: json.Legacy.[json.ext_strings][0]: expected string, got 1", NULL);
  refuse_as("json.Legacy", "{\"[json.nix]\": 1}", "1:2: json.Legacy: json.Legacy has no field \"[json.nix]\"", NULL);
  refuse_as("json.Legacy", "{\"[json.extgroup]\": {}}",
            "1:2: json.Legacy: json.Legacy has no field \"[json.extgroup]\"", NULL);
  refuse_as("json.Scope", "{\"[json.ext_int]\": 1}", "1:2: json.Scope: json.Scope has no field \"[json.ext_int]\"",
            NULL);
  refuse_as("json.Scope", "{\"[json.Scope.a]\": 1}", "1:2: json.Scope: json.Scope has no field \"[json.Scope.a]\"",
            NULL);
  refuse_as("json.Legacy", "{\"name\": \"a\", \"[json.Scope.ext_message]\": {}}",
            "json.Legacy.[json.Scope.ext_message].name: required field is not set", NULL);
  check_as("json.Legacy", "{\"name\": \"a\", \"[json.nix]\": [{}]}", "{\"name\":\"a\"}",
           &(struct mw_json_options){.ignore_unknown = true});
}

/* Bytes may have an extension in parts, out of order, in another wire type, and mixed with unknown fields. */
static void test_extensions_from_bytes(void **state) {
  static const uint8_t bytes[] =
      "\x0a\x01"
      "a"
      "\xaa\x06\x01y"            /* ext_strings */
      "\xa0\x06\x05"             /* ext_int */
      "\xb0\x06\x07"             /* ext_packed, one by one */
      "\xf8\x06\x01"             /* unknown, 111 */
      "\xb2\x06\x02\x08\x09"     /* ext_packed, packed */
      "\xb8\x06\x09"             /* ext_enum, an unknown value */
      "\xc3\x06\x08\x01\xc4\x06" /* the group */
      "\xaa\x06\x01z"
      "\xa0\x06\x06"
      "\xca\x3e\x00"              /* ext_bytes */
      "\xc2\x3e\x03\x0a\x01\xff"; /* ext_message, its name not UTF-8 */
  static const uint8_t bare[] =
      "\x0a\x01"
      "a"
      "\xc2\x3e\x00"; /* ext_message, without its name */
  struct mw_arena arena;
  struct mw_buf out = MW_BUF_INIT;
  ProtobufCMessage *message = NULL;
  mw_arena_init(&arena, SIZE_MAX);
  const struct mw_message_type *type = type_of("json.Legacy");
  assert_int_equal(mw_message_unpack(type, mw_slice(bytes, sizeof bytes - 1), &arena, &message, NULL), 0);
  assert_int_equal(mw_json_write(&out, pool, type, message, NULL, NULL), 0);
  assert_string_equal(mw_buf_str(&out),
                      "{\"name\":\"a\",\"[json.ext_int]\":6,\"[json.ext_strings]\":[\"y\",\"z\"],"
                      "\"[json.ext_packed]\":[\"7\",\"8\",\"9\"],\"[json.Scope.ext_bytes]\":\"\"}");
  mw_buf_clear(&out);
  assert_int_equal(mw_message_unpack(type, mw_slice(bare, sizeof bare - 1), &arena, &message, NULL), 0);
  assert_int_equal(mw_json_write(&out, pool, type, message, NULL, NULL), 0);
  assert_string_equal(mw_buf_str(&out), "{\"name\":\"a\"}");
  mw_buf_fini(&out);
  mw_arena_fini(&arena);
}

/* ---- messages that cannot be written ---- */

/* Asserts that writing the message `bytes` of type `name` fails with these words and leaves the output alone. */
static void refuse_bytes(const char *name, const char *bytes, size_t len, int code, const char *words) {
  struct mw_arena arena;
  struct mw_buf out = MW_BUF_INIT;
  struct mw_err err = MW_ERR_INIT;
  ProtobufCMessage *message = NULL;
  const struct mw_message_type *type = type_of(name);
  mw_arena_init(&arena, SIZE_MAX);
  assert_int_equal(mw_message_unpack(type, mw_slice(bytes, len), &arena, &message, NULL), 0);
  assert_int_equal(mw_buf_puts(&out, "before"), 0);
  assert_int_equal(mw_json_write(&out, pool, type, message, NULL, &err), code);
  assert_string_equal(mw_err_text(&err), words);
  assert_string_equal(mw_buf_str(&out), "before");
  mw_err_fini(&err);
  mw_buf_fini(&out);
  mw_arena_fini(&arena);
}
#define REFUSE_BYTES(name, bytes, words) refuse_bytes(name, bytes, sizeof bytes - 1, MW_EFORMAT, words)

static void test_unwritable_messages(void **state) {
  REFUSE_BYTES("google.protobuf.Timestamp", "\x10\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01",
               "google.protobuf.Timestamp: 0 seconds and -1 nanos are out of range for google.protobuf.Timestamp");
  REFUSE_BYTES("google.protobuf.Duration", "\x08\x01\x10\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01",
               "google.protobuf.Duration: 1 seconds and -1 nanos are out of range for google.protobuf.Duration");
  REFUSE_BYTES("google.protobuf.FieldMask",
               "\x0a\x03"
               "a_1",
               "google.protobuf.FieldMask: the path \"a_1\" has no form in lowerCamelCase");
  REFUSE_BYTES("google.protobuf.FieldMask",
               "\x0a\x02"
               "aB",
               "google.protobuf.FieldMask: the path \"aB\" has no form in lowerCamelCase");
  REFUSE_BYTES("google.protobuf.FieldMask",
               "\x0a\x02"
               "a_",
               "google.protobuf.FieldMask: the path \"a_\" has no form in lowerCamelCase");
  REFUSE_BYTES("google.protobuf.Value", "", "google.protobuf.Value: a google.protobuf.Value without a value");
  REFUSE_BYTES("google.protobuf.Value", "\x11\0\0\0\0\0\0\xf0\x7f",
               "google.protobuf.Value: a google.protobuf.Value cannot hold NaN or infinity");
  REFUSE_BYTES("google.protobuf.Any", "\x0a\x04t/no",
               "google.protobuf.Any: the schema has no message type for the Any \"no\"");
  REFUSE_BYTES("google.protobuf.Any", "\x12\x01x", "google.protobuf.Any: an Any with a value and without a type URL");
}

static void test_any_within_any_ends(void **state) {
  struct mw_buf inner = MW_BUF_INIT;
  static const char url[] = "t/google.protobuf.Any";
  for (int i = 0; i < 120; i++) {
    struct mw_buf outer = MW_BUF_INIT;
    mw_buf_printf(&outer, "\x0a%c%s\x12", (int)sizeof url - 1, url);
    mw_wire_put_varint(&outer, inner.len);
    mw_buf_append(&outer, inner.data, inner.len);
    mw_buf_fini(&inner);
    inner = outer;
  }
  refuse_bytes("google.protobuf.Any", (const char *)inner.data, inner.len, MW_ELIMIT,
               "google.protobuf.Any: nested deeper than 100 messages");
  mw_buf_fini(&inner);
}

/* ---- limits ---- */

static void test_budget(void **state) {
  struct mw_arena arena;
  struct mw_err err = MW_ERR_INIT;
  ProtobufCMessage *message = NULL;
  mw_arena_init(&arena, 4000);
  assert_int_equal(mw_json_read(mw_slice_str("{\"rInner\": [{},{},{},{},{},{},{},{},{},{},{}]}"), pool,
                                type_of("json.All"), NULL, &arena, &message, &err),
                   MW_ELIMIT);
  assert_string_equal(mw_err_text(&err), "the message takes more than 4000 bytes of memory");
  mw_err_fini(&err);
  mw_arena_fini(&arena);
}

static void test_whole_text(void **state) {
  refuse("", "1:1: expected a value, got the end of the text");
  refuse("null", "1:1: json.All: expected an object, got null");
  refuse("[]", "1:1: json.All: expected an object, got an array");
  refuse("{} {}", "1:4: expected the end of the text, got '{'");
  check(" \t\r\n{ } ", "{}");
}

/* ---- without memory ---- */

static const char everything[] =
    "{\"fString\":\"a\\n\",\"fBytes\":\"AAECAwQF\",\"rInt64\":[1,2,3,4,5],\"mString\":{\"a\":\"b\",\"\\u0063\":\"d\"},"
    "\"structure\":{\"a\":[1,{\"b\":null}]},\"mask\":\"aB,c\",\"timestamp\":\"2026-11-21T10:33:54Z\","
    "\"any\":{\"@type\":\"t/json.All\",\"inner\":{\"fInt32\":3}},\"wString\":\"x\",\"rInner\":[{},{}]}";

static int read_and_write(void *arg) {
  struct mw_arena arena;
  struct mw_buf out = MW_BUF_INIT;
  struct mw_err err = MW_ERR_INIT;
  ProtobufCMessage *message = NULL;
  const struct mw_message_type *type = arg;
  mw_arena_init(&arena, SIZE_MAX);
  int rc = mw_json_read(mw_slice_str(everything), pool, type, NULL, &arena, &message, &err);
  if (rc == 0) rc = mw_json_write(&out, pool, type, message, &(struct mw_json_options){.indent = 2}, &err);
  mw_err_fini(&err);
  mw_buf_fini(&out);
  mw_arena_fini(&arena);
  return rc;
}

static int misread(void *arg) {
  struct mw_arena arena;
  struct mw_err err = MW_ERR_INIT;
  ProtobufCMessage *message = NULL;
  mw_arena_init(&arena, SIZE_MAX);
  int rc = mw_json_read(mw_slice_str("{\"mInt64\":{\"5\":{\"rInner\":[{\"fEnum\":\"HIHG\"}]}}}"), pool, arg, NULL,
                        &arena, &message, &err);
  mw_err_fini(&err);
  mw_arena_fini(&arena);
  return rc == MW_EFORMAT ? 0 : rc; /* the expected error */
}

static void test_without_memory(void **state) {
  failmalloc_sweep(read_and_write, (void *)(uintptr_t)type_of("json.All"));
  failmalloc_sweep(misread, (void *)(uintptr_t)type_of("json.All"));
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_integers),
      cmocka_unit_test(test_reals),
      cmocka_unit_test(test_escapes),
      cmocka_unit_test(test_bool_string_bytes),
      cmocka_unit_test(test_enums),
      cmocka_unit_test(test_presence),
      cmocka_unit_test(test_names),
      cmocka_unit_test(test_ignoring_unknown),
      cmocka_unit_test(test_defaults_are_written_on_demand),
      cmocka_unit_test(test_indent),
      cmocka_unit_test(test_lists),
      cmocka_unit_test(test_maps),
      cmocka_unit_test(test_map_from_bytes_with_a_key_twice),
      cmocka_unit_test(test_oneofs),
      cmocka_unit_test(test_times),
      cmocka_unit_test(test_field_mask),
      cmocka_unit_test(test_struct),
      cmocka_unit_test(test_wrappers),
      cmocka_unit_test(test_any),
      cmocka_unit_test(test_proto2),
      cmocka_unit_test(test_extensions),
      cmocka_unit_test(test_extensions_from_bytes),
      cmocka_unit_test(test_unwritable_messages),
      cmocka_unit_test(test_any_within_any_ends),
      cmocka_unit_test(test_budget),
      cmocka_unit_test(test_whole_text),
      cmocka_unit_test(test_without_memory),
  };
  return cmocka_run_group_tests(tests, open_pool, close_pool);
}
