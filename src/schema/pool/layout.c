/* The layout of a message:
 *
 *   ProtobufCMessage            24 bytes
 *   everything aligned to 8     counts and arrays of repeated fields, oneofs, strings, bytes, messages, 64-bit scalars
 *   everything aligned to 4     32-bit scalars, has flags, oneof cases
 *
 * This order leaves no holes. A oneof is one union, large enough for any member: protobuf-c clears it as a whole. */
#include "schema/pool/layout.h"

#include <assert.h>
#include <limits.h>
#include <stdlib.h>

enum { UNION_SIZE = sizeof(ProtobufCBinaryData), QUANTIFIER_SIZE = sizeof(protobuf_c_boolean) };

static ProtobufCType type_of(enum mw_kind kind) {
  switch (kind) {
    case MW_KIND_DOUBLE: return PROTOBUF_C_TYPE_DOUBLE;
    case MW_KIND_FLOAT: return PROTOBUF_C_TYPE_FLOAT;
    case MW_KIND_INT64: return PROTOBUF_C_TYPE_INT64;
    case MW_KIND_UINT64: return PROTOBUF_C_TYPE_UINT64;
    case MW_KIND_INT32: return PROTOBUF_C_TYPE_INT32;
    case MW_KIND_FIXED64: return PROTOBUF_C_TYPE_FIXED64;
    case MW_KIND_FIXED32: return PROTOBUF_C_TYPE_FIXED32;
    case MW_KIND_BOOL: return PROTOBUF_C_TYPE_BOOL;
    case MW_KIND_MESSAGE: return PROTOBUF_C_TYPE_MESSAGE;
    case MW_KIND_STRING: /* encoded alike, and has a length in memory */
    case MW_KIND_BYTES: return PROTOBUF_C_TYPE_BYTES;
    case MW_KIND_UINT32: return PROTOBUF_C_TYPE_UINT32;
    case MW_KIND_ENUM: return PROTOBUF_C_TYPE_ENUM;
    case MW_KIND_SFIXED32: return PROTOBUF_C_TYPE_SFIXED32;
    case MW_KIND_SFIXED64: return PROTOBUF_C_TYPE_SFIXED64;
    case MW_KIND_SINT32: return PROTOBUF_C_TYPE_SINT32;
    case MW_KIND_SINT64: return PROTOBUF_C_TYPE_SINT64;
  }
  abort(); /* no kind: a bug in linking */
}

static unsigned take(size_t *at, size_t size) {
  size_t offset = *at;
  *at += size;
  assert(*at <= UINT_MAX); /* a set of 256 MiB is too small to define so large a message */
  return (unsigned)offset;
}

/* Places fields aligned to 8: counts, pointers, lengths and 64-bit scalars. */
static void place_wide(ProtobufCFieldDescriptor *desc, const struct mw_field *field, size_t *at) {
  if (field->repeated) {
    desc->quantifier_offset = take(at, sizeof(size_t));
    desc->offset = take(at, sizeof(void *));
  } else if (!field->oneof && mw_kind_size(field->kind) > 4) {
    desc->offset = take(at, mw_kind_size(field->kind));
  }
}

/* Places 32-bit scalars, and the has flags of singular fields other than messages. */
static void place_narrow(ProtobufCFieldDescriptor *desc, const struct mw_field *field, size_t *at) {
  if (field->repeated || field->oneof) return;
  if (mw_kind_size(field->kind) == 4) desc->offset = take(at, 4);
  if (field->kind != MW_KIND_MESSAGE) desc->quantifier_offset = take(at, QUANTIFIER_SIZE);
}

static void place_oneofs(const struct mw_message_type *type, struct mw_oneof *oneofs, ProtobufCFieldDescriptor *descs,
                         size_t *wide, size_t *narrow) {
  for (size_t i = 0; i < type->n_oneofs; i++) {
    unsigned value = take(wide, UNION_SIZE);
    unsigned number = take(narrow, sizeof(uint32_t));
    oneofs[i].case_offset = number;
    for (size_t k = 0; k < oneofs[i].n_members; k++) {
      ProtobufCFieldDescriptor *desc = &descs[oneofs[i].members[k] - type->fields];
      desc->offset = value;
      desc->quantifier_offset = number;
    }
  }
}

/* Returns the size of the parts of `type` that are aligned to 8, the header included. */
static size_t wide_size(const struct mw_message_type *type) {
  size_t size = sizeof(ProtobufCMessage) + type->n_oneofs * UNION_SIZE;
  ProtobufCFieldDescriptor unused;
  for (size_t i = 0; i < type->n_fields; i++) place_wide(&unused, &type->fields[i], &size);
  return size;
}

/* Places all fields. Returns the size of the message. */
static size_t place(const struct mw_message_type *type, struct mw_oneof *oneofs, ProtobufCFieldDescriptor *descs) {
  size_t wide = sizeof(ProtobufCMessage), narrow = wide_size(type);
  for (size_t i = 0; i < type->n_fields; i++) {
    place_wide(&descs[i], &type->fields[i], &wide);
    place_narrow(&descs[i], &type->fields[i], &narrow);
  }
  place_oneofs(type, oneofs, descs, &wide, &narrow);
  return (narrow + 7) / 8 * 8;
}

/* Returns the descriptor of a field without its offsets. */
static ProtobufCFieldDescriptor describe(const struct mw_field *field) {
  ProtobufCFieldDescriptor desc = {
      .name = field->name,
      .id = field->number,
      .label = field->repeated ? PROTOBUF_C_LABEL_REPEATED : PROTOBUF_C_LABEL_OPTIONAL,
      .type = type_of(field->kind),
      .default_value = field->oneof ? NULL : field->default_value, /* in a oneof it would overwrite other members */
  };
  if (field->kind == MW_KIND_MESSAGE) desc.descriptor = field->message->desc;
  if (field->kind == MW_KIND_ENUM) desc.descriptor = field->enumeration->desc;
  if (field->packed) desc.flags |= PROTOBUF_C_FIELD_FLAG_PACKED;
  if (field->oneof) desc.flags |= PROTOBUF_C_FIELD_FLAG_ONEOF;
  return desc;
}

/* Makes ranges of consecutive numbers from `n` sorted, distinct ones, and the sentinel that protobuf-c reads after
 * them. Returns NULL without memory. */
static ProtobufCIntRange *make_ranges(struct mw_arena *arena, size_t n, int (*number_at)(const void *of, size_t i),
                                      const void *of, unsigned *count) {
  size_t runs = 0;
  for (size_t i = 0; i < n; i++) runs += i == 0 || (int64_t)number_at(of, i) != (int64_t)number_at(of, i - 1) + 1;
  ProtobufCIntRange *ranges = mw_arena_calloc(arena, runs + 1, sizeof *ranges);
  if (!ranges) return NULL;
  size_t run = 0;
  for (size_t i = 0; i < n; i++) {
    if (i > 0 && (int64_t)number_at(of, i) == (int64_t)number_at(of, i - 1) + 1) continue;
    ranges[run++] = (ProtobufCIntRange){number_at(of, i), (unsigned)i};
  }
  ranges[run] = (ProtobufCIntRange){0, (unsigned)n};
  *count = (unsigned)runs;
  return ranges;
}

static int field_number_at(const void *fields, size_t i) { return (int)((const struct mw_field *)fields)[i].number; }

int mw_layout_message(struct mw_arena *arena, const struct mw_message_type *type, struct mw_field *fields,
                      struct mw_oneof *oneofs, ProtobufCMessageDescriptor *desc) {
  *desc = (ProtobufCMessageDescriptor){
      .magic = PROTOBUF_C__MESSAGE_DESCRIPTOR_MAGIC,
      .name = type->full_name,
      .short_name = type->full_name,
      .c_name = type->full_name,
      .package_name = "",
      .sizeof_message = sizeof(ProtobufCMessage),
  };
  if (type->n_fields == 0) return 0; /* `fields` must stay NULL: protobuf-c reads fields[0] unless it is */

  ProtobufCFieldDescriptor *descs = mw_arena_calloc(arena, type->n_fields, sizeof *descs);
  unsigned *by_name = mw_arena_calloc(arena, type->n_fields, sizeof *by_name);
  if (!descs || !by_name) return MW_ENOMEM;
  for (size_t i = 0; i < type->n_fields; i++) {
    descs[i] = describe(&fields[i]);
    fields[i].desc = &descs[i];
    by_name[i] = (unsigned)(type->by_name[i] - type->fields);
  }
  desc->sizeof_message = place(type, oneofs, descs);
  desc->n_fields = (unsigned)type->n_fields;
  desc->fields = descs;
  desc->fields_sorted_by_name = by_name;
  desc->field_ranges = make_ranges(arena, type->n_fields, field_number_at, fields, &desc->n_field_ranges);
  return desc->field_ranges ? 0 : MW_ENOMEM;
}

/* ---- enums ---- */

static int compare_names(const void *a, const void *b) {
  const struct mw_enum_value *x = *(const struct mw_enum_value *const *)a, *y = *(const struct mw_enum_value *const *)b;
  return strcmp(x->name, y->name);
}

/* Sorts by number; aliases stay in the order of the file. */
static int compare_numbers(const void *a, const void *b) {
  const struct mw_enum_value *x = *(const struct mw_enum_value *const *)a, *y = *(const struct mw_enum_value *const *)b;
  if (x->number != y->number) return x->number < y->number ? -1 : 1;
  return x < y ? -1 : x > y;
}

static int index_enum(struct mw_arena *arena, struct mw_enum_type *type) {
  type->by_name = mw_arena_calloc(arena, type->n_values, sizeof *type->by_name);
  type->by_number = mw_arena_calloc(arena, type->n_values, sizeof *type->by_number);
  if (!type->by_name || !type->by_number) return MW_ENOMEM;
  for (size_t i = 0; i < type->n_values; i++) type->by_name[i] = type->by_number[i] = &type->values[i];
  qsort(type->by_name, type->n_values, sizeof *type->by_name, compare_names);
  qsort(type->by_number, type->n_values, sizeof *type->by_number, compare_numbers);
  size_t distinct = 0;
  for (size_t i = 0; i < type->n_values; i++) {
    bool alias = distinct > 0 && type->by_number[distinct - 1]->number == type->by_number[i]->number;
    if (!alias) type->by_number[distinct++] = type->by_number[i];
  }
  type->n_numbers = distinct;
  return 0;
}

static int enum_number_at(const void *values, size_t i) { return ((const ProtobufCEnumValue *)values)[i].value; }

/* Returns the index of a number, which must be present, among the distinct ones. */
static unsigned index_of_number(const struct mw_enum_type *type, int32_t number) {
  size_t low = 0, high = type->n_numbers;
  while (high - low > 1) {
    size_t middle = low + (high - low) / 2;
    if (type->by_number[middle]->number <= number) {
      low = middle;
    } else {
      high = middle;
    }
  }
  return (unsigned)low;
}

int mw_layout_enum(struct mw_arena *arena, struct mw_enum_type *type, ProtobufCEnumDescriptor *desc) {
  if (index_enum(arena, type) != 0) return MW_ENOMEM;
  ProtobufCEnumValue *values = mw_arena_calloc(arena, type->n_numbers, sizeof *values);
  ProtobufCEnumValueIndex *names = mw_arena_calloc(arena, type->n_values, sizeof *names);
  if (!values || !names) return MW_ENOMEM;
  for (size_t i = 0; i < type->n_numbers; i++) {
    const struct mw_enum_value *value = type->by_number[i];
    values[i] = (ProtobufCEnumValue){value->name, value->name, value->number};
  }
  for (size_t i = 0; i < type->n_values; i++) {
    names[i] = (ProtobufCEnumValueIndex){type->by_name[i]->name, index_of_number(type, type->by_name[i]->number)};
  }
  *desc = (ProtobufCEnumDescriptor){
      .magic = PROTOBUF_C__ENUM_DESCRIPTOR_MAGIC,
      .name = type->full_name,
      .short_name = type->full_name,
      .c_name = type->full_name,
      .package_name = "",
      .n_values = (unsigned)type->n_numbers,
      .values = values,
      .n_value_names = (unsigned)type->n_values,
      .values_by_name = names,
  };
  desc->value_ranges = make_ranges(arena, type->n_numbers, enum_number_at, values, &desc->n_value_ranges);
  type->desc = desc;
  return desc->value_ranges ? 0 : MW_ENOMEM;
}
