/* Fields and enum values of a type. */
#include "schema/type/type.h"

enum { TEXT = sizeof(ProtobufCBinaryData) };

const uint8_t mw_kind_sizes[] = {[MW_KIND_DOUBLE] = 8,
                                 [MW_KIND_INT64] = 8,
                                 [MW_KIND_UINT64] = 8,
                                 [MW_KIND_FIXED64] = 8,
                                 [MW_KIND_SFIXED64] = 8,
                                 [MW_KIND_SINT64] = 8,
                                 [MW_KIND_FLOAT] = 4,
                                 [MW_KIND_INT32] = 4,
                                 [MW_KIND_FIXED32] = 4,
                                 [MW_KIND_UINT32] = 4,
                                 [MW_KIND_SFIXED32] = 4,
                                 [MW_KIND_SINT32] = 4,
                                 [MW_KIND_ENUM] = 4,
                                 [MW_KIND_STRING] = TEXT,
                                 [MW_KIND_BYTES] = TEXT,
                                 [MW_KIND_BOOL] = sizeof(protobuf_c_boolean),
                                 [MW_KIND_MESSAGE] = sizeof(ProtobufCMessage *)};

/* Compares a name of known length with a terminated one. */
static int compare(struct mw_slice name, const char *other) {
  size_t len = strlen(other);
  int order = memcmp(name.data, other, name.len < len ? name.len : len);
  if (order != 0) return order;
  return name.len < len ? -1 : name.len > len;
}

static const struct mw_field *search(const struct mw_field *const *sorted, size_t n, struct mw_slice name,
                                     const char *(*key)(const struct mw_field *field)) {
  size_t low = 0, high = name.len > 0 ? n : 0;
  while (low < high) {
    size_t middle = low + (high - low) / 2;
    int order = compare(name, key(sorted[middle]));
    if (order == 0) return sorted[middle];
    if (order < 0) {
      high = middle;
    } else {
      low = middle + 1;
    }
  }
  return NULL;
}

static const char *name_of(const struct mw_field *field) { return field->name; }
static const char *json_name_of(const struct mw_field *field) { return field->json_name; }

const struct mw_field *mw_field_by_name(const struct mw_message_type *type, struct mw_slice name) {
  return search(type->by_name, type->n_fields, name, name_of);
}

const struct mw_field *mw_field_by_json_name(const struct mw_message_type *type, struct mw_slice name) {
  const struct mw_field *field = search(type->by_json_name, type->n_fields, name, json_name_of);
  return field ? field : mw_field_by_name(type, name);
}

const struct mw_field *mw_field_by_number(const struct mw_message_type *type, uint32_t number) {
  /* Most messages number their fields 1, 2, 3, ... */
  if (number - 1 < type->n_fields && type->fields[number - 1].number == number) return &type->fields[number - 1];
  size_t low = 0, high = type->n_fields;
  while (low < high) {
    size_t middle = low + (high - low) / 2;
    if (type->fields[middle].number == number) return &type->fields[middle];
    if (number < type->fields[middle].number) {
      high = middle;
    } else {
      low = middle + 1;
    }
  }
  return NULL;
}

const struct mw_enum_value *mw_enum_by_number(const struct mw_enum_type *type, int32_t number) {
  /* Most enums number their values 0, 1, 2, ... */
  if (number >= 0 && (size_t)number < type->n_numbers && type->by_number[number]->number == number) {
    return type->by_number[number];
  }
  size_t low = 0, high = type->n_numbers;
  while (low < high) {
    size_t middle = low + (high - low) / 2;
    if (type->by_number[middle]->number == number) return type->by_number[middle];
    if (number < type->by_number[middle]->number) {
      high = middle;
    } else {
      low = middle + 1;
    }
  }
  return NULL;
}

const struct mw_enum_value *mw_enum_by_name(const struct mw_enum_type *type, struct mw_slice name) {
  size_t low = 0, high = name.len > 0 ? type->n_values : 0;
  while (low < high) {
    size_t middle = low + (high - low) / 2;
    int order = compare(name, type->by_name[middle]->name);
    if (order == 0) return type->by_name[middle];
    if (order < 0) {
      high = middle;
    } else {
      low = middle + 1;
    }
  }
  return NULL;
}

const char *mw_field_type_name(const struct mw_field *field) {
  switch (field->kind) {
    case MW_KIND_DOUBLE: return "double";
    case MW_KIND_FLOAT: return "float";
    case MW_KIND_INT64: return "int64";
    case MW_KIND_UINT64: return "uint64";
    case MW_KIND_INT32: return "int32";
    case MW_KIND_FIXED64: return "fixed64";
    case MW_KIND_FIXED32: return "fixed32";
    case MW_KIND_BOOL: return "bool";
    case MW_KIND_STRING: return "string";
    case MW_KIND_MESSAGE: return field->message->full_name;
    case MW_KIND_BYTES: return "bytes";
    case MW_KIND_UINT32: return "uint32";
    case MW_KIND_ENUM: return field->enumeration->full_name;
    case MW_KIND_SFIXED32: return "sfixed32";
    case MW_KIND_SFIXED64: return "sfixed64";
    case MW_KIND_SINT32: return "sint32";
    case MW_KIND_SINT64: return "sint64";
  }
  return "unknown";
}
