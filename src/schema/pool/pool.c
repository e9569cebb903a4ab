/* Makes, releases and searches pools. */
#include "schema/pool/pool.h"

#include <stdlib.h>

#include "schema/pool/build.h"
#include "schema/pool/builtin.h"
#include "schema/pool/roots.h"
#include "schema/pool/pool_impl.h"
#include "schema/pool/wellknown.h"

/* ---- construction ---- */

static void pool_free(struct mw_pool *pool) {
  if (!pool) return;
  mw_map_fini(&pool->files);
  mw_map_fini(&pool->symbols);
  mw_map_fini(&pool->methods);
  mw_arena_fini(&pool->arena);
  free(pool);
}

static bool has_file(const struct mw_descriptor_set *set, const char *path) {
  for (size_t i = 0; i < set->n_files; i++) {
    if (strcmp(set->files[i].proto->name, path) == 0) return true;
  }
  return false;
}

/* Declares the files of the set, each path once. */
static int declare_given(struct mw_builder *b, const struct mw_descriptor_set *set,
                         const struct mw_descriptor_set *own) {
  for (size_t i = 0; i < set->n_files; i++) {
    const struct mw_descriptor_file *file = &set->files[i];
    const struct mw_pool_file *other = mw_map_get(&b->pool->files, mw_slice_str(file->proto->name));
    int rc = 0;
    if (!other) {
      rc = mw_build_declare(b, file);
    } else if (!has_file(own, file->proto->name) && !mw_descriptor_file_same(file->bytes, other->bytes)) {
      /* A well-known file may differ: each set contains its compiler's version. The first one is kept. */
      b->file = other;
      rc = mw_build_fail(b, MW_EEXIST, "the file is in the descriptor sets twice, with different contents");
    }
    if (rc != 0) return rc;
  }
  return 0;
}

/* Checks that the pool has every import of the given files, for clients that request files by reflection. */
static int check_imports(struct mw_builder *b, const struct mw_descriptor_set *set) {
  for (size_t i = 0; i < set->n_files; i++) {
    b->file = mw_map_get(&b->pool->files, mw_slice_str(set->files[i].proto->name));
    for (size_t k = 0; k < b->file->n_imports; k++) {
      if (mw_map_get(&b->pool->files, mw_slice_str(b->file->imports[k]))) continue;
      return mw_build_fail(b, MW_EFORMAT,
                           "imports \"%s\", which is not in the descriptor set: make the set with --include_imports",
                           b->file->imports[k]);
    }
  }
  return 0;
}

static int build(struct mw_builder *b, const struct mw_descriptor_set *set, const struct mw_descriptor_set *own) {
  int rc = mw_build_reserve(b, set, own);
  if (rc == 0) rc = declare_given(b, set, own);
  if (rc == 0) rc = mw_builtin_declare(b, own);
  if (rc == 0) rc = check_imports(b, set);
  if (rc == 0) rc = mw_builtin_check(b, own);
  if (rc == 0) rc = mw_build_link(b);
  if (rc == 0) rc = mw_build_extensions(b);
  return rc;
}

int mw_pool_load(struct mw_pool **out, struct mw_slice bytes, const char *const *roots, struct mw_err *err) {
  const char *dir = roots[0] ? roots[0] : "";
  if (bytes.len > MW_POOL_SET_MAX) {
    return mw_err_set(err, MW_ELIMIT, "%s%sdescriptor set: larger than %d MiB", dir, *dir ? ": " : "",
                      MW_POOL_SET_MAX >> 20);
  }
  struct mw_descriptor_set set = {0}, own = {0};
  struct mw_pool *pool = calloc(1, sizeof *pool);
  struct mw_builder b = {.pool = pool, .err = err, .roots = roots, .given = &set};
  if (!pool) return mw_err_set(err, MW_ENOMEM, "schema: out of memory");
  atomic_init(&pool->refs, 1);
  mw_arena_init(&pool->arena, SIZE_MAX);
  mw_arena_init(&b.scratch, SIZE_MAX);

  /* The pool keeps the bytes of every file. */
  uint8_t *copy = mw_arena_alloc(&pool->arena, bytes.len);
  int rc = copy ? 0 : mw_build_no_memory(&b);
  if (rc == 0 && bytes.len > 0) memcpy(copy, bytes.data, bytes.len);
  if (rc == 0) {
    rc = mw_descriptor_set_init(&set, mw_slice(copy, bytes.len), err);
    if (rc != 0 && *dir) mw_err_wrap(err, "%s", dir);
  }
  if (rc == 0) rc = mw_descriptor_set_init(&own, mw_schema_wellknown(), err);
  if (rc == 0) rc = build(&b, &set, &own);

  mw_descriptor_set_fini(&own);
  mw_descriptor_set_fini(&set);
  mw_arena_fini(&b.scratch);
  if (rc == 0) {
    *out = pool;
  } else {
    pool_free(pool);
  }
  return rc;
}

int mw_pool_new(struct mw_pool **out, struct mw_slice set, struct mw_err *err) {
  return mw_pool_load(out, set, MW_ROOTS(NULL), err);
}

struct mw_pool *mw_pool_ref(struct mw_pool *pool) {
  atomic_fetch_add_explicit(&pool->refs, 1, memory_order_relaxed);
  return pool;
}

void mw_pool_unref(struct mw_pool *pool) {
  if (pool && atomic_fetch_sub_explicit(&pool->refs, 1, memory_order_acq_rel) == 1) pool_free(pool);
}

/* ---- types ---- */

static const void *find(const struct mw_pool *pool, const char *full_name, enum mw_symbol_kind kind) {
  const struct mw_symbol *symbol = mw_map_get(&pool->symbols, mw_slice_str(full_name));
  return symbol && symbol->kind == kind ? symbol->type : NULL;
}

const struct mw_message_type *mw_pool_message(const struct mw_pool *pool, const char *full_name) {
  return find(pool, full_name, MW_SYMBOL_MESSAGE);
}

const struct mw_enum_type *mw_pool_enum(const struct mw_pool *pool, const char *full_name) {
  return find(pool, full_name, MW_SYMBOL_ENUM);
}

const struct mw_service_type *mw_pool_service(const struct mw_pool *pool, const char *full_name) {
  return find(pool, full_name, MW_SYMBOL_SERVICE);
}

const struct mw_method_type *mw_pool_method(const struct mw_pool *pool, struct mw_slice path) {
  return mw_map_get(&pool->methods, path);
}

size_t mw_pool_message_count(const struct mw_pool *pool) { return pool->n_messages; }
const struct mw_message_type *mw_pool_message_at(const struct mw_pool *pool, size_t i) { return &pool->messages[i]; }
size_t mw_pool_enum_count(const struct mw_pool *pool) { return pool->n_enums; }
const struct mw_enum_type *mw_pool_enum_at(const struct mw_pool *pool, size_t i) { return &pool->enums[i]; }
size_t mw_pool_service_count(const struct mw_pool *pool) { return pool->n_services; }
const struct mw_service_type *mw_pool_service_at(const struct mw_pool *pool, size_t i) { return pool->services[i]; }

/* ---- files ---- */

static const struct mw_slice nothing = {NULL, 0};

struct mw_slice mw_pool_file(const struct mw_pool *pool, const char *path) {
  const struct mw_pool_file *file = mw_map_get(&pool->files, mw_slice_str(path));
  return file ? file->bytes : nothing;
}

const char *mw_pool_file_of_symbol(const struct mw_pool *pool, const char *full_name) {
  const struct mw_symbol *symbol = mw_map_get(&pool->symbols, mw_slice_str(full_name));
  return symbol ? symbol->file->path : NULL;
}

size_t mw_pool_imports(const struct mw_pool *pool, const char *path, const char *const **imports) {
  const struct mw_pool_file *file = mw_map_get(&pool->files, mw_slice_str(path));
  *imports = file ? file->imports : NULL;
  return file ? file->n_imports : 0;
}
