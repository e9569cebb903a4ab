#include "schema/compat/compat.h"

#include "schema/compat/compat_rules.h"
#include "schema/pool/pool_impl.h"

/* ---- files ---- */

static const char *package_of(const struct mw_catalogue_file *file) {
  return file->proto->package ? file->proto->package : "";
}

static bool has_symbol(const struct mw_catalogue *catalogue, const char *full_name) {
  return mw_pool_file_of_symbol(catalogue->pool, full_name) != NULL;
}

/* True if the file still exists, with another package. */
static bool changed_package(const struct mw_compat *compat, const struct mw_catalogue_file *old) {
  const struct mw_catalogue_file *file = mw_catalogue_file(&compat->new, old->path);
  return file && strcmp(package_of(old), package_of(file)) != 0;
}

static bool lost_definitions(const struct mw_compat *compat, const struct mw_catalogue_file *old) {
  for (const struct mw_definition *d = compat->old.first; d; d = d->next) {
    if (d->file == old && !has_symbol(&compat->new, d->full_name)) return true;
  }
  return false;
}

static void check_package(struct mw_compat *compat, const struct mw_catalogue_file *old) {
  if (!changed_package(compat, old) || !lost_definitions(compat, old)) return;
  const struct mw_catalogue_file *file = mw_catalogue_file(&compat->new, old->path);
  const struct mw_source_path package = {{MW_FILE_PACKAGE}, 1};
  struct mw_compat_place place = {file->path, mw_source_line(file->bytes, &package)};
  mw_compat_report(compat, place, "FILE_SAME_PACKAGE", "the package was \"%s\", is \"%s\"", package_of(old),
                   package_of(file));
}

/* ---- definitions ---- */

/* Reports a service that no new file has. A changed package of its file has already been reported. */
static void check_lost_service(struct mw_compat *compat, const struct mw_definition *old) {
  if (old->service->n_method == 0 || has_symbol(&compat->new, old->full_name)) return;
  if (changed_package(compat, old->file)) return;
  const struct mw_catalogue_file *file = mw_catalogue_file(&compat->new, old->file->path);
  const struct mw_source_path top = {.n = 0};
  struct mw_compat_place place = {old->file->path, file ? mw_source_line(file->bytes, &top) : 0};
  mw_compat_report(compat, place, "PACKAGE_SERVICE_NO_DELETE", "%s: the service was deleted, and with it %s%s",
                   old->full_name, old->service->method[0]->name,
                   old->service->n_method > 1 ? " and the other methods" : "");
}

static void check_definition(struct mw_compat *compat, const struct mw_definition *old) {
  const struct mw_definition *new = mw_catalogue_find(&compat->new, old->kind, old->full_name);
  const struct mw_compat_pair pair = {compat, old, new};
  switch (old->kind) {
    case MW_DEFINES_MESSAGE:
      if (new) mw_compat_message(&pair);
      break;
    case MW_DEFINES_ENUM:
      if (new) mw_compat_enum(&pair);
      break;
    case MW_DEFINES_SERVICE:
      if (new) {
        mw_compat_service(&pair);
      } else {
        check_lost_service(compat, old);
      }
      break;
  }
}

/* ---- entry point ---- */

/* True if both pools have the same files, as after a change of scripts alone. */
static bool same_files(const struct mw_pool *a, const struct mw_pool *b) {
  if (a == b) return true;
  if (a->files.len != b->files.len) return false;
  size_t cursor = 0;
  for (const struct mw_pool_file *file; (file = mw_map_next(&a->files, &cursor, NULL)) != NULL;) {
    const struct mw_pool_file *other = mw_map_get(&b->files, mw_slice_str(file->path));
    if (!other || !mw_descriptor_file_same(file->bytes, other->bytes)) return false;
  }
  return true;
}

static int no_memory(struct mw_err *err) { return mw_err_set(err, MW_ENOMEM, "schema: out of memory"); }

int mw_compat_check(const struct mw_pool *running, const struct mw_pool *candidate, const char *const *roots,
                    struct mw_err *err) {
  if (same_files(running, candidate)) return 0;
  struct mw_compat compat = {.roots = roots, .err = err};
  if (mw_catalogue_init(&compat.old, running) != 0) return no_memory(err);
  if (mw_catalogue_init(&compat.new, candidate) != 0) {
    mw_catalogue_fini(&compat.old);
    return no_memory(err);
  }
  for (size_t i = 0; i < compat.old.n_files; i++) check_package(&compat, &compat.old.files[i]);
  for (const struct mw_definition *d = compat.old.first; d; d = d->next) check_definition(&compat, d);
  mw_catalogue_fini(&compat.new);
  mw_catalogue_fini(&compat.old);
  return compat.broken ? MW_ECONFLICT : 0;
}
