/* The rules for messages and enums as a whole: the numbers in use, and the reserved ones. */
#include "schema/compat/compat_rules.h"

typedef Google__Protobuf__DescriptorProto MessageProto;
typedef Google__Protobuf__FieldDescriptorProto FieldProto;

/* ---- reserved numbers and names, of messages and enums ---- */

struct range {
  int64_t start, end; /* the first number, and one past the last */
};

static size_t count_ranges(const struct mw_definition *d) {
  return d->kind == MW_DEFINES_MESSAGE ? d->message->n_reserved_range : d->enumeration->n_reserved_range;
}

static struct range range_at(const struct mw_definition *d, size_t i) {
  if (d->kind == MW_DEFINES_MESSAGE) {
    return (struct range){d->message->reserved_range[i]->start, d->message->reserved_range[i]->end};
  }
  const Google__Protobuf__EnumDescriptorProto__EnumReservedRange *range = d->enumeration->reserved_range[i];
  return (struct range){range->start, (int64_t)range->end + 1}; /* descriptor.proto's end is inclusive for enums */
}

/* Returns the first number from range.start that `d` does not reserve; range.end or more if it reserves all. */
static int64_t first_free(const struct mw_definition *d, struct range range) {
  int64_t at = range.start;
  for (bool moved = true; moved && at < range.end;) {
    moved = false;
    for (size_t i = 0; i < count_ranges(d); i++) {
      struct range other = range_at(d, i);
      if (at < other.start || at >= other.end) continue;
      at = other.end;
      moved = true;
    }
  }
  return at;
}

static bool reserves_number(const struct mw_definition *d, int32_t number) {
  return first_free(d, (struct range){number, (int64_t)number + 1}) > number;
}

static size_t reserved_names(const struct mw_definition *d, char *const **names) {
  *names = d->kind == MW_DEFINES_MESSAGE ? d->message->reserved_name : d->enumeration->reserved_name;
  return d->kind == MW_DEFINES_MESSAGE ? d->message->n_reserved_name : d->enumeration->n_reserved_name;
}

static bool reserves_name(const struct mw_definition *d, const char *name) {
  char *const *names;
  size_t n = reserved_names(d, &names);
  for (size_t i = 0; i < n; i++) {
    if (strcmp(names[i], name) == 0) return true;
  }
  return false;
}

static void check_reserved(const struct mw_compat_pair *pair, const char *rule) {
  const struct mw_definition *new = pair->new;
  for (size_t i = 0; i < count_ranges(pair->old); i++) {
    struct range range = range_at(pair->old, i);
    int64_t dropped = first_free(new, range);
    if (dropped >= range.end) continue;
    mw_compat_report(pair->compat, mw_compat_place(new, &new->path), rule, "%s: number %lld was reserved, is no longer",
                     new->full_name, (long long)dropped);
  }
  char *const *names;
  size_t n = reserved_names(pair->old, &names);
  for (size_t i = 0; i < n; i++) {
    if (reserves_name(new, names[i])) continue;
    mw_compat_report(pair->compat, mw_compat_place(new, &new->path), rule,
                     "%s: the name \"%s\" was reserved, is no longer", new->full_name, names[i]);
  }
}

/* Reports a deleted member whose number is not reserved. */
static void check_deleted(const struct mw_compat_pair *pair, const char *rule, const char *name, int32_t number) {
  const struct mw_definition *new = pair->new;
  if (reserves_number(new, number)) return;
  mw_compat_report(pair->compat, mw_compat_place(new, &new->path), rule,
                   "%s.%s: was deleted without reserving its number: expected \"reserved %d;\"", new->full_name, name,
                   number);
}

/* ---- messages ---- */

/* Returns the index of the field with this number, n_field if there is none. Tries `guess` first: most fields keep
 * their place. */
static size_t find_field(const MessageProto *message, int32_t number, size_t guess) {
  if (guess < message->n_field && message->field[guess]->number == number) return guess;
  size_t i = 0;
  while (i < message->n_field && message->field[i]->number != number) i++;
  return i;
}

static void check_fields(const struct mw_compat_pair *pair) {
  const MessageProto *old = pair->old->message, *new = pair->new->message;
  for (size_t i = 0; i < old->n_field; i++) {
    size_t k = find_field(new, old->field[i]->number, i);
    if (k < new->n_field) {
      mw_compat_field(pair, i, k);
    } else {
      check_deleted(pair, "FIELD_NO_DELETE_UNLESS_NUMBER_RESERVED", old->field[i]->name, old->field[i]->number);
    }
  }
}

/* Reports required fields that were added or deleted. A field that became or ceased to be required is reported by
 * compat_field.c. */
static void check_required(const struct mw_compat_pair *pair) {
  static const char rule[] = "MESSAGE_SAME_REQUIRED_FIELDS";
  const MessageProto *old = pair->old->message, *new = pair->new->message;
  const char *full_name = pair->new->full_name;
  for (size_t i = 0; i < old->n_field; i++) {
    const FieldProto *field = old->field[i];
    if (!mw_compat_required(field) || find_field(new, field->number, i) < new->n_field) continue;
    mw_compat_report(pair->compat, mw_compat_place(pair->new, &pair->new->path), rule,
                     "%s.%s: was required, is deleted: old readers refuse a message without it", full_name,
                     field->name);
  }
  for (size_t i = 0; i < new->n_field; i++) {
    const FieldProto *field = new->field[i];
    if (!mw_compat_required(field) || find_field(old, field->number, i) < old->n_field) continue;
    struct mw_source_path path = mw_source_path_join(&pair->new->path, MW_MESSAGE_FIELD, i);
    mw_compat_report(pair->compat, mw_compat_place(pair->new, &path), rule,
                     "%s.%s: is new and required: old writers do not set it", full_name, field->name);
  }
}

static bool is_map_entry(const MessageProto *message) { return message->options && message->options->map_entry; }

static bool is_message_set(const MessageProto *message) {
  return message->options && message->options->message_set_wire_format;
}

void mw_compat_message(const struct mw_compat_pair *pair) {
  const MessageProto *old = pair->old->message, *new = pair->new->message;
  if (is_map_entry(old) && is_map_entry(new)) return; /* compared with the field that it belongs to */
  if (is_message_set(old) != is_message_set(new)) {
    mw_compat_report(pair->compat, mw_compat_place(pair->new, &pair->new->path), "MESSAGE_SAME_MESSAGE_SET_WIRE_FORMAT",
                     "%s: message_set_wire_format was %s, is %s", pair->new->full_name,
                     is_message_set(old) ? "true" : "false", is_message_set(new) ? "true" : "false");
  }
  check_fields(pair);
  check_required(pair);
  check_reserved(pair, "RESERVED_MESSAGE_NO_DELETE");
}

/* ---- enums ---- */

void mw_compat_enum(const struct mw_compat_pair *pair) {
  const struct mw_enum_type *old = mw_pool_enum(pair->compat->old.pool, pair->old->full_name);
  const struct mw_enum_type *new = mw_pool_enum(pair->compat->new.pool, pair->new->full_name);
  for (size_t i = 0; i < old->n_numbers; i++) {
    const struct mw_enum_value *value = old->by_number[i];
    if (mw_enum_by_number(new, value->number)) continue;
    check_deleted(pair, "ENUM_VALUE_NO_DELETE_UNLESS_NUMBER_RESERVED", value->name, value->number);
  }
  check_reserved(pair, "RESERVED_ENUM_NO_DELETE");
}
