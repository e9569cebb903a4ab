/* Filters compare fields of encoded messages as a reader of the unpacked message would. */
#include "codec_support.h"
#include "random_message.h"

#include "schema/wire/filter.h"

enum { PATH_MAX_FIELDS = 70, RANDOM_MESSAGES = 20000 };

/* Adds a condition for a path such as "f_message.child.x". */
static struct mw_filter_condition *add(struct mw_filter *filter, const struct mw_message_type *type, const char *path) {
  const struct mw_field *fields[PATH_MAX_FIELDS];
  size_t depth = 0;
  for (const char *at = path; at; at = strchr(at, '.') ? strchr(at, '.') + 1 : NULL) {
    fields[depth] = mw_field_by_name(type, mw_slice(at, strcspn(at, ".")));
    if (!fields[depth]) fail_msg("no field %s", at);
    type = fields[depth++]->message;
  }
  struct mw_filter_condition *condition = mw_filter_add(filter, fields, depth);
  assert_non_null(condition);
  return condition;
}

static void accept_int32(struct mw_filter *filter, struct mw_filter_condition *condition, int32_t number) {
  assert_int_equal(mw_filter_accept(filter, condition, &number), 0);
}

static void accept_text(struct mw_filter *filter, struct mw_filter_condition *condition, const char *text) {
  ProtobufCBinaryData data = {strlen(text), (uint8_t *)(uintptr_t)text};
  assert_int_equal(mw_filter_accept(filter, condition, &data), 0);
}

static bool matches(const struct mw_filter *filter, const char *hex) {
  struct mw_buf bytes = MW_BUF_INIT;
  put_hex(&bytes, hex);
  bool result = mw_filter_matches(filter, mw_buf_slice(&bytes));
  mw_buf_fini(&bytes);
  return result;
}

/* Checks which of the encoded every.Leaf messages match a condition on one field: {"08 01", "!08 02", NULL}. */
static void assert_leaves(struct mw_filter *filter, const char *const *leaves) {
  assert_int_equal(mw_filter_build(filter, codec_type(every, "every.Leaf")), 0);
  for (; *leaves; leaves++) {
    bool expected = **leaves != '!';
    if (matches(filter, *leaves + !expected) != expected) fail_msg("%s", *leaves);
  }
  mw_filter_fini(filter);
}

#define LEAVES(filter, ...) assert_leaves(filter, (const char *const[]){__VA_ARGS__, NULL})

static void compares_integers(void **state) {
  const struct mw_message_type *leaf = codec_type(every, "every.Leaf");
  struct mw_filter filter;
  mw_filter_init(&filter, NULL);
  accept_int32(&filter, add(&filter, leaf, "x"), 5);
  LEAVES(&filter, "08 05", "!08 06", "!", "08 06 08 05", "!08 05 08 06", "12 01 61 08 05", "08 85 00", "!0d 05000000");
  mw_filter_init(&filter, NULL);
  accept_int32(&filter, add(&filter, leaf, "x"), -1);
  LEAVES(&filter, "08 ffffffffffffffffff01", "08 ffffffff0f", "!08 01");
  mw_filter_init(&filter, NULL);
  accept_int32(&filter, add(&filter, leaf, "x"), 0); /* the default */
  LEAVES(&filter, "", "08 00", "12 01 61", "!08 01");
}

static void compares_text(void **state) {
  struct mw_filter filter;
  mw_filter_init(&filter, NULL);
  struct mw_filter_condition *s = add(&filter, codec_type(every, "every.Leaf"), "s");
  accept_text(&filter, s, "abc");
  accept_text(&filter, s, "");
  accept_text(&filter, s, "zz");
  LEAVES(&filter, "12 03 616263", "12 00", "", "12 02 7a7a", "!12 03 616264", "!12 02 6162", "12 01 61 12 00");
}

static void minus_zero_equals_zero(void **state) {
  struct mw_filter filter;
  double zero = 0;
  mw_filter_init(&filter, NULL);
  assert_int_equal(mw_filter_accept(&filter, add(&filter, codec_type(every, "every.Leaf"), "d"), &zero), 0);
  LEAVES(&filter, "", "31 0000000000000000", "31 0000000000000080", "!31 0000000000000040");
}

static void follows_messages(void **state) {
  const struct mw_message_type *leaf = codec_type(every, "every.Leaf");
  struct mw_filter filter;
  mw_filter_init(&filter, NULL);
  accept_int32(&filter, add(&filter, leaf, "child.child.x"), 1);
  accept_int32(&filter, add(&filter, leaf, "child.x"), 0);
  LEAVES(&filter, "1a 04 1a02 0801", "!", "!1a 00", "!1a 06 1a02 0801 0801", "1a 02 0801 1a 06 0800 1a02 0801",
         "1a 04 1a02 0801 1a 00", "!1a 04 1a02 0801 1a 04 1a02 0802");
  mw_filter_init(&filter, NULL);
  accept_int32(&filter, add(&filter, leaf, "child.x"), 0);
  LEAVES(&filter, "1a 00", "!", "!1a 02 0801"); /* without its message a field equals nothing */
}

static void absence_is_a_value_of_fields_with_presence(void **state) {
  const struct mw_message_type *leaf = codec_type(every, "every.Leaf");
  struct mw_filter filter;
  mw_filter_init(&filter, NULL);
  mw_filter_accept_unset(add(&filter, leaf, "child"));
  LEAVES(&filter, "", "08 01", "!1a 00");
  mw_filter_init(&filter, NULL);
  struct mw_filter_condition *number = add(&filter, leaf, "number");
  mw_filter_accept_unset(number);
  accept_int32(&filter, number, 3);
  LEAVES(&filter, "", "38 03", "!38 00", "38 00 42 00", "38 03 42 00");
  mw_filter_init(&filter, NULL);
  mw_filter_accept_unset(add(&filter, leaf, "child.number"));
  LEAVES(&filter, "!", "1a 00", "!1a 02 3801");
}

static void a_member_of_a_oneof_clears_the_others(void **state) {
  const struct mw_message_type *leaf = codec_type(every, "every.Leaf");
  struct mw_filter filter;
  mw_filter_init(&filter, NULL);
  accept_int32(&filter, add(&filter, leaf, "number"), 3);
  LEAVES(&filter, "38 03", "!38 03 42 00", "42 00 38 03", "!");
  mw_filter_init(&filter, NULL);
  accept_int32(&filter, add(&filter, leaf, "leaf.x"), 0);
  LEAVES(&filter, "42 00", "!42 00 38 03", "42 02 0801 38 03 42 00", "!38 03");
}

static void every_condition_must_hold(void **state) {
  const struct mw_message_type *leaf = codec_type(every, "every.Leaf");
  struct mw_filter filter;
  mw_filter_init(&filter, NULL);
  accept_int32(&filter, add(&filter, leaf, "x"), 1);
  accept_text(&filter, add(&filter, leaf, "s"), "a");
  LEAVES(&filter, "08 01 12 01 61", "!08 01", "!12 01 61", "12 01 61 08 01");
  mw_filter_init(&filter, NULL);
  LEAVES(&filter, "", "08 01");
  mw_filter_init(&filter, NULL);
  add(&filter, leaf, "x");
  LEAVES(&filter, "!", "!08 01"); /* no value is accepted */
}

static void malformed_bytes_match(void **state) {
  struct mw_filter filter;
  mw_filter_init(&filter, NULL);
  accept_int32(&filter, add(&filter, codec_type(every, "every.Leaf"), "child.x"), 1);
  LEAVES(&filter, "08", "1a 01 08", "0f");
}

static void closed_enums_keep_to_their_values(void **state) {
  const struct mw_message_type *type = codec_type(legacy, "legacy.Legacy");
  struct mw_filter filter;
  mw_filter_init(&filter, NULL);
  struct mw_filter_condition *condition = add(&filter, type, "closed");
  accept_int32(&filter, condition, 2);
  mw_filter_accept_unset(condition);
  assert_int_equal(mw_filter_build(&filter, type), 0);
  assert_true(matches(&filter, "20 02"));
  assert_true(matches(&filter, "20 09")); /* an unknown value leaves the field unset */
  assert_true(matches(&filter, "20 02 20 09"));
  assert_false(matches(&filter, "20 01"));
  mw_filter_fini(&filter);
}

static void refuses_conflicting_conditions(void **state) {
  const struct mw_message_type *leaf = codec_type(every, "every.Leaf");
  struct mw_filter filter;
  mw_filter_init(&filter, NULL);
  mw_filter_accept_unset(add(&filter, leaf, "child"));
  accept_int32(&filter, add(&filter, leaf, "child.x"), 1);
  assert_int_equal(mw_filter_build(&filter, leaf), MW_EINVAL);
  mw_filter_fini(&filter);
  mw_filter_init(&filter, NULL);
  accept_int32(&filter, add(&filter, leaf, "x"), 1);
  accept_int32(&filter, add(&filter, leaf, "x"), 2);
  assert_int_equal(mw_filter_build(&filter, leaf), MW_EINVAL);
  mw_filter_fini(&filter);
}

static void refuses_too_many_fields(void **state) {
  const struct mw_message_type *leaf = codec_type(every, "every.Leaf");
  struct mw_filter filter;
  char path[6 * 64 + 2];
  for (size_t depth = 63; depth < 65; depth++) {
    size_t len = 0;
    for (size_t i = 0; i < depth; i++) len += (size_t)snprintf(path + len, sizeof path - len, "child.");
    snprintf(path + len, sizeof path - len, "x");
    mw_filter_init(&filter, NULL);
    accept_int32(&filter, add(&filter, leaf, path), 1);
    assert_int_equal(mw_filter_build(&filter, leaf), depth < 64 ? 0 : MW_ELIMIT);
    mw_filter_fini(&filter);
  }
  mw_filter_init(&filter, NULL);
  for (size_t i = 0; i < MW_FILTER_MAX; i++) add(&filter, leaf, "x");
  assert_null(mw_filter_add(&filter, &leaf->fields, 1));
  mw_filter_fini(&filter);
}

static void counts_against_the_quota(void **state) {
  struct mw_quota quota = {0};
  struct mw_filter filter;
  mw_filter_init(&filter, &quota);
  accept_int32(&filter, add(&filter, codec_type(every, "every.Leaf"), "x"), 1);
  assert_true(quota.used > 0);
  mw_filter_fini(&filter);
  assert_int_equal(quota.used, 0);
}

/* ---- random messages, compared with the unpacked message ---- */

static bool same_value(const struct mw_field *field, const void *a, const void *b) {
  switch (field->kind) {
    case MW_KIND_STRING:
    case MW_KIND_BYTES: {
      const ProtobufCBinaryData *left = a, *right = b;
      return mw_slice_eq(mw_slice(left->data, left->len), mw_slice(right->data, right->len));
    }
    case MW_KIND_DOUBLE: return *(const double *)a == *(const double *)b;
    case MW_KIND_FLOAT: return *(const float *)a == *(const float *)b;
    case MW_KIND_BOOL: return !*(const protobuf_c_boolean *)a == !*(const protobuf_c_boolean *)b;
    default: return memcmp(a, b, mw_kind_size(field->kind)) == 0;
  }
}

/* Whether a message in memory meets a condition that was made from a random message's value or absence. */
static bool meets(const ProtobufCMessage *message, const struct mw_field *const *path, size_t depth,
                  const void *value) {
  for (size_t i = 0; i + 1 < depth; i++) {
    if (!mw_field_is_set(message, path[i])) return false;
    message = *(ProtobufCMessage *const *)mw_field_value(message, path[i]);
  }
  const struct mw_field *field = path[depth - 1];
  if (field->has_presence) {
    bool set = mw_field_is_set(message, field);
    return value ? set && same_value(field, mw_field_value(message, field), value) : !set;
  }
  return value && same_value(field, mw_field_value(message, field), value);
}

/* Chooses a path to a comparable field that is present in `message`, as far as chance has it, and its value: NULL for
 * absence. Returns the depth; 0 for none. */
static size_t choose(const ProtobufCMessage *message, const struct mw_message_type *type, const struct mw_field **path,
                     const void **value) {
  for (size_t depth = 0, tries = 0; tries < 50 && depth < 8; tries++) {
    const struct mw_field *field = &type->fields[random_below(type->n_fields)];
    if (field->repeated) continue;
    bool set = message && mw_field_is_set(message, field);
    path[depth] = field;
    *value = set ? mw_field_value(message, field) : NULL;
    if (field->kind == MW_KIND_MESSAGE && set) {
      message = *(ProtobufCMessage *const *)*value;
      type = field->message;
      depth++;
      continue;
    }
    if (!set && !field->has_presence) continue;
    return depth + 1;
  }
  return 0;
}

static ProtobufCMessage *random_unpacked(const struct mw_message_type *type, struct mw_buf *bytes,
                                         struct mw_arena *arena) {
  struct mw_err err = MW_ERR_INIT;
  ProtobufCMessage *message;
  random_message(bytes, type);
  if (mw_message_unpack(type, mw_buf_slice(bytes), arena, &message, &err) != 0) fail_msg("%s", mw_err_text(&err));
  return message;
}

static bool is_nan(const struct mw_field *field, const void *value) {
  if (!value) return false;
  if (field->kind == MW_KIND_DOUBLE) return *(const double *)value != *(const double *)value;
  return field->kind == MW_KIND_FLOAT && *(const float *)value != *(const float *)value;
}

/* Builds a condition from one message, and asks it about that message and about a second one. Counts what matched. */
static void compare_once(const struct mw_message_type *type, size_t *matched, size_t *differed) {
  const struct mw_field *path[8];
  const void *value;
  struct mw_buf first = MW_BUF_INIT, second = MW_BUF_INIT;
  struct mw_arena arena;
  mw_arena_init(&arena, SIZE_MAX);
  const ProtobufCMessage *from = random_unpacked(type, &first, &arena);
  const ProtobufCMessage *other = random_unpacked(type, &second, &arena);
  size_t depth = choose(from, type, path, &value);
  if (depth > 0 && !is_nan(path[depth - 1], value)) {
    struct mw_filter filter;
    mw_filter_init(&filter, NULL);
    struct mw_filter_condition *condition = mw_filter_add(&filter, path, depth);
    if (value) {
      assert_int_equal(mw_filter_accept(&filter, condition, value), 0);
    } else {
      mw_filter_accept_unset(condition);
    }
    assert_int_equal(mw_filter_build(&filter, type), 0);
    assert_true(mw_filter_matches(&filter, mw_buf_slice(&first)));
    bool expected = meets(other, path, depth, value);
    assert_int_equal(mw_filter_matches(&filter, mw_buf_slice(&second)), expected);
    ++*(expected ? matched : differed);
    mw_filter_fini(&filter);
  }
  mw_arena_fini(&arena);
  mw_buf_fini(&first);
  mw_buf_fini(&second);
}

static void compares_random_messages_as_a_reader_would(void **state) {
  const struct mw_message_type *types[] = {codec_type(every, "every.Every"), codec_type(every, "every.Leaf"),
                                           codec_type(legacy, "legacy.Legacy")};
  random_seed(20250301);
  size_t matched = 0, differed = 0;
  for (size_t i = 0; i < RANDOM_MESSAGES; i++) compare_once(types[i % 3], &matched, &differed);
  assert_true(matched > RANDOM_MESSAGES / 50);
  assert_true(differed > RANDOM_MESSAGES / 10);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(compares_integers),
      cmocka_unit_test(compares_text),
      cmocka_unit_test(minus_zero_equals_zero),
      cmocka_unit_test(follows_messages),
      cmocka_unit_test(absence_is_a_value_of_fields_with_presence),
      cmocka_unit_test(a_member_of_a_oneof_clears_the_others),
      cmocka_unit_test(every_condition_must_hold),
      cmocka_unit_test(malformed_bytes_match),
      cmocka_unit_test(closed_enums_keep_to_their_values),
      cmocka_unit_test(refuses_conflicting_conditions),
      cmocka_unit_test(refuses_too_many_fields),
      cmocka_unit_test(counts_against_the_quota),
      cmocka_unit_test(compares_random_messages_as_a_reader_would),
  };
  return cmocka_run_group_tests(tests, codec_set_up, codec_tear_down);
}
