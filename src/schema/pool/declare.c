#include <stdarg.h>
#include <stdio.h>

#include "schema/pool/build.h"
#include "schema/pool/layout.h"
#include "schema/pool/roots.h"
#include "schema/pool/source_line.h"

/* ---- helpers for all passes ---- */

int mw_build_no_memory(struct mw_builder *b) { return mw_err_set(b->err, MW_ENOMEM, "schema: out of memory"); }

static int fail(struct mw_builder *b, int code, unsigned line, const char *fmt, va_list args) {
  char text[2048], at[16] = "";
  vsnprintf(text, sizeof text, fmt, args);
  if (line > 0) snprintf(at, sizeof at, ":%u", line);
  const char *root = mw_root_of(b->roots, b->file->path);
  return mw_err_set(b->err, code, "%s%s%s%s: %s", root, *root ? "/" : "", b->file->path, at, text);
}

int mw_build_fail(struct mw_builder *b, int code, const char *fmt, ...) {
  va_list args;
  va_start(args, fmt);
  fail(b, code, 0, fmt, args);
  va_end(args);
  return code;
}

int mw_build_fail_at(struct mw_builder *b, int code, const char *full_name, const char *fmt, ...) {
  unsigned line = 0;
  for (size_t i = 0; i < b->given->n_files && line == 0; i++) {
    const struct mw_descriptor_file *file = &b->given->files[i];
    if (strcmp(file->proto->name, b->file->path) == 0) line = mw_source_line_of(file, full_name);
  }
  va_list args;
  va_start(args, fmt);
  fail(b, code, line, fmt, args);
  va_end(args);
  return code;
}

char *mw_build_copy(struct mw_builder *b, const char *text) {
  return mw_arena_strndup(&b->pool->arena, text, strlen(text));
}

char *mw_build_join(struct mw_builder *b, const char *scope, const char *name) {
  if (!*scope) return mw_build_copy(b, name);
  size_t size = strlen(scope) + 1 + strlen(name) + 1;
  char *joined = mw_arena_alloc(&b->pool->arena, size);
  if (joined) snprintf(joined, size, "%s.%s", scope, name);
  return joined;
}

const struct mw_symbol *mw_build_find(const struct mw_builder *b, const char *full_name) {
  return mw_map_get(&b->pool->symbols, mw_slice_str(*full_name == '.' ? full_name + 1 : full_name));
}

/* ---- names ---- */

static bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; }

/* True for an identifier; with `dotted`, for identifiers joined by dots. */
static bool valid_name(const char *name, bool dotted) {
  bool start = true;
  for (; *name; name++) {
    bool digit = *name >= '0' && *name <= '9';
    if (*name == '.' && dotted && !start) {
      start = true;
    } else if (is_letter(*name) || (digit && !start)) {
      start = false;
    } else {
      return false;
    }
  }
  return !start;
}

/* Names the folder's own file first, because the user can change that one. */
static int fail_defined(struct mw_builder *b, const char *full_name, const struct mw_symbol *other) {
  const struct mw_pool_file *first = other->file;
  if (b->builtin) {
    first = b->file;
    b->file = other->file;
  }
  return mw_build_fail_at(b, MW_EEXIST, full_name, "\"%s\" is already defined in %s%s", full_name, first->path,
                          first->builtin ? ", which is built in" : "");
}

/* Declares SCOPE.NAME and sets `full_name`. */
static int declare(struct mw_builder *b, const char *scope, const char *name, enum mw_symbol_kind kind, void *type,
                   const char **full_name) {
  if (!name || !valid_name(name, false)) {
    return mw_build_fail(b, MW_EFORMAT, "\"%s\" in \"%s\" is not a name: expected letters, digits and underscores",
                         name ? name : "", scope);
  }
  char *full = mw_build_join(b, scope, name);
  if (!full) return mw_build_no_memory(b);
  const struct mw_symbol *other = mw_build_find(b, full);
  if (other) return fail_defined(b, full, other);
  struct mw_symbol *symbol = mw_arena_alloc(&b->pool->arena, sizeof *symbol);
  if (!symbol) return mw_build_no_memory(b);
  *symbol = (struct mw_symbol){kind, b->file, type};
  if (mw_map_set(&b->pool->symbols, mw_slice_str(full), symbol) != 0) return mw_build_no_memory(b);
  if (full_name) *full_name = full;
  return 0;
}

static int declare_member(struct mw_builder *b, const char *scope, const char *name) {
  return declare(b, scope, name, MW_SYMBOL_MEMBER, NULL, NULL);
}

/* ---- enums: complete once declared ---- */

static int declare_enum(struct mw_builder *b, const char *scope, const Google__Protobuf__EnumDescriptorProto *proto) {
  size_t index = b->pool->n_enums;
  struct mw_enum_type *type = &b->pool->enums[index];
  int rc = declare(b, scope, proto->name, MW_SYMBOL_ENUM, type, &type->full_name);
  if (rc != 0) return rc;
  b->pool->n_enums++;
  b->enums[index] = proto;
  if (proto->n_value == 0) return mw_build_fail(b, MW_EFORMAT, "enum \"%s\" has no values", type->full_name);
  struct mw_enum_value *values = mw_arena_calloc(&b->pool->arena, proto->n_value, sizeof *values);
  if (!values) return mw_build_no_memory(b);
  for (size_t i = 0; i < proto->n_value && rc == 0; i++) {
    rc = declare_member(b, scope, proto->value[i]->name); /* a sibling of its enum, as in C++ */
    if (rc != 0) return rc;
    values[i].number = proto->value[i]->number;
    values[i].name = mw_build_copy(b, proto->value[i]->name);
    if (!values[i].name) return mw_build_no_memory(b);
  }
  type->index = (unsigned)index;
  type->values = values;
  type->n_values = proto->n_value;
  type->closed = !b->proto3;
  if (b->proto3 && values[0].number != 0) {
    return mw_build_fail(b, MW_EFORMAT, "enum \"%s\": the first value of a proto3 enum must be 0, got %s = %d",
                         type->full_name, values[0].name, values[0].number);
  }
  return mw_layout_enum(&b->pool->arena, type, &b->enum_descs[index]) == 0 ? 0 : mw_build_no_memory(b);
}

/* ---- messages ---- */

static int declare_extensions(struct mw_builder *b, const char *scope,
                              Google__Protobuf__FieldDescriptorProto *const *protos, size_t n) {
  for (size_t i = 0; i < n; i++) {
    const char *full_name = NULL;
    int rc = declare(b, scope, protos[i]->name, MW_SYMBOL_MEMBER, NULL, &full_name);
    if (rc != 0) return rc;
    b->extensions[b->n_extensions++] = (struct mw_extension_plan){protos[i], b->file, full_name, b->proto3};
  }
  return 0;
}

static int declare_members(struct mw_builder *b, const char *scope, const Google__Protobuf__DescriptorProto *proto) {
  int rc = 0;
  for (size_t i = 0; i < proto->n_field && rc == 0; i++) rc = declare_member(b, scope, proto->field[i]->name);
  for (size_t i = 0; i < proto->n_oneof_decl && rc == 0; i++) rc = declare_member(b, scope, proto->oneof_decl[i]->name);
  if (rc == 0) rc = declare_extensions(b, scope, proto->extension, proto->n_extension);
  return rc;
}

/* Recursion is bounded: the descriptor set was checked for nesting. */
static int declare_message(struct mw_builder *b, const char *scope, const Google__Protobuf__DescriptorProto *proto) {
  size_t index = b->pool->n_messages;
  struct mw_message_type *type = &b->pool->messages[index];
  int rc = declare(b, scope, proto->name, MW_SYMBOL_MESSAGE, type, &type->full_name);
  if (rc != 0) return rc;
  b->pool->n_messages++;
  b->messages[index] = (struct mw_message_plan){.proto = proto, .file = b->file, .proto3 = b->proto3};
  type->index = (unsigned)index;
  type->file = b->file->path;
  type->desc = &b->message_descs[index];
  type->map_entry = proto->options && proto->options->map_entry;

  rc = declare_members(b, type->full_name, proto);
  for (size_t i = 0; i < proto->n_enum_type && rc == 0; i++) rc = declare_enum(b, type->full_name, proto->enum_type[i]);
  for (size_t i = 0; i < proto->n_nested_type && rc == 0; i++) {
    rc = declare_message(b, type->full_name, proto->nested_type[i]);
  }
  return rc;
}

/* ---- services ---- */

static int declare_service(struct mw_builder *b, const char *scope, const struct mw_descriptor_file *file, size_t i) {
  const Google__Protobuf__ServiceDescriptorProto *proto = file->proto->service[i];
  struct mw_service_type *type = mw_arena_calloc(&b->pool->arena, 1, sizeof *type);
  if (!type) return mw_build_no_memory(b);
  int rc = declare(b, scope, proto->name, MW_SYMBOL_SERVICE, type, &type->full_name);
  if (rc != 0) return rc;
  type->file = b->file->path;
  type->line = mw_source_line(file->bytes, &(struct mw_source_path){{MW_FILE_SERVICE, (int32_t)i}, 2});
  for (size_t k = 0; k < proto->n_method && rc == 0; k++) {
    rc = declare_member(b, type->full_name, proto->method[k]->name);
  }
  b->services[b->n_services++] = (struct mw_service_plan){proto, b->file, type};
  return rc;
}

/* ---- files ---- */

static int declare_file(struct mw_builder *b, const struct mw_descriptor_file *source) {
  const Google__Protobuf__FileDescriptorProto *proto = source->proto;
  struct mw_pool_file *file = mw_arena_calloc(&b->pool->arena, 1, sizeof *file);
  const char **imports = mw_arena_calloc(&b->pool->arena, proto->n_dependency, sizeof *imports);
  if (!file || !imports) return mw_build_no_memory(b);
  file->path = mw_build_copy(b, proto->name);
  for (size_t i = 0; i < proto->n_dependency; i++) {
    imports[i] = mw_build_copy(b, proto->dependency[i]);
    if (!imports[i]) return mw_build_no_memory(b);
  }
  if (!file->path) return mw_build_no_memory(b);
  file->bytes = source->bytes;
  file->imports = imports;
  file->n_imports = proto->n_dependency;
  file->builtin = b->builtin;
  if (mw_map_set(&b->pool->files, mw_slice_str(file->path), file) != 0) return mw_build_no_memory(b);
  b->file = file;
  return 0;
}

static int check_syntax(struct mw_builder *b, const char *syntax) {
  if (!syntax || !*syntax || strcmp(syntax, "proto2") == 0 || strcmp(syntax, "proto3") == 0) {
    b->proto3 = syntax && strcmp(syntax, "proto3") == 0;
    return 0;
  }
  if (strcmp(syntax, "editions") == 0) {
    return mw_build_fail(b, MW_EUNSUPPORTED, MW_POOL_NO_EDITIONS);
  }
  return mw_build_fail(b, MW_EFORMAT, "unknown syntax \"%s\": expected \"proto3\" or \"proto2\"", syntax);
}

int mw_build_declare(struct mw_builder *b, const struct mw_descriptor_file *source) {
  const Google__Protobuf__FileDescriptorProto *proto = source->proto;
  const char *package = proto->package ? proto->package : "";
  int rc = declare_file(b, source);
  if (rc == 0) rc = check_syntax(b, proto->syntax);
  if (rc == 0 && *package && !valid_name(package, true)) {
    rc = mw_build_fail(b, MW_EFORMAT, "\"%s\" is not a package name", package);
  }
  for (size_t i = 0; i < proto->n_enum_type && rc == 0; i++) rc = declare_enum(b, package, proto->enum_type[i]);
  for (size_t i = 0; i < proto->n_message_type && rc == 0; i++) {
    rc = declare_message(b, package, proto->message_type[i]);
  }
  for (size_t i = 0; i < proto->n_service && rc == 0; i++) rc = declare_service(b, package, source, i);
  if (rc == 0) rc = declare_extensions(b, package, proto->extension, proto->n_extension);
  return rc;
}

/* ---- allocation ---- */

struct counts {
  size_t messages, enums, services, extensions;
};

static void count_message(const Google__Protobuf__DescriptorProto *proto, struct counts *counts) {
  counts->messages++;
  counts->enums += proto->n_enum_type;
  counts->extensions += proto->n_extension;
  for (size_t i = 0; i < proto->n_nested_type; i++) count_message(proto->nested_type[i], counts);
}

static void count_files(const struct mw_descriptor_set *set, struct counts *counts) {
  for (size_t i = 0; i < set->n_files; i++) {
    const Google__Protobuf__FileDescriptorProto *proto = set->files[i].proto;
    for (size_t k = 0; k < proto->n_message_type; k++) count_message(proto->message_type[k], counts);
    counts->enums += proto->n_enum_type;
    counts->services += proto->n_service;
    counts->extensions += proto->n_extension;
  }
}

int mw_build_reserve(struct mw_builder *b, const struct mw_descriptor_set *given, const struct mw_descriptor_set *own) {
  struct counts counts = {0};
  count_files(given, &counts);
  count_files(own, &counts);
  struct mw_pool *pool = b->pool;
  pool->messages = mw_arena_calloc(&pool->arena, counts.messages, sizeof *pool->messages);
  pool->enums = mw_arena_calloc(&pool->arena, counts.enums, sizeof *pool->enums);
  pool->services = mw_arena_calloc(&pool->arena, counts.services, sizeof *pool->services);
  pool->extensions = mw_arena_calloc(&pool->arena, counts.extensions, sizeof *pool->extensions);
  pool->extension_numbers = mw_arena_calloc(&pool->arena, counts.extensions, sizeof *pool->extension_numbers);
  b->message_descs = mw_arena_calloc(&pool->arena, counts.messages, sizeof *b->message_descs);
  b->enum_descs = mw_arena_calloc(&pool->arena, counts.enums, sizeof *b->enum_descs);
  b->messages = mw_arena_calloc(&b->scratch, counts.messages, sizeof *b->messages);
  b->enums = mw_arena_calloc(&b->scratch, counts.enums, sizeof *b->enums);
  b->services = mw_arena_calloc(&b->scratch, counts.services, sizeof *b->services);
  b->extensions = mw_arena_calloc(&b->scratch, counts.extensions, sizeof *b->extensions);
  bool ok = pool->messages && pool->enums && pool->services && pool->extensions && pool->extension_numbers &&
            b->message_descs && b->enum_descs && b->messages && b->enums && b->services && b->extensions;
  return ok ? 0 : mw_build_no_memory(b);
}
