#include "schema/load/load.h"

#include <stdlib.h>

#include "schema/load/find.h"
#include "schema/load/import_names.h"
#include "schema/load/protoc.h"
#include "schema/pool/descriptor_set.h"
#include "schema/pool/roots.h"

/* Appends the folder's descriptor set files. Concatenated serialised sets are one set. */
static int read_sets(struct mw_buf *out, const char *dir, const struct mw_file_list *files, struct mw_err *err) {
  struct mw_buf path = MW_BUF_INIT;
  int rc = 0;
  for (size_t i = 0; i < files->n && rc == 0; i++) {
    size_t start = out->len;
    mw_buf_clear(&path);
    if (mw_buf_printf(&path, "%s/%s", dir, files->paths[i]) != 0) {
      rc = mw_err_set(err, MW_ENOMEM, "%s: out of memory", dir);
      break;
    }
    rc = mw_buf_read_file(out, mw_buf_str(&path), MW_POOL_SET_MAX, err);
    if (rc == MW_ENOTFOUND) rc = MW_EIO; /* it existed a moment ago */
    if (rc != 0) break;
    struct mw_descriptor_set set;
    rc = mw_descriptor_set_init(&set, mw_slice(out->data + start, out->len - start), err);
    if (rc == 0) {
      mw_descriptor_set_fini(&set);
    } else {
      mw_err_wrap(err, "%s", mw_buf_str(&path));
    }
  }
  mw_buf_fini(&path);
  return rc;
}

int mw_schema_load(struct mw_pool **out, const char *dir, struct mw_err *err) {
  return mw_schema_load_from(out, MW_ROOTS(dir), err);
}

int mw_schema_load_from(struct mw_pool **out, const char *const *roots, struct mw_err *err) {
  const char *dir = roots[0];
  struct mw_file_list protos = {0}, sets = {0};
  struct mw_buf bytes = MW_BUF_INIT;
  int rc = mw_find_files(&protos, dir, ".proto", err);
  if (rc == 0) rc = mw_import_names(&protos, dir, err);
  if (rc == 0) rc = mw_find_files(&sets, dir, ".binpb", err);
  if (rc == 0) rc = mw_protoc_compile(&bytes, roots, (const char *const *)protos.paths, protos.n, err);
  if (rc == 0) rc = read_sets(&bytes, dir, &sets, err);
  if (rc == 0) rc = mw_pool_load(out, mw_buf_slice(&bytes), roots, err);
  mw_buf_fini(&bytes);
  mw_file_list_fini(&sets);
  mw_file_list_fini(&protos);
  return rc;
}
