#include "schema/pool/catalogue.h"

#include <stdio.h>
#include <stdlib.h>

#include "schema/pool/pool_impl.h"
#include "schema/pool/wellknown.h"

/* ---- definitions ---- */

static char *join(struct mw_arena *arena, const char *scope, const char *name) {
  if (!*scope) return mw_arena_strndup(arena, name, strlen(name));
  size_t size = strlen(scope) + 1 + strlen(name) + 1;
  char *joined = mw_arena_alloc(arena, size);
  if (joined) snprintf(joined, size, "%s.%s", scope, name);
  return joined;
}

/* Adds SCOPE.NAME; the caller fills in its descriptor. Returns NULL without memory. */
static struct mw_definition *define(struct mw_catalogue *c, const struct mw_catalogue_file *file, const char *scope,
                                    const char *name, enum mw_definition_kind kind, struct mw_source_path path) {
  struct mw_definition *definition = mw_arena_alloc(&c->arena, sizeof *definition);
  char *full_name = join(&c->arena, scope, name);
  if (!definition || !full_name) return NULL;
  if (mw_map_set(&c->by_name, mw_slice_str(full_name), definition) != 0) return NULL;
  *definition = (struct mw_definition){.kind = kind, .full_name = full_name, .file = file, .path = path};
  *c->last = definition;
  c->last = &definition->next;
  return definition;
}

static int define_enum(struct mw_catalogue *c, const struct mw_catalogue_file *file, const char *scope,
                       const Google__Protobuf__EnumDescriptorProto *proto, struct mw_source_path path) {
  struct mw_definition *definition = define(c, file, scope, proto->name, MW_DEFINES_ENUM, path);
  if (!definition) return MW_ENOMEM;
  definition->enumeration = proto;
  return 0;
}

/* Recursion is bounded: a pool's set was checked for nesting. */
static int define_message(struct mw_catalogue *c, const struct mw_catalogue_file *file, const char *scope,
                          const Google__Protobuf__DescriptorProto *proto, struct mw_source_path path) {
  struct mw_definition *definition = define(c, file, scope, proto->name, MW_DEFINES_MESSAGE, path);
  if (!definition) return MW_ENOMEM;
  definition->message = proto;
  int rc = 0;
  for (size_t i = 0; i < proto->n_enum_type && rc == 0; i++) {
    rc = define_enum(c, file, definition->full_name, proto->enum_type[i],
                     mw_source_path_join(&path, MW_MESSAGE_ENUM, i));
  }
  for (size_t i = 0; i < proto->n_nested_type && rc == 0; i++) {
    rc = define_message(c, file, definition->full_name, proto->nested_type[i],
                        mw_source_path_join(&path, MW_MESSAGE_NESTED, i));
  }
  return rc;
}

static int define_file(struct mw_catalogue *c, const struct mw_catalogue_file *file) {
  const Google__Protobuf__FileDescriptorProto *proto = file->proto;
  const char *package = proto->package ? proto->package : "";
  const struct mw_source_path top = {.n = 0};
  int rc = 0;
  for (size_t i = 0; i < proto->n_enum_type && rc == 0; i++) {
    rc = define_enum(c, file, package, proto->enum_type[i], mw_source_path_join(&top, MW_FILE_ENUM, i));
  }
  for (size_t i = 0; i < proto->n_message_type && rc == 0; i++) {
    rc = define_message(c, file, package, proto->message_type[i], mw_source_path_join(&top, MW_FILE_MESSAGE, i));
  }
  for (size_t i = 0; i < proto->n_service && rc == 0; i++) {
    struct mw_source_path path = mw_source_path_join(&top, MW_FILE_SERVICE, i);
    struct mw_definition *definition = define(c, file, package, proto->service[i]->name, MW_DEFINES_SERVICE, path);
    if (!definition) return MW_ENOMEM;
    definition->service = proto->service[i];
  }
  return rc;
}

/* ---- files ---- */

static int compare_files(const void *a, const void *b) {
  const struct mw_catalogue_file *x = a, *y = b;
  return strcmp(x->path, y->path);
}

static bool comes_with_every_pool(const struct mw_descriptor_set *wellknown, const char *path) {
  for (size_t i = 0; i < wellknown->n_files; i++) {
    if (strcmp(wellknown->files[i].proto->name, path) == 0) return true;
  }
  return false;
}

/* Unpacks the project's own files. */
static int read_files(struct mw_catalogue *c, const struct mw_descriptor_set *wellknown) {
  c->files = mw_arena_calloc(&c->arena, c->pool->files.len, sizeof *c->files);
  if (!c->files) return MW_ENOMEM;
  size_t cursor = 0;
  for (const struct mw_pool_file *file; (file = mw_map_next(&c->pool->files, &cursor, NULL)) != NULL;) {
    if (comes_with_every_pool(wellknown, file->path)) continue;
    struct mw_catalogue_file *own = &c->files[c->n_files++];
    own->path = file->path;
    own->bytes = file->bytes;
    int rc = mw_descriptor_file_unpack(&c->arena, file->bytes, &own->proto);
    if (rc != 0) return MW_ENOMEM; /* not malformed: the pool was made from these bytes */
  }
  qsort(c->files, c->n_files, sizeof *c->files, compare_files);
  return 0;
}

int mw_catalogue_init(struct mw_catalogue *c, const struct mw_pool *pool) {
  struct mw_descriptor_set wellknown;
  if (mw_descriptor_set_init(&wellknown, mw_schema_wellknown(), NULL) != 0) return MW_ENOMEM;
  *c = (struct mw_catalogue){.pool = pool, .last = &c->first};
  mw_arena_init(&c->arena, SIZE_MAX);
  int rc = read_files(c, &wellknown);
  for (size_t i = 0; i < c->n_files && rc == 0; i++) rc = define_file(c, &c->files[i]);
  mw_descriptor_set_fini(&wellknown);
  if (rc != 0) mw_catalogue_fini(c);
  return rc;
}

void mw_catalogue_fini(struct mw_catalogue *c) {
  mw_map_fini(&c->by_name);
  mw_arena_fini(&c->arena);
}

const struct mw_definition *mw_catalogue_find(const struct mw_catalogue *c, enum mw_definition_kind kind,
                                              const char *full_name) {
  const struct mw_definition *definition = mw_map_get(&c->by_name, mw_slice_str(full_name));
  return definition && definition->kind == kind ? definition : NULL;
}

const struct mw_catalogue_file *mw_catalogue_file(const struct mw_catalogue *c, const char *path) {
  return c->n_files == 0 ? NULL
                         : bsearch(&(struct mw_catalogue_file){.path = path}, c->files, c->n_files, sizeof *c->files,
                                   compare_files);
}
