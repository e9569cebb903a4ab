/* Compares copies of built-in types with the built-in ones, as text. */
#include <stdlib.h>

#include "base/buf.h"
#include "schema/pool/builtin.h"

typedef Google__Protobuf__DescriptorProto MessageProto;
typedef Google__Protobuf__EnumDescriptorProto EnumProto;
typedef Google__Protobuf__FieldDescriptorProto FieldProto;
typedef Google__Protobuf__FileDescriptorProto FileProto;
typedef Google__Protobuf__MethodDescriptorProto MethodProto;
typedef Google__Protobuf__ServiceDescriptorProto ServiceProto;

enum { LABEL_OPTIONAL = 1, LABEL_REQUIRED = 2, LABEL_REPEATED = 3 };

/* ---- definitions as text ---- */

static const char *without_dot(const char *name) { return name && *name == '.' ? name + 1 : name ? name : ""; }

static const char *type_name(const FieldProto *field) {
  static const char *const scalars[] = {"",        "double",   "float",    "int64",  "uint64",  "int32", "fixed64",
                                        "fixed32", "bool",     "string",   "group",  "message", "bytes", "uint32",
                                        "enum",    "sfixed32", "sfixed64", "sint32", "sint64"};
  if (field->type_name) return without_dot(field->type_name);
  size_t type = field->has_type ? (size_t)field->type : 0;
  return type < sizeof scalars / sizeof *scalars ? scalars[type] : "";
}

static const char *label(const FieldProto *field, bool proto3) {
  if (field->has_oneof_index && !field->proto3_optional) return "";
  switch (field->has_label ? (int)field->label : LABEL_OPTIONAL) {
    case LABEL_REPEATED: return "repeated ";
    case LABEL_REQUIRED: return "required ";
    default: return proto3 && !field->proto3_optional ? "" : "optional ";
  }
}

/* Returns the entry type of a map field; NULL for other fields. */
static const MessageProto *map_entry(const MessageProto *message, const FieldProto *field) {
  const char *dot = strrchr(type_name(field), '.');
  for (size_t i = 0; dot && i < message->n_nested_type; i++) {
    const MessageProto *entry = message->nested_type[i];
    if (entry->options && entry->options->map_entry && strcmp(entry->name, dot + 1) == 0) return entry;
  }
  return NULL;
}

static int put_field(struct mw_buf *out, const MessageProto *message, const FieldProto *field, bool proto3) {
  bool member = field->has_oneof_index && !field->proto3_optional && field->oneof_index >= 0 &&
                (size_t)field->oneof_index < message->n_oneof_decl;
  const char *oneof = member ? message->oneof_decl[field->oneof_index]->name : "";
  const MessageProto *entry = map_entry(message, field);
  if (entry && entry->n_field == 2) {
    return mw_buf_printf(out, "map<%s, %s> %s = %d;", type_name(entry->field[0]), type_name(entry->field[1]),
                         field->name, field->number);
  }
  bool group = field->has_type && field->type == GOOGLE__PROTOBUF__FIELD_DESCRIPTOR_PROTO__TYPE__TYPE_GROUP;
  return mw_buf_printf(out, "%s%s%s%s%s %s = %d;", oneof, member ? ": " : "", label(field, proto3),
                       group ? "group " : "", type_name(field), field->name, field->number);
}

static int compare_numbers(const void *a, const void *b) {
  const FieldProto *x = *(const FieldProto *const *)a, *y = *(const FieldProto *const *)b;
  return x->number < y->number ? -1 : x->number > y->number;
}

/* Writes "{ int64 seconds = 1; int32 nanos = 2; }", sorted by number. A field of a oneof begins with the oneof's name
 * and ": ". */
static int put_message(struct mw_buf *out, struct mw_arena *scratch, const MessageProto *message, bool proto3) {
  const FieldProto **fields = mw_arena_calloc(scratch, message->n_field, sizeof *fields);
  if (!fields) return MW_ENOMEM;
  for (size_t i = 0; i < message->n_field; i++) fields[i] = message->field[i];
  qsort(fields, message->n_field, sizeof *fields, compare_numbers);
  int rc = mw_buf_puts(out, message->options && message->options->map_entry ? "map entry { " : "{ ");
  for (size_t i = 0; i < message->n_field && rc == 0; i++) {
    rc = put_field(out, message, fields[i], proto3);
    if (rc == 0) rc = mw_buf_putc(out, ' ');
  }
  return rc == 0 ? mw_buf_putc(out, '}') : rc;
}

/* Writes "{ UNKNOWN = 0; SERVING = 1; }". */
static int put_enum(struct mw_buf *out, const EnumProto *proto) {
  int rc = mw_buf_puts(out, "{ ");
  for (size_t i = 0; i < proto->n_value && rc == 0; i++) {
    rc = mw_buf_printf(out, "%s = %d; ", proto->value[i]->name, proto->value[i]->number);
  }
  return rc == 0 ? mw_buf_putc(out, '}') : rc;
}

/* Writes "rpc Watch(grpc.health.v1.HealthCheckRequest) returns (stream grpc.health.v1.HealthCheckResponse)". */
static int put_method(struct mw_buf *out, const MethodProto *method) {
  return mw_buf_printf(out, "rpc %s(%s%s) returns (%s%s)", method->name, method->client_streaming ? "stream " : "",
                       without_dot(method->input_type), method->server_streaming ? "stream " : "",
                       without_dot(method->output_type));
}

/* ---- comparison ---- */

/* True if every name that both enums have has the same number in both, and every such number the same name. Either may
 * have further values. */
static bool enums_agree(const EnumProto *own, const EnumProto *copy) {
  for (size_t i = 0; i < own->n_value; i++) {
    bool number = false, pair = false;
    for (size_t k = 0; k < copy->n_value; k++) {
      bool same_name = strcmp(own->value[i]->name, copy->value[k]->name) == 0;
      bool same_number = own->value[i]->number == copy->value[k]->number;
      if (same_name && !same_number) return false;
      number |= same_number;
      pair |= same_name && same_number;
    }
    if (number && !pair) return false;
  }
  return true;
}

struct comparison {
  struct mw_builder *b;
  const struct mw_symbol *symbol; /* of the copy */
  const char *full_name;
  struct mw_buf expected, got;
};

/* Releases the texts. `rc` is the result of writing them. Fails with both texts unless `same`. */
static int finish_comparison(struct comparison *c, int rc, bool same) {
  if (rc != 0) {
    rc = mw_build_no_memory(c->b);
  } else if (!same) {
    c->b->file = c->symbol->file;
    rc = mw_build_fail_at(c->b, MW_EFORMAT, c->full_name,
                          "%s: this copy differs from the built-in definition: expected %s, got %s", c->full_name,
                          mw_buf_str(&c->expected), mw_buf_str(&c->got));
  }
  mw_buf_fini(&c->expected);
  mw_buf_fini(&c->got);
  return rc;
}

static const char *const kinds[] = {"a message", "an enum", "a service", "a field, value or method"};

/* Finds the copy of a built-in type. Sets `copy` to NULL if there is none: a missing type is an error only where one
 * refers to it. */
static int find_copy(struct mw_builder *b, const char *full_name, enum mw_symbol_kind kind,
                     const struct mw_symbol **copy) {
  const struct mw_symbol *symbol = mw_build_find(b, full_name);
  *copy = symbol && !symbol->file->builtin ? symbol : NULL;
  if (!*copy || symbol->kind == kind) return 0;
  b->file = symbol->file;
  return mw_build_fail_at(b, MW_EFORMAT, full_name, "%s: expected %s, as the built-in definition is, got %s", full_name,
                          kinds[kind], kinds[symbol->kind]);
}

static int check_enum(struct mw_builder *b, const char *scope, const EnumProto *own) {
  const char *full_name = mw_build_join(b, scope, own->name);
  const struct mw_symbol *copy;
  if (!full_name) return mw_build_no_memory(b);
  int rc = find_copy(b, full_name, MW_SYMBOL_ENUM, &copy);
  if (rc != 0 || !copy) return rc;
  const EnumProto *proto = b->enums[((const struct mw_enum_type *)copy->type)->index];
  struct comparison c = {b, copy, full_name, MW_BUF_INIT, MW_BUF_INIT};
  rc = put_enum(&c.expected, own);
  if (rc == 0) rc = put_enum(&c.got, proto);
  return finish_comparison(&c, rc, enums_agree(own, proto));
}

static int check_message(struct mw_builder *b, const char *scope, const MessageProto *own) {
  const char *full_name = mw_build_join(b, scope, own->name);
  const struct mw_symbol *copy;
  if (!full_name) return mw_build_no_memory(b);
  int rc = find_copy(b, full_name, MW_SYMBOL_MESSAGE, &copy);
  if (rc != 0 || !copy) return rc;
  const struct mw_message_plan *plan = &b->messages[((const struct mw_message_type *)copy->type)->index];
  struct comparison c = {b, copy, full_name, MW_BUF_INIT, MW_BUF_INIT};
  rc = put_message(&c.expected, &b->scratch, own, true);
  if (rc == 0) rc = put_message(&c.got, &b->scratch, plan->proto, plan->proto3);
  rc = finish_comparison(&c, rc, rc == 0 && mw_slice_eq(mw_buf_slice(&c.expected), mw_buf_slice(&c.got)));
  for (size_t i = 0; i < own->n_enum_type && rc == 0; i++) rc = check_enum(b, full_name, own->enum_type[i]);
  for (size_t i = 0; i < own->n_nested_type && rc == 0; i++) rc = check_message(b, full_name, own->nested_type[i]);
  return rc;
}

static const ServiceProto *service_proto(const struct mw_builder *b, const struct mw_service_type *type) {
  size_t i = 0;
  while (b->services[i].type != type) i++;
  return b->services[i].proto;
}

/* The copy may lack methods, or have more. */
static int check_service(struct mw_builder *b, const char *scope, const ServiceProto *own) {
  const char *full_name = mw_build_join(b, scope, own->name);
  const struct mw_symbol *copy;
  if (!full_name) return mw_build_no_memory(b);
  int rc = find_copy(b, full_name, MW_SYMBOL_SERVICE, &copy);
  const ServiceProto *proto = rc == 0 && copy ? service_proto(b, copy->type) : NULL;
  for (size_t i = 0; proto && i < own->n_method && rc == 0; i++) {
    for (size_t k = 0; k < proto->n_method && rc == 0; k++) {
      if (strcmp(own->method[i]->name, proto->method[k]->name) != 0) continue;
      struct comparison c = {b, copy, mw_build_join(b, full_name, own->method[i]->name), MW_BUF_INIT, MW_BUF_INIT};
      rc = c.full_name ? put_method(&c.expected, own->method[i]) : MW_ENOMEM;
      if (rc == 0) rc = put_method(&c.got, proto->method[k]);
      rc = finish_comparison(&c, rc, rc == 0 && mw_slice_eq(mw_buf_slice(&c.expected), mw_buf_slice(&c.got)));
    }
  }
  return rc;
}

/* ---- the types that code relies on ---- */

static bool is_one_of(const char *name, const char *const *names) {
  for (; *names; names++) {
    if (strcmp(name, *names) == 0) return true;
  }
  return false;
}

/* True if code relies on a top-level message, enum or service of a built-in file. Newer copies of the others may have
 * further fields. */
static bool is_shape_fixed(const FileProto *file, const char *name) {
  static const char *const free_files[] = {"google/protobuf/api.proto",
                                           "google/protobuf/descriptor.proto",
                                           "google/protobuf/source_context.proto",
                                           "google/protobuf/type.proto",
                                           "google/rpc/code.proto",
                                           NULL};
  if (strcmp(file->name, "google/rpc/error_details.proto") == 0) return strcmp(name, "DebugInfo") == 0;
  return !is_one_of(file->name, free_files);
}

static int check_file(struct mw_builder *b, const FileProto *own) {
  int rc = 0;
  for (size_t i = 0; i < own->n_enum_type && rc == 0; i++) {
    if (is_shape_fixed(own, own->enum_type[i]->name)) rc = check_enum(b, own->package, own->enum_type[i]);
  }
  for (size_t i = 0; i < own->n_message_type && rc == 0; i++) {
    if (is_shape_fixed(own, own->message_type[i]->name)) rc = check_message(b, own->package, own->message_type[i]);
  }
  for (size_t i = 0; i < own->n_service && rc == 0; i++) rc = check_service(b, own->package, own->service[i]);
  return rc;
}

/* Checks that the types which code looks up by name in every pool exist. Only a copy at the path of their file can omit
 * them. */
static int check_present(struct mw_builder *b, const FileProto *own) {
  static const char *const needed[] = {"google/protobuf/any.proto", "google/protobuf/duration.proto",
                                       "google/protobuf/timestamp.proto", NULL};
  if (!is_one_of(own->name, needed)) return 0;
  const char *full_name = mw_build_join(b, own->package, own->message_type[0]->name);
  if (!full_name) return mw_build_no_memory(b);
  if (mw_build_find(b, full_name)) return 0;
  b->file = mw_map_get(&b->pool->files, mw_slice_str(own->name));
  return mw_build_fail_at(b, MW_EFORMAT, "", "this copy of a built-in file lacks message %s", full_name);
}

int mw_builtin_check(struct mw_builder *b, const struct mw_descriptor_set *own) {
  int rc = 0;
  for (size_t i = 0; i < own->n_files && rc == 0; i++) {
    rc = check_present(b, own->files[i].proto);
    if (rc == 0) rc = check_file(b, own->files[i].proto);
  }
  return rc;
}
