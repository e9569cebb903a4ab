#include "schema/load/import_names.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "schema/load/proto_text.h"

enum { FILE_LIMIT = 64 << 20 };

/* The imports of one file of the list. */
struct import {
  char *as;       /* the imported name, owned; NULL without an import */
  const char *by; /* the first file that imports it */
  unsigned line;  /* the line of that import */
  bool second;    /* another path of the list names the same file */
};

struct renaming {
  struct mw_file_list *list;
  const char *dir;
  struct import *imports; /* parallel to list->paths */
  struct mw_err *err;
};

static int no_memory(struct renaming *n) { return mw_err_set(n->err, MW_ENOMEM, "%s: out of memory", n->dir); }

static int record_import(struct renaming *n, const char *import, const char *by, unsigned line) {
  size_t index = mw_file_list_resolve(n->list, import);
  if (index == n->list->n) return 0;
  struct import *first = &n->imports[index];
  if (!first->as) {
    *first = (struct import){.as = strdup(import), .by = by, .line = line};
    return first->as ? 0 : no_memory(n);
  }
  if (strcmp(first->as, import) == 0) return 0;
  return mw_err_set(n->err, MW_EFORMAT,
                    "%s/%s:%u: imports \"%s\", the same file as \"%s\" (line %u of %s), of which one is a link: import "
                    "it by one name",
                    n->dir, by, line, import, first->as, first->line, first->by);
}

static int scan(struct renaming *n, const char *file) {
  struct mw_buf path = MW_BUF_INIT, text = MW_BUF_INIT;
  int rc = mw_buf_printf(&path, "%s/%s", n->dir, file) == 0 ? 0 : no_memory(n);
  if (rc == 0) rc = mw_buf_read_file(&text, mw_buf_str(&path), FILE_LIMIT, n->err);
  if (rc == MW_ENOTFOUND) rc = MW_EIO; /* it existed a moment ago */
  struct mw_proto_text rest = mw_proto_text(mw_buf_slice(&text));
  struct mw_slice import;
  for (unsigned line; rc == 0 && mw_proto_next_import(&rest, &import, &line);) {
    char *name = strndup((const char *)import.data, import.len);
    rc = name ? record_import(n, name, file, line) : no_memory(n);
    free(name);
  }
  mw_buf_fini(&text);
  mw_buf_fini(&path);
  return rc;
}

static int compare_paths(const void *a, const void *b) {
  return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Renames the files. A linked file is in the list under both names: removes one of them. */
static void apply(struct renaming *n) {
  struct mw_file_list *list = n->list;
  size_t kept = 0;
  for (size_t i = 0; i < list->n; i++) n->imports[i].second = mw_file_list_resolve(list, list->paths[i]) != i;
  for (size_t i = 0; i < list->n; i++) {
    char *path = list->paths[i], *as = n->imports[i].as;
    if (as || n->imports[i].second) free(path);
    if (!n->imports[i].second) list->paths[kept++] = as ? as : path;
  }
  list->n = kept;
  qsort(list->paths, list->n, sizeof *list->paths, compare_paths);
}

int mw_import_names(struct mw_file_list *list, const char *dir, struct mw_err *err) {
  struct renaming n = {.list = list, .dir = dir, .err = err};
  if (list->n_aliases == 0) return 0;
  n.imports = calloc(list->n + 1, sizeof *n.imports);
  int rc = n.imports ? 0 : no_memory(&n);
  for (size_t i = 0; i < list->n && rc == 0; i++) rc = scan(&n, list->paths[i]);
  if (rc == 0) {
    apply(&n);
  } else {
    for (size_t i = 0; n.imports && i < list->n; i++) free(n.imports[i].as);
  }
  free(n.imports);
  return rc;
}
