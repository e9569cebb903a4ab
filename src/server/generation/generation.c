#include "server/generation/generation.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "schema/load/load.h"
#include "schema/load/subprocess.h"

enum { FILE_LIMIT = 64 << 20 }; /* bytes of a script or of moonwire.lua */

/* Returns "DIR/name", allocated in the arena. Omits a DIR of ".", so that messages have the short name. */
static char *join(struct mw_arena *arena, const char *dir, const char *name) {
  if (strcmp(dir, ".") == 0) return mw_arena_strndup(arena, name, strlen(name));
  size_t len = strlen(dir) + 1 + strlen(name);
  char *path = mw_arena_alloc(arena, len + 1);
  if (path) snprintf(path, len + 1, "%s/%s", dir, name);
  return path;
}

/* ---- scripts ---- */

/* Returns "util.text" for "util/text.lua", allocated in the arena. */
static char *module_name(struct mw_arena *arena, const char *below) {
  char *module = mw_arena_strndup(arena, below, strlen(below) - strlen(".lua"));
  for (char *c = module; c && *c; c++) {
    if (*c == '/') *c = '.';
  }
  return module;
}

/* Reads a file into the arena. Adds a finding on failure, except for MW_ENOTFOUND. */
static int read_file(struct mw_generation *g, const char *path, struct mw_slice *out, struct mw_err *err) {
  struct mw_buf text = MW_BUF_INIT;
  struct mw_err one = MW_ERR_INIT;
  int rc = mw_buf_read_file(&text, path, FILE_LIMIT, &one);
  if (rc == 0) {
    const char *bytes = mw_arena_strndup(&g->arena, mw_buf_str(&text), text.len);
    if (!bytes) rc = mw_err_set(&one, MW_ENOMEM, "%s: out of memory", path);
    if (rc == 0) *out = mw_slice(bytes, text.len);
  }
  if (rc != 0 && rc != MW_ENOTFOUND) mw_err_add(err, rc, "%s", mw_err_text(&one));
  mw_err_fini(&one);
  mw_buf_fini(&text);
  return rc;
}

static int read_script(struct mw_generation *g, const char *folder, const char *below, struct mw_err *err) {
  struct mw_slice bytes;
  char *path = join(&g->arena, folder, below);
  const char *module = module_name(&g->arena, below);
  if (!path || !module) return mw_err_add(err, MW_ENOMEM, "out of memory");
  int rc = read_file(g, path, &bytes, err);
  if (rc == MW_ENOTFOUND) mw_err_add(err, rc, "%s: deleted while the folder was read", path);
  if (rc == 0) g->files[g->n_files++] = (struct mw_script_file){path, module, bytes};
  return rc;
}

static int read_scripts(struct mw_generation *g, const char *dir, struct mw_err *err) {
  const struct mw_file_list *list = &g->names;
  char *folder = join(&g->arena, dir, "lua");
  int rc = folder ? mw_find_files(&g->names, folder, ".lua", err) : mw_err_add(err, MW_ENOMEM, "out of memory");
  if (rc != 0) return rc;
  g->files = calloc(list->n + 1, sizeof *g->files);
  if (!g->files) rc = mw_err_add(err, MW_ENOMEM, "out of memory");
  for (size_t i = 0; i < list->n && g->files; i++) {
    int one = mw_file_list_is_alias(list, list->paths[i]) ? 0 : read_script(g, folder, list->paths[i], err);
    if (one != 0) rc = one;
  }
  return rc;
}

/* ---- .proto files ---- */

/* Continues the FNV-1a hash `hash` with `bytes`. */
static uint64_t digest(uint64_t hash, struct mw_slice bytes) {
  for (size_t i = 0; i < bytes.len; i++) hash = (hash ^ bytes.data[i]) * 0x100000001b3u;
  return hash;
}

/* Includes the zero byte, so that different sequences of names give different bytes. */
static uint64_t digest_name(uint64_t hash, const char *name) { return digest(hash, mw_slice(name, strlen(name) + 1)); }

static const uint64_t digest_start = 0xcbf29ce484222325u;

/* The digest, and the digested files. With `paths` NULL, only the digest. */
struct digested {
  uint64_t all;
  struct mw_arena *paths;
  struct mw_proto_file *files; /* owned */
  size_t n;
};

static int add_proto_file(struct digested *digested, const char *path, uint64_t digest) {
  if (!digested->paths) return 0;
  struct mw_proto_file *grown = realloc(digested->files, (digested->n + 1) * sizeof *grown);
  if (!grown) return MW_ENOMEM;
  digested->files = grown;
  const char *copy = mw_arena_strndup(digested->paths, path, strlen(path));
  if (!copy) return MW_ENOMEM;
  grown[digested->n++] = (struct mw_proto_file){copy, digest};
  return 0;
}

/* Adds names and contents of the files that end in `suffix`, and the links to them. */
static int digest_files(struct digested *digested, const char *folder, const char *suffix, struct mw_err *err) {
  struct mw_file_list list;
  uint64_t *hash = &digested->all;
  int rc = mw_find_files(&list, folder, suffix, err);
  if (rc != 0) return rc;
  struct mw_buf path = MW_BUF_INIT, bytes = MW_BUF_INIT;
  for (size_t i = 0; i < list.n && rc == 0; i++) {
    mw_buf_clear(&path);
    mw_buf_clear(&bytes);
    rc = mw_buf_printf(&path, "%s/%s", folder, list.paths[i]);
    if (rc == 0) rc = mw_buf_read_file(&bytes, mw_buf_str(&path), MW_POOL_SET_MAX, err);
    uint64_t one = digest(digest_start, mw_buf_slice(&bytes));
    *hash = digest(digest_name(*hash, list.paths[i]), mw_slice(&one, sizeof one));
    if (rc == 0 && add_proto_file(digested, mw_buf_str(&path), one) != 0)
      rc = mw_err_set(err, MW_ENOMEM, "out of memory");
  }
  for (size_t i = 0; i < list.n_aliases; i++) {
    *hash = digest_name(digest_name(*hash, list.aliases[i].name), list.aliases[i].other);
  }
  mw_buf_fini(&bytes);
  mw_buf_fini(&path);
  mw_file_list_fini(&list);
  return rc;
}

static int digest_protos(struct digested *digested, const char *const *roots, struct mw_err *err) {
  digested->all = digest_start;
  int rc = digest_files(digested, roots[0], ".proto", err);
  if (rc == 0) rc = digest_files(digested, roots[0], ".binpb", err);
  for (size_t i = 1; roots[i] && rc == 0; i++) {
    digested->all = digest_name(digested->all, "");
    rc = digest_files(digested, roots[i], ".proto", err);
  }
  return rc;
}

int mw_generation_digest_protos(uint64_t *out, const char *const *roots, struct mw_err *err) {
  struct digested digested = {.paths = NULL};
  int rc = digest_protos(&digested, roots, err);
  *out = digested.all;
  return rc;
}

/* Refuses a folder of imports inside the compiled folder: each of its files would have two paths, and its messages two
 * definitions. */
static int check_apart(const struct mw_settings *settings, const char *folder, struct mw_err *err) {
  char *compiled = realpath(settings->protos[0], NULL), *imported = realpath(folder, NULL);
  size_t len = compiled ? strlen(compiled) : 0;
  bool within = compiled && imported && strncmp(imported, compiled, len) == 0 && strchr("/", imported[len]);
  free(compiled);
  free(imported);
  if (!within) return 0;
  mw_err_add(err, MW_EINVAL, "%s lies in %s, whose files are compiled: expected a folder apart from it", folder,
             settings->protos[0]);
  return mw_settings_prefix_finding(settings, NULL, "proto", err);
}

int mw_generation_check_folders(const struct mw_settings *settings, struct mw_err *err) {
  int rc = 0;
  for (size_t i = settings->file_protos ? 0 : 1; i < settings->n_protos; i++) {
    struct stat info;
    bool found = stat(settings->protos[i], &info) == 0;
    if (found && S_ISDIR(info.st_mode)) {
      if (i > 0 && check_apart(settings, settings->protos[i], err) != 0) rc = MW_EINVAL;
      continue;
    }
    rc = mw_err_add(err, MW_EIO, "%s: %s", settings->protos[i], strerror(found ? ENOTDIR : errno));
    mw_settings_prefix_finding(settings, NULL, "proto", err);
  }
  return rc;
}

/* Makes the pool, or shares the one of `previous`. Computes the digest first, so that a later change of a file counts
 * as a change. */
static int read_protos(struct mw_generation *g, const struct mw_generation *previous, struct mw_err *err) {
  const char *const *roots = (const char *const *)g->settings.protos;
  if (!roots[0]) return mw_err_set(err, MW_ENOMEM, "out of memory");
  int rc = mw_generation_check_folders(&g->settings, err);
  struct digested digested = {.paths = &g->arena};
  if (rc == 0) rc = digest_protos(&digested, roots, err);
  g->protos = digested.all;
  g->proto_files = digested.files;
  g->n_proto_files = digested.n;
  if (rc != 0) return rc;
  if (previous && previous->protos == g->protos) {
    g->pool = mw_pool_ref(previous->pool);
    return 0;
  }
  return mw_schema_load_from(&g->pool, roots, err);
}

/* ---- settings ---- */

static int read_settings(struct mw_generation *g, const char *dir, const struct mw_overrides *overrides,
                         struct mw_err *err) {
  static const struct mw_overrides none;
  if (!overrides) overrides = &none;
  char *path = join(&g->arena, dir, "moonwire.lua");
  if (!path || mw_settings_init(&g->settings, dir) != 0) return mw_err_add(err, MW_ENOMEM, "out of memory");
  struct mw_slice text;
  int rc = overrides->wrong ? MW_ENOTFOUND : read_file(g, path, &text, err);
  if (rc == 0) {
    g->settings_file = (struct mw_script_file){.path = path, .bytes = text};
    rc = mw_settings_parse(&g->settings, dir, path, text, err);
  } else if (rc == MW_ENOTFOUND) {
    rc = 0;
  }
  if (rc != 0) return rc;
  rc = mw_settings_override(&g->settings, overrides);
  return rc == 0 ? 0 : mw_err_add(err, rc, "the options cannot be taken: %s", mw_err_name(rc));
}

/* ---- generations ---- */

static struct mw_generation *new_generation(uint64_t number) {
  struct mw_generation *g = calloc(1, sizeof *g);
  if (!g) return NULL;
  atomic_init(&g->refs, 1);
  g->number = number;
  mw_arena_init(&g->arena, SIZE_MAX);
  return g;
}

/* Reads the .proto files within the time that the settings allow protoc. */
static int read_protos_within(struct mw_generation *g, const struct mw_generation *previous, struct mw_err *err) {
  struct mw_subprocess_bounds own = {0}, *outer = mw_subprocess_bounds(), *bounds = outer ? outer : &own;
  bounds->time = mw_duration_from_seconds(g->settings.protoc_seconds);
  mw_subprocess_bound(bounds);
  int rc = read_protos(g, previous, err);
  mw_subprocess_bound(outer);
  return rc;
}

/* Adds findings in the order .proto files, scripts, settings. */
static int read_all(struct mw_generation *g, const char *dir, const struct mw_generation *previous,
                    const struct mw_overrides *overrides, struct mw_err *err) {
  struct mw_err settings_err = MW_ERR_INIT;
  int settings = read_settings(g, dir, overrides, &settings_err);
  int rc = read_protos_within(g, previous, err);
  int scripts = read_scripts(g, dir, err);
  if (rc == 0) rc = scripts;
  if (rc == 0) rc = settings;
  if (settings != 0) mw_err_add(err, settings, "%s", mw_err_text(&settings_err));
  mw_err_fini(&settings_err);
  return rc;
}

int mw_generation_read(struct mw_generation **out, const char *dir, uint64_t number,
                       const struct mw_generation *previous, const struct mw_overrides *overrides, struct mw_err *err) {
  struct stat info;
  if (stat(dir, &info) != 0) return mw_err_set(err, MW_EIO, "%s: %s", dir, strerror(errno));
  if (!S_ISDIR(info.st_mode)) return mw_err_set(err, MW_EIO, "%s: not a folder", dir);
  struct mw_generation *g = new_generation(number);
  if (!g) return mw_err_set(err, MW_ENOMEM, "out of memory");
  int rc = read_all(g, dir, previous, overrides, err);
  if (rc != 0) {
    mw_generation_unref(g);
    return rc;
  }
  *out = g;
  return 0;
}

int mw_generation_check_project(const char *dir, struct mw_err *err) {
  static const char *const parts[] = {"proto", "lua", "moonwire.lua"};
  for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%s/%s", dir, parts[i]);
    if (access(path, F_OK) == 0) return 0;
  }
  return mw_err_set(err, MW_ENOTFOUND,
                    "%s: there is neither a folder proto nor a folder lua in it: expected a project folder "
                    "(mkdir %s/proto %s/lua makes it one)",
                    dir, dir, dir);
}

struct mw_generation *mw_generation_renumber(struct mw_generation *old, uint64_t number) {
  struct mw_generation *g = new_generation(number);
  if (!g) return NULL;
  g->protos = old->protos;
  g->pool = mw_pool_ref(old->pool);
  g->proto_files = old->proto_files;
  g->n_proto_files = old->n_proto_files;
  g->files = old->files;
  g->n_files = old->n_files;
  g->names = old->names;
  g->settings_file = old->settings_file;
  g->settings = old->settings;
  g->origin = mw_generation_ref(old->origin ? old->origin : old);
  return g;
}

static bool same_file(const struct mw_script_file *a, const struct mw_script_file *b) {
  if (!a->path || !b->path) return a->path == b->path;
  return strcmp(a->path, b->path) == 0 && mw_slice_eq(a->bytes, b->bytes);
}

bool mw_generation_same_settings(const struct mw_generation *a, const struct mw_generation *b) {
  return same_file(&a->settings_file, &b->settings_file);
}

bool mw_generation_same(const struct mw_generation *a, const struct mw_generation *b) {
  if (a->protos != b->protos || a->n_files != b->n_files) return false;
  for (size_t i = 0; i < a->n_files; i++) {
    if (!same_file(&a->files[i], &b->files[i])) return false;
  }
  return mw_file_list_same_aliases(&a->names, &b->names) && mw_generation_same_settings(a, b);
}

struct mw_generation *mw_generation_ref(struct mw_generation *generation) {
  atomic_fetch_add_explicit(&generation->refs, 1, memory_order_relaxed);
  return generation;
}

void mw_generation_unref(struct mw_generation *generation) {
  if (!generation || atomic_fetch_sub_explicit(&generation->refs, 1, memory_order_acq_rel) > 1) return;
  mw_pool_unref(generation->pool);
  if (generation->origin) {
    mw_generation_unref(generation->origin);
  } else {
    mw_settings_fini(&generation->settings);
    free(generation->files);
    mw_file_list_fini(&generation->names);
    free(generation->proto_files);
  }
  mw_arena_fini(&generation->arena);
  free(generation);
}
