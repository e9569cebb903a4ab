/* The types of a schema: messages, enums and services with their fields, values and methods, and the layout of messages
 * in memory. `schema/pool/pool.h` makes them and holds them; they are immutable, and all pointers live as long as the
 * pool. Names are full names without a leading dot ("tasks.Task"). Any thread.
 *
 * In memory a message is a protobuf-c message whose layout differs from generated code in two ways. A `string` is
 * stored as ProtobufCBinaryData, so that it keeps its length and its NULs. Every singular scalar field outside of
 * oneofs has an int "has" quantifier like a proto2 optional one: fields without presence, so that -0.0 and merges
 * survive, and required ones, so that their absence is detected. protobuf-c therefore does not check required fields;
 * mw_message_check_required() does. `schema/wire/message.h` reads and writes messages. */
#ifndef MW_SCHEMA_TYPE_TYPE_H
#define MW_SCHEMA_TYPE_TYPE_H

#include <protobuf-c/protobuf-c.h>

#include "base/slice.h"

/* The field types of descriptor.proto, by its numbers. Groups are kept as unknown fields and do not appear. */
enum mw_kind {
  MW_KIND_DOUBLE = 1,
  MW_KIND_FLOAT = 2,
  MW_KIND_INT64 = 3,
  MW_KIND_UINT64 = 4,
  MW_KIND_INT32 = 5,
  MW_KIND_FIXED64 = 6,
  MW_KIND_FIXED32 = 7,
  MW_KIND_BOOL = 8,
  MW_KIND_STRING = 9,
  MW_KIND_MESSAGE = 11,
  MW_KIND_BYTES = 12,
  MW_KIND_UINT32 = 13,
  MW_KIND_ENUM = 14,
  MW_KIND_SFIXED32 = 15,
  MW_KIND_SFIXED64 = 16,
  MW_KIND_SINT32 = 17,
  MW_KIND_SINT64 = 18
};

/* Messages with a mapping of their own in Lua and in JSON. */
enum mw_wellknown {
  MW_WKT_NONE,
  MW_WKT_TIMESTAMP,
  MW_WKT_DURATION,
  MW_WKT_FIELD_MASK,
  MW_WKT_STRUCT,
  MW_WKT_VALUE,
  MW_WKT_LIST_VALUE,
  MW_WKT_ANY,
  MW_WKT_EMPTY,
  MW_WKT_WRAPPER /* DoubleValue ... BytesValue: one field, `value`, number 1 */
};

struct mw_message_type;
struct mw_enum_type;
struct mw_oneof;

struct mw_field {
  const char *name;                     /* "status_filter" */
  const char *json_name;                /* "statusFilter" */
  const ProtobufCFieldDescriptor *desc; /* offset, quantifier_offset, label, flags */
  uint32_t number;
  enum mw_kind kind;
  bool repeated; /* includes maps */
  bool map;      /* `message` is the entry type: field 1 is the key, field 2 the value */
  bool packed;
  bool required;
  bool has_presence;                     /* nil when unset: messages, proto3 optional, proto2 optional, oneof members */
  const struct mw_message_type *message; /* MW_KIND_MESSAGE, else NULL */
  const struct mw_enum_type *enumeration; /* MW_KIND_ENUM, else NULL */
  const struct mw_oneof *oneof;           /* real oneofs only, never the synthetic one of `optional` */
  const void *default_value; /* proto2 [default=...], or the first value of a proto2 enum when that is not 0: points at
                                a C value, ProtobufCBinaryData for string and bytes; NULL for the zero value */
};

struct mw_oneof {
  const char *name;
  size_t case_offset; /* offset of a uint32 in the message: the number of the set member, 0 for none */
  const struct mw_field *const *members;
  size_t n_members;
};

struct mw_message_type {
  const char *full_name;
  const char *file; /* "tasks.proto" */
  unsigned index;   /* dense, 0 .. mw_pool_message_count() - 1, for side tables */
  const ProtobufCMessageDescriptor *desc;
  const struct mw_field *fields; /* sorted by number, parallel to desc->fields */
  size_t n_fields;
  const struct mw_oneof *oneofs;
  size_t n_oneofs;
  enum mw_wellknown wellknown;
  bool map_entry;
  bool has_required;                    /* the type, or any message reachable from it, has a required field */
  bool has_defaults;                    /* a field of the type itself has a default_value */
  const struct mw_field **by_name;      /* sorted by name */
  const struct mw_field **by_json_name; /* sorted by JSON name */
};

struct mw_enum_value {
  const char *name;
  int32_t number;
};

struct mw_enum_type {
  const char *full_name;
  unsigned index;
  const ProtobufCEnumDescriptor *desc;
  const struct mw_enum_value *values; /* in the order of the file, aliases included */
  size_t n_values;
  const struct mw_enum_value **by_name;   /* sorted by name */
  const struct mw_enum_value **by_number; /* sorted by number, the first value of each */
  size_t n_numbers;
  bool closed; /* proto2: an unknown number is kept as an unknown field */
};

struct mw_method_type {
  const char *name; /* "CreateTask" */
  const char *path; /* "/tasks.TaskService/CreateTask" */
  const struct mw_service_type *service;
  const struct mw_message_type *input, *output;
  bool client_streaming, server_streaming;
};

struct mw_service_type {
  const char *full_name;
  const char *file;
  unsigned line;                        /* of the definition, from 1; 0 when the set has no source information */
  const struct mw_method_type *methods; /* in the order of the file */
  size_t n_methods;
};

/* Size in bytes of one element of `kind` in memory: 4, 8, or the size of ProtobufCBinaryData or of a pointer. */
extern const uint8_t mw_kind_sizes[];
static inline size_t mw_kind_size(enum mw_kind kind) { return mw_kind_sizes[kind]; }

/* Find a field by name, by JSON name or else name, or by number. Return NULL if there is none. */
const struct mw_field *mw_field_by_name(const struct mw_message_type *type, struct mw_slice name);
const struct mw_field *mw_field_by_json_name(const struct mw_message_type *type, struct mw_slice name);
const struct mw_field *mw_field_by_number(const struct mw_message_type *type, uint32_t number);

/* Find the first value with this number or name. Return NULL if there is none. */
const struct mw_enum_value *mw_enum_by_number(const struct mw_enum_type *type, int32_t number);
const struct mw_enum_value *mw_enum_by_name(const struct mw_enum_type *type, struct mw_slice name);

/* Returns the name of the field's type for error messages: "int32", "tasks.Priority", ... */
const char *mw_field_type_name(const struct mw_field *field);

#endif
