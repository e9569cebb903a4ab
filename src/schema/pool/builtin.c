/* Chooses between each built-in file and the folder's copies of it. */
#include "schema/pool/builtin.h"

#include <stdlib.h>

typedef Google__Protobuf__FileDescriptorProto FileProto;

/* The share of a built-in file's types that the given files declare. */
struct coverage {
  size_t types, declared;                /* messages, enums and services of the file, and the number of them declared */
  const struct mw_pool_file **declarers; /* files that declare them, each once */
  size_t n_declarers;
};

static int count_type(struct mw_builder *b, const FileProto *file, const char *name, struct coverage *coverage) {
  const struct mw_symbol *symbol;
  char *full = mw_build_join(b, file->package, name);
  if (!full) return mw_build_no_memory(b);
  coverage->types++;
  symbol = mw_build_find(b, full);
  if (!symbol) return 0;
  coverage->declared++;
  for (size_t i = 0; i < coverage->n_declarers; i++) {
    if (coverage->declarers[i] == symbol->file) return 0;
  }
  coverage->declarers[coverage->n_declarers++] = symbol->file;
  return 0;
}

static int measure(struct mw_builder *b, const FileProto *file, struct coverage *coverage) {
  *coverage = (struct coverage){0};
  size_t n = file->n_message_type + file->n_enum_type + file->n_service;
  coverage->declarers = mw_arena_calloc(&b->scratch, n, sizeof *coverage->declarers);
  int rc = coverage->declarers ? 0 : mw_build_no_memory(b);
  for (size_t i = 0; i < file->n_message_type && rc == 0; i++) {
    rc = count_type(b, file, file->message_type[i]->name, coverage);
  }
  for (size_t i = 0; i < file->n_enum_type && rc == 0; i++)
    rc = count_type(b, file, file->enum_type[i]->name, coverage);
  for (size_t i = 0; i < file->n_service && rc == 0; i++) rc = count_type(b, file, file->service[i]->name, coverage);
  return rc;
}

/* Sets `declared` to false if `file` imports a built-in file with a type that is not declared. */
static int imports_declared(struct mw_builder *b, const struct mw_descriptor_set *own, const FileProto *file,
                            bool *declared) {
  *declared = true;
  for (size_t i = 0; i < own->n_files; i++) {
    const FileProto *other = own->files[i].proto;
    for (size_t k = 0; k < file->n_dependency; k++) {
      if (strcmp(file->dependency[k], other->name) != 0) continue;
      struct coverage coverage;
      int rc = measure(b, other, &coverage);
      if (rc != 0) return rc;
      if (coverage.declared < coverage.types) *declared = false;
    }
  }
  return 0;
}

/* Declares a file at the path of `replaced` that imports the declarers publicly and defines nothing. */
static int declare_forwarder(struct mw_builder *b, const FileProto *replaced, const struct coverage *coverage) {
  FileProto proto = GOOGLE__PROTOBUF__FILE_DESCRIPTOR_PROTO__INIT;
  proto.name = replaced->name;
  proto.package = replaced->package;
  proto.syntax = replaced->syntax;
  proto.n_dependency = proto.n_public_dependency = coverage->n_declarers;
  proto.dependency = mw_arena_calloc(&b->scratch, coverage->n_declarers, sizeof *proto.dependency);
  proto.public_dependency = mw_arena_calloc(&b->scratch, coverage->n_declarers, sizeof *proto.public_dependency);
  if (!proto.dependency || !proto.public_dependency) return mw_build_no_memory(b);
  for (size_t i = 0; i < coverage->n_declarers; i++) {
    proto.dependency[i] = (char *)(uintptr_t)coverage->declarers[i]->path;
    proto.public_dependency[i] = (int32_t)i;
  }
  size_t size = google__protobuf__file_descriptor_proto__get_packed_size(&proto);
  uint8_t *bytes = mw_arena_alloc(&b->pool->arena, size);
  if (!bytes) return mw_build_no_memory(b);
  google__protobuf__file_descriptor_proto__pack(&proto, bytes);
  return mw_build_declare(b, &(struct mw_descriptor_file){mw_slice(bytes, size), &proto});
}

int mw_builtin_declare(struct mw_builder *b, const struct mw_descriptor_set *own) {
  int rc = 0;
  b->builtin = true;
  for (size_t i = 0; i < own->n_files && rc == 0; i++) {
    const FileProto *file = own->files[i].proto;
    struct coverage coverage;
    bool declared;
    if (mw_map_get(&b->pool->files, mw_slice_str(file->name))) continue;
    rc = measure(b, file, &coverage);
    if (rc == 0 && coverage.declared > 0) {
      rc = declare_forwarder(b, file, &coverage);
    } else if (rc == 0) {
      rc = imports_declared(b, own, file, &declared);
      if (rc == 0 && declared) rc = mw_build_declare(b, &own->files[i]);
    }
  }
  b->builtin = false;
  return rc;
}
