/* The rules for one field: values encoded before the edit stay readable. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "schema/compat/compat_rules.h"

typedef Google__Protobuf__FieldDescriptorProto FieldProto;

/* The old or the new field. */
struct side {
  const Google__Protobuf__DescriptorProto *message;
  const FieldProto *proto;
  const struct mw_field *field; /* NULL for a group, which pools omit */
};

struct field_pair {
  const struct mw_compat_pair *messages;
  struct side old, new;
  struct mw_source_path path;
};

static struct side side_of(const struct mw_catalogue *catalogue, const struct mw_definition *definition, size_t i) {
  const struct mw_message_type *type = mw_pool_message(catalogue->pool, definition->full_name);
  const FieldProto *proto = definition->message->field[i];
  return (struct side){definition->message, proto, mw_field_by_number(type, (uint32_t)proto->number)};
}

/* Adds "MESSAGE.FIELD: words", with the field's old name if it was renamed. */
static void report(const struct field_pair *pair, const char *rule, const char *fmt, ...) MW_PRINTF(3, 4);

static void report(const struct field_pair *pair, const char *rule, const char *fmt, ...) {
  va_list args;
  va_start(args, fmt);
  char *words = NULL;
  if (vasprintf(&words, fmt, args) < 0) words = NULL;
  va_end(args);
  const struct mw_definition *message = pair->messages->new;
  const char *old = pair->old.proto->name, *new = pair->new.proto->name;
  bool renamed = strcmp(old, new) != 0;
  mw_compat_report(pair->messages->compat, mw_compat_place(message, &pair->path), rule, "%s.%s: %s%s%s%s",
                   message->full_name, new, words ? words : mw_err_name(MW_ENOMEM),
                   renamed ? " (the number belonged to " : "", renamed ? old : "", renamed ? ")" : "");
  free(words);
}

/* ---- type ---- */

/* Returns the group of kinds that decode each other's values; 0 for a kind without one. */
static unsigned wire_group(enum mw_kind kind) {
  switch (kind) {
    case MW_KIND_INT32:
    case MW_KIND_INT64:
    case MW_KIND_UINT32:
    case MW_KIND_UINT64:
    case MW_KIND_BOOL: return 1;
    case MW_KIND_SINT32:
    case MW_KIND_SINT64: return 2;
    case MW_KIND_FIXED32:
    case MW_KIND_SFIXED32: return 3;
    case MW_KIND_FIXED64:
    case MW_KIND_SFIXED64: return 4;
    default: return 0;
  }
}

static const char *short_name(const char *full_name) {
  const char *dot = strrchr(full_name, '.');
  return dot ? dot + 1 : full_name;
}

/* True for the same enum, or for one in another scope that has the same short name and all of the old values. */
static bool compatible_enums(const struct mw_enum_type *old, const struct mw_enum_type *new) {
  if (strcmp(old->full_name, new->full_name) == 0) return true; /* its values are checked as an enum of their own */
  if (strcmp(short_name(old->full_name), short_name(new->full_name)) != 0) return false;
  for (size_t i = 0; i < old->n_values; i++) {
    const struct mw_enum_value *value = mw_enum_by_name(new, mw_slice_str(old->values[i].name));
    if (!value || value->number != old->values[i].number) return false;
  }
  return true;
}

static bool compatible_values(const struct mw_field *old, const struct mw_field *new) {
  if (wire_group(old->kind) != 0 && wire_group(old->kind) == wire_group(new->kind)) return true;
  if (old->kind == MW_KIND_STRING && new->kind == MW_KIND_BYTES) return true;
  if (old->kind != new->kind) return false;
  if (old->kind == MW_KIND_ENUM) return compatible_enums(old->enumeration, new->enumeration);
  return old->kind != MW_KIND_MESSAGE || strcmp(old->message->full_name, new->message->full_name) == 0;
}

static const struct mw_field *key_of(const struct mw_field *map) { return &map->message->fields[0]; }
static const struct mw_field *value_of(const struct mw_field *map) { return &map->message->fields[1]; }

static bool is_map(const struct side *side) { return side->field && side->field->map; }

/* Returns the name of a group's message without a leading dot. Pools omit groups, so their fields are not compared. */
static const char *group_name(const struct side *side) {
  const char *name = side->proto->type_name ? side->proto->type_name : "";
  return *name == '.' ? name + 1 : name;
}

static bool compatible_types(const struct side *old, const struct side *new) {
  if (!old->field && !new->field) return strcmp(group_name(old), group_name(new)) == 0;
  if (!old->field || !new->field) return false;
  if (!is_map(old) || !is_map(new)) return compatible_values(old->field, new->field);
  return compatible_values(key_of(old->field), key_of(new->field)) &&
         compatible_values(value_of(old->field), value_of(new->field));
}

enum { TYPE_TEXT = 512 };

static const char *type_text(const struct side *side, char out[TYPE_TEXT]) {
  if (!side->field) {
    snprintf(out, TYPE_TEXT, "group %s", group_name(side));
  } else if (is_map(side)) {
    snprintf(out, TYPE_TEXT, "map<%s, %s>", mw_field_type_name(key_of(side->field)),
             mw_field_type_name(value_of(side->field)));
  } else {
    snprintf(out, TYPE_TEXT, "%s", mw_field_type_name(side->field));
  }
  return out;
}

static bool check_type(const struct field_pair *pair) {
  if (compatible_types(&pair->old, &pair->new)) return true;
  char old[TYPE_TEXT], new[TYPE_TEXT];
  report(pair, "FIELD_WIRE_COMPATIBLE_TYPE", "was %s, is %s", type_text(&pair->old, old), type_text(&pair->new, new));
  return false;
}

/* ---- cardinality ---- */

static bool is_repeated(const struct side *side) {
  return side->proto->has_label &&
         side->proto->label == GOOGLE__PROTOBUF__FIELD_DESCRIPTOR_PROTO__LABEL__LABEL_REPEATED;
}

static const char *cardinality_text(const struct side *side) {
  return is_map(side) ? "a map" : is_repeated(side) ? "repeated" : "singular";
}

static bool check_cardinality(const struct field_pair *pair) {
  if (is_repeated(&pair->old) == is_repeated(&pair->new)) return true;
  report(pair, "FIELD_WIRE_COMPATIBLE_CARDINALITY", "was %s, is %s", cardinality_text(&pair->old),
         cardinality_text(&pair->new));
  return false;
}

static void check_required(const struct field_pair *pair) {
  bool old = mw_compat_required(pair->old.proto), new = mw_compat_required(pair->new.proto);
  if (old == new) return;
  report(pair, "MESSAGE_SAME_REQUIRED_FIELDS", old ? "was required, is not" : "was not required, is");
}

/* ---- oneof ---- */

/* Returns the name of the field's oneof; NULL without one, or if the oneof only implements `optional`. */
static const char *oneof_of(const struct side *side) {
  bool real = side->proto->has_oneof_index && !side->proto->proto3_optional;
  return real ? side->message->oneof_decl[side->proto->oneof_index]->name : NULL;
}

static void check_oneof(const struct field_pair *pair) {
  const char *old = oneof_of(&pair->old), *new = oneof_of(&pair->new);
  if (old == new || (old && new &&strcmp(old, new) == 0)) return;
  report(pair, "FIELD_SAME_ONEOF", "was in %s%s, is in %s%s", old ? "oneof " : "no oneof", old ? old : "",
         new ? "oneof " : "no oneof", new ? new : "");
}

/* ---- default ---- */

/* A default as a number. Integers are exact: sign and magnitude. */
struct number {
  double real;
  bool negative;
  uint64_t bits;
};

static struct number from_signed(int64_t value) { return (struct number){0, value < 0, (uint64_t)value}; }
static struct number from_unsigned(uint64_t value) { return (struct number){0, false, value}; }

static struct number number_of(const struct mw_field *field) {
  const void *value = field->default_value;
  if (!value) return from_unsigned(0);
  switch (field->kind) {
    case MW_KIND_DOUBLE: return (struct number){*(const double *)value, false, 0};
    case MW_KIND_FLOAT: return (struct number){(double)*(const float *)value, false, 0};
    case MW_KIND_BOOL: return from_unsigned(*(const protobuf_c_boolean *)value != 0);
    case MW_KIND_UINT32:
    case MW_KIND_FIXED32: return from_unsigned(*(const uint32_t *)value);
    case MW_KIND_UINT64:
    case MW_KIND_FIXED64: return from_unsigned(*(const uint64_t *)value);
    case MW_KIND_INT64:
    case MW_KIND_SINT64:
    case MW_KIND_SFIXED64: return from_signed(*(const int64_t *)value);
    default: return from_signed(*(const int32_t *)value);
  }
}

static struct mw_slice bytes_of(const struct mw_field *field) {
  const ProtobufCBinaryData *value = field->default_value;
  return value ? mw_slice(value->data, value->len) : mw_slice(NULL, 0);
}

/* True if the defaults are equal. The types of both fields are compatible. */
static bool same_default(const struct mw_field *old, const struct mw_field *new) {
  if (old->kind == MW_KIND_STRING || old->kind == MW_KIND_BYTES) return mw_slice_eq(bytes_of(old), bytes_of(new));
  struct number a = number_of(old), b = number_of(new);
  bool same_real = a.real == b.real || (a.real != a.real && b.real != b.real);
  return same_real && a.negative == b.negative && a.bits == b.bits;
}

static const char *default_text(const struct side *side) {
  const char *text = side->proto->default_value;
  if (text && *text) return text;
  switch (side->field->kind) {
    case MW_KIND_ENUM: return side->field->enumeration->values[0].name;
    case MW_KIND_BOOL: return "false";
    case MW_KIND_STRING:
    case MW_KIND_BYTES: return "empty";
    default: return "0";
  }
}

static void check_default(const struct field_pair *pair) {
  const struct side *old = &pair->old, *new = &pair->new;
  if (!old->field || is_repeated(old) || old->field->kind == MW_KIND_MESSAGE) return;
  if (same_default(old->field, new->field)) return;
  report(pair, "FIELD_SAME_DEFAULT", "the default was %s, is %s", default_text(old), default_text(new));
}

/* ---- entry point ---- */

void mw_compat_field(const struct mw_compat_pair *messages, size_t i, size_t k) {
  const struct field_pair pair = {
      .messages = messages,
      .old = side_of(&messages->compat->old, messages->old, i),
      .new = side_of(&messages->compat->new, messages->new, k),
      .path = mw_source_path_join(&messages->new->path, MW_MESSAGE_FIELD, k),
  };
  bool same_cardinality = check_cardinality(&pair);
  /* A change from or to a map also changes the type: report it once. */
  bool map_changed = !same_cardinality && (is_map(&pair.old) || is_map(&pair.new));
  bool same_type = map_changed || check_type(&pair);
  check_required(&pair);
  check_oneof(&pair);
  if (same_cardinality && same_type) check_default(&pair);
}
