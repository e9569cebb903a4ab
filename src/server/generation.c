#include "server/generation.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/buf.h"
#include "schema/load.h"

enum { SCRIPT_LIMIT = 16 * 1024 * 1024, FOLDER_DEPTH = 32 };

/* "DIR/name" in the arena; a DIR of "." is left out, so that messages name files as a person would. */
static char *join(struct mw_arena *arena, const char *dir, const char *name) {
  if (strcmp(dir, ".") == 0) return mw_arena_strndup(arena, name, strlen(name));
  size_t len = strlen(dir) + 1 + strlen(name);
  char *path = mw_arena_alloc(arena, len + 1);
  if (path) snprintf(path, len + 1, "%s/%s", dir, name);
  return path;
}

/* "util.text" of "util/text.lua", in the arena. */
static char *module_name(struct mw_arena *arena, const char *below) {
  char *module = mw_arena_strndup(arena, below, strlen(below) - strlen(".lua"));
  for (char *c = module; c && *c; c++) {
    if (*c == '/') *c = '.';
  }
  return module;
}

static bool is_script(const char *name) {
  size_t len = strlen(name);
  return len > 4 && strcmp(name + len - 4, ".lua") == 0;
}

struct scan {
  struct mw_generation *generation;
  size_t root; /* length of the lua folder's path and the slash behind it */
  struct mw_err *err;
};

static int grow(struct mw_generation *g) {
  if (g->n_files < g->cap_files) return 0;
  size_t cap = g->cap_files ? g->cap_files * 2 : 16;
  struct mw_script_file *files = realloc(g->files, cap * sizeof *files);
  if (!files) return MW_ENOMEM;
  g->files = files;
  g->cap_files = cap;
  return 0;
}

static int add_file(struct scan *scan, const char *path) {
  struct mw_generation *g = scan->generation;
  struct mw_buf text = MW_BUF_INIT;
  struct mw_err err = MW_ERR_INIT;
  int rc = mw_buf_read_file(&text, path, SCRIPT_LIMIT, &err);
  if (rc == 0) {
    const char *bytes = mw_arena_strndup(&g->arena, mw_buf_str(&text), text.len);
    const char *module = module_name(&g->arena, path + scan->root);
    rc = bytes && module ? grow(g) : MW_ENOMEM;
    if (rc == 0) g->files[g->n_files++] = (struct mw_script_file){path, module, mw_slice(bytes, text.len)};
    if (rc != 0) mw_err_set(&err, rc, "%s: out of memory", path);
  }
  if (rc != 0) mw_err_add(scan->err, rc, "%s", mw_err_text(&err));
  mw_err_fini(&err);
  mw_buf_fini(&text);
  return rc;
}

static int scan_folder(struct scan *scan, const char *dir, unsigned depth);

static int scan_entry(struct scan *scan, const char *dir, const char *name, unsigned depth) {
  char *path = join(&scan->generation->arena, dir, name);
  if (!path) return mw_err_add(scan->err, MW_ENOMEM, "%s: out of memory", dir);
  struct stat info;
  if (stat(path, &info) != 0) return mw_err_add(scan->err, MW_EIO, "%s: %s", path, strerror(errno));
  if (S_ISDIR(info.st_mode)) {
    if (depth < FOLDER_DEPTH) return scan_folder(scan, path, depth + 1);
    return mw_err_add(scan->err, MW_ELIMIT, "%s: more than %d folders deep", path, FOLDER_DEPTH);
  }
  if (!is_script(name)) return 0;
  if (!S_ISREG(info.st_mode)) return mw_err_add(scan->err, MW_EIO, "%s: not a regular file", path);
  return add_file(scan, path);
}

/* Collects the scripts below `dir`, hidden files left out. A missing folder at the top is an empty one. */
static int scan_folder(struct scan *scan, const char *dir, unsigned depth) {
  DIR *handle = opendir(dir);
  if (!handle) {
    if (errno == ENOENT && depth == 0) return 0;
    return mw_err_add(scan->err, MW_EIO, "%s: %s", dir, strerror(errno));
  }
  int rc = 0;
  struct dirent *entry;
  while ((entry = readdir(handle)) != NULL) {
    int one = entry->d_name[0] == '.' ? 0 : scan_entry(scan, dir, entry->d_name, depth);
    if (one != 0) rc = one;
  }
  closedir(handle);
  return rc;
}

static int by_path(const void *a, const void *b) {
  const struct mw_script_file *x = a, *y = b;
  return strcmp(x->path, y->path);
}

static int read_scripts(struct mw_generation *g, const char *dir, struct mw_err *err) {
  char *folder = join(&g->arena, dir, "lua");
  if (!folder) return mw_err_add(err, MW_ENOMEM, "out of memory");
  struct scan scan = {g, strlen(folder) + 1, err};
  int rc = scan_folder(&scan, folder, 0);
  if (g->n_files > 0) qsort(g->files, g->n_files, sizeof *g->files, by_path);
  return rc;
}

int mw_generation_read(struct mw_generation **out, const char *dir, uint64_t number, struct mw_err *err) {
  struct stat info;
  if (stat(dir, &info) != 0) return mw_err_set(err, MW_EIO, "%s: %s", dir, strerror(errno));
  if (!S_ISDIR(info.st_mode)) return mw_err_set(err, MW_EIO, "%s: not a folder", dir);
  struct mw_generation *g = calloc(1, sizeof *g);
  if (!g) return mw_err_set(err, MW_ENOMEM, "out of memory");
  atomic_init(&g->refs, 1);
  g->number = number;
  mw_arena_init(&g->arena, SIZE_MAX);
  char *protos = join(&g->arena, dir, "proto");
  int rc = protos ? mw_schema_load(&g->pool, protos, err) : mw_err_set(err, MW_ENOMEM, "out of memory");
  int scripts = read_scripts(g, dir, err);
  if (rc == 0) rc = scripts;
  if (rc != 0) {
    mw_generation_unref(g);
    return rc;
  }
  *out = g;
  return 0;
}

struct mw_generation *mw_generation_ref(struct mw_generation *generation) {
  atomic_fetch_add_explicit(&generation->refs, 1, memory_order_relaxed);
  return generation;
}

void mw_generation_unref(struct mw_generation *generation) {
  if (!generation || atomic_fetch_sub_explicit(&generation->refs, 1, memory_order_acq_rel) > 1) return;
  mw_pool_unref(generation->pool);
  free(generation->files);
  mw_arena_fini(&generation->arena);
  free(generation);
}
