/* Chooses between each built-in file and the folder's copies of it. */
#include "schema/pool/builtin.h"

#include <stdlib.h>

typedef Google__Protobuf__FileDescriptorProto FileProto;

/* The types of a built-in file that the given files declare already. */
struct standing {
  size_t types, declared; /* messages, enums and services of the file, and the number of them already declared */
  const struct mw_pool_file **declarers; /* files that declare them, each once */
  size_t n_declarers;
};

static int note(struct mw_builder *b, const FileProto *file, const char *name, struct standing *standing) {
  const struct mw_symbol *symbol;
  char *full = mw_build_join(b, file->package, name);
  if (!full) return mw_build_no_memory(b);
  standing->types++;
  symbol = mw_build_find(b, full);
  if (!symbol) return 0;
  standing->declared++;
  for (size_t i = 0; i < standing->n_declarers; i++) {
    if (standing->declarers[i] == symbol->file) return 0;
  }
  standing->declarers[standing->n_declarers++] = symbol->file;
  return 0;
}

static int examine(struct mw_builder *b, const FileProto *file, struct standing *standing) {
  *standing = (struct standing){0};
  size_t n = file->n_message_type + file->n_enum_type + file->n_service;
  standing->declarers = mw_arena_calloc(&b->scratch, n, sizeof *standing->declarers);
  int rc = standing->declarers ? 0 : mw_build_no_memory(b);
  for (size_t i = 0; i < file->n_message_type && rc == 0; i++) {
    rc = note(b, file, file->message_type[i]->name, standing);
  }
  for (size_t i = 0; i < file->n_enum_type && rc == 0; i++) rc = note(b, file, file->enum_type[i]->name, standing);
  for (size_t i = 0; i < file->n_service && rc == 0; i++) rc = note(b, file, file->service[i]->name, standing);
  return rc;
}

/* Sets `complete` unless `file` imports a built-in file with a type that is not declared. */
static int check_imports(struct mw_builder *b, const struct mw_descriptor_set *own, const FileProto *file,
                         bool *complete) {
  *complete = true;
  for (size_t i = 0; i < own->n_files; i++) {
    const FileProto *other = own->files[i].proto;
    for (size_t k = 0; k < file->n_dependency; k++) {
      if (strcmp(file->dependency[k], other->name) != 0) continue;
      struct standing standing;
      int rc = examine(b, other, &standing);
      if (rc != 0) return rc;
      if (standing.declared < standing.types) *complete = false;
    }
  }
  return 0;
}

/* Declares a file at the path of `replaced` that imports the declarers publicly and defines nothing. */
static int declare_forwarder(struct mw_builder *b, const FileProto *replaced, const struct standing *standing) {
  FileProto proto = GOOGLE__PROTOBUF__FILE_DESCRIPTOR_PROTO__INIT;
  proto.name = replaced->name;
  proto.package = replaced->package;
  proto.syntax = replaced->syntax;
  proto.n_dependency = proto.n_public_dependency = standing->n_declarers;
  proto.dependency = mw_arena_calloc(&b->scratch, standing->n_declarers, sizeof *proto.dependency);
  proto.public_dependency = mw_arena_calloc(&b->scratch, standing->n_declarers, sizeof *proto.public_dependency);
  if (!proto.dependency || !proto.public_dependency) return mw_build_no_memory(b);
  for (size_t i = 0; i < standing->n_declarers; i++) {
    proto.dependency[i] = (char *)(uintptr_t)standing->declarers[i]->path;
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
    struct standing standing;
    bool complete;
    if (mw_map_get(&b->pool->files, mw_slice_str(file->name))) continue;
    rc = examine(b, file, &standing);
    if (rc == 0 && standing.declared > 0) {
      rc = declare_forwarder(b, file, &standing);
    } else if (rc == 0) {
      rc = check_imports(b, own, file, &complete);
      if (rc == 0 && complete) rc = mw_build_declare(b, &own->files[i]);
    }
  }
  b->builtin = false;
  return rc;
}
