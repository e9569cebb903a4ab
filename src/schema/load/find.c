#include "schema/load/find.h"

#include <dirent.h>
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/buf.h"
#include "base/map.h"

enum { PATH_LIMIT = 4096 };

/* Identity of a file or folder, whatever its name. A key of a map, so it has no padding. */
struct identity {
  uint64_t device, inode;
};

struct search {
  const char *root;
  const char *suffix;
  struct mw_file_list list;
  size_t cap, aliases_cap;
  struct mw_map found; /* identity -> first path found; the values are owned */
  struct mw_err *err;
};

static int no_memory(struct search *s) { return mw_err_set(s->err, MW_ENOMEM, "%s: out of memory", s->root); }

/* Makes room for one more of `n` elements of `size` bytes. Returns NULL without memory; the old array is then
 * unchanged. */
static void *grow(void *array, size_t n, size_t *cap, size_t size) {
  if (n < *cap) return array;
  size_t bigger = *cap ? *cap * 2 : 16;
  void *grown = realloc(array, bigger * size);
  if (grown) *cap = bigger;
  return grown;
}

static bool has_suffix(const char *name, const char *suffix) {
  size_t len = strlen(name), tail = strlen(suffix);
  return len > tail && strcmp(name + len - tail, suffix) == 0;
}

static int add_file(struct search *s, const char *path) {
  char **paths = grow(s->list.paths, s->list.n, &s->cap, sizeof *paths);
  if (!paths) return no_memory(s);
  s->list.paths = paths;
  paths[s->list.n] = strdup(path);
  if (!paths[s->list.n]) return no_memory(s);
  s->list.n++;
  return 0;
}

static int add_alias(struct search *s, const char *name, const char *other) {
  struct mw_file_alias *aliases = grow(s->list.aliases, s->list.n_aliases, &s->aliases_cap, sizeof *aliases);
  if (!aliases) return no_memory(s);
  s->list.aliases = aliases;
  struct mw_file_alias *alias = &aliases[s->list.n_aliases];
  *alias = (struct mw_file_alias){strdup(name), strdup(other)};
  s->list.n_aliases++;
  return alias->name && alias->other ? 0 : no_memory(s);
}

/* Records that a file or folder was found at `path`. Sets `seen_before` if it was found before under another name. */
static int record(struct search *s, const struct stat *info, const char *path, bool *seen_before) {
  const struct identity identity = {info->st_dev, info->st_ino};
  const struct mw_slice key = mw_slice(&identity, sizeof identity);
  const char *name = mw_map_get(&s->found, key);
  *seen_before = name != NULL;
  if (name) return add_alias(s, name, path);
  char *copy = strdup(path);
  if (copy && mw_map_set(&s->found, key, copy) == 0) return 0;
  free(copy);
  return no_memory(s);
}

static int search_folder(struct search *s, const char *path);

/* Opening a FIFO would wait for a writer; reading a device may never end. */
static int refuse(struct search *s, const char *path, mode_t mode) {
  const char *kind = S_ISFIFO(mode) ? "a FIFO" : S_ISSOCK(mode) ? "a socket" : "a device";
  return mw_err_set(s->err, MW_EIO, "%s/%s: expected a regular file, got %s", s->root, path, kind);
}

/* `path` is relative to the root. */
static int visit(struct search *s, const char *path, const char *name) {
  struct mw_buf full = MW_BUF_INIT;
  struct stat info;
  if (mw_buf_printf(&full, "%s/%s", s->root, path) != 0) return no_memory(s);
  int found = stat(mw_buf_str(&full), &info);
  mw_buf_fini(&full);
  if (found != 0) return 0; /* a dangling link, or deleted meanwhile */
  bool seen_before, folder = S_ISDIR(info.st_mode);
  if (!folder && !has_suffix(name, s->suffix)) return 0;
  if (!folder && !S_ISREG(info.st_mode)) return refuse(s, path, info.st_mode);
  int rc = record(s, &info, path, &seen_before);
  if (rc != 0) return rc;
  return !folder ? add_file(s, path) : seen_before ? 0 : search_folder(s, path);
}

static int visible(const struct dirent *entry) { return entry->d_name[0] != '.'; }

/* `path` is "" for the root. Entries are sorted by name: of two paths to a folder, always the same one is found
 * first. */
static int search_folder(struct search *s, const char *path) {
  struct mw_buf full = MW_BUF_INIT;
  if (mw_buf_printf(&full, "%s%s%s", s->root, *path ? "/" : "", path) != 0) return no_memory(s);
  struct dirent **entries = NULL;
  int n = scandir(mw_buf_str(&full), &entries, visible, alphasort), rc = 0;
  if (n < 0 && errno == ENOMEM) {
    rc = no_memory(s);
  } else if (n < 0 && errno != ENOENT) {
    rc = mw_err_set(s->err, MW_EIO, "%s: %s", mw_buf_str(&full), strerror(errno));
  }
  for (int i = 0; i < n; i++) {
    const char *name = entries[i]->d_name;
    mw_buf_clear(&full);
    if (rc == 0 && mw_buf_printf(&full, "%s%s%s", path, *path ? "/" : "", name) != 0) rc = no_memory(s);
    if (rc == 0) rc = visit(s, mw_buf_str(&full), name);
    free(entries[i]);
  }
  free(entries);
  mw_buf_fini(&full);
  return rc;
}

static int compare_paths(const void *a, const void *b) {
  return strcmp(*(const char *const *)a, *(const char *const *)b);
}

int mw_find_files(struct mw_file_list *out, const char *dir, const char *suffix, struct mw_err *err) {
  struct search s = {.root = dir, .suffix = suffix, .err = err};
  struct stat root;
  bool seen_before;
  int rc = stat(dir, &root) == 0 ? record(&s, &root, "", &seen_before) : 0;
  if (rc == 0) rc = search_folder(&s, "");
  size_t cursor = 0;
  for (void *path; (path = mw_map_next(&s.found, &cursor, NULL)) != NULL;) free(path);
  mw_map_fini(&s.found);
  if (rc != 0) {
    mw_file_list_fini(&s.list);
    return rc;
  }
  if (s.list.n > 0) qsort(s.list.paths, s.list.n, sizeof *s.list.paths, compare_paths);
  *out = s.list;
  return 0;
}

void mw_file_list_fini(struct mw_file_list *list) {
  for (size_t i = 0; i < list->n; i++) free(list->paths[i]);
  for (size_t i = 0; i < list->n_aliases; i++) {
    free(list->aliases[i].name);
    free(list->aliases[i].other);
  }
  free(list->paths);
  free(list->aliases);
  *list = (struct mw_file_list){0};
}

size_t mw_file_list_find(const struct mw_file_list *list, const char *path) {
  char *const *found = list->n > 0 ? bsearch(&path, list->paths, list->n, sizeof path, compare_paths) : NULL;
  return found ? (size_t)(found - list->paths) : list->n;
}

bool mw_file_list_is_alias(const struct mw_file_list *list, const char *path) {
  for (size_t i = 0; i < list->n_aliases; i++) {
    if (strcmp(list->aliases[i].other, path) == 0) return true;
  }
  return false;
}

/* Replaces the prefix `alias->other` of `path` by `alias->name`. False if `path` has no such prefix. */
static bool rename_by(const struct mw_file_alias *alias, char path[PATH_LIMIT]) {
  char renamed[PATH_LIMIT];
  size_t len = strlen(alias->other), name = strlen(alias->name);
  if (strncmp(path, alias->other, len) != 0 || (path[len] != '/' && path[len] != '\0')) return false;
  const char *rest = name == 0 && path[len] == '/' ? path + len + 1 : path + len;
  if (name + strlen(rest) >= sizeof renamed) return false;
  memcpy(renamed, alias->name, name);
  strcpy(renamed + name, rest);
  strcpy(path, renamed);
  return true;
}

size_t mw_file_list_resolve(const struct mw_file_list *list, const char *name) {
  char path[PATH_LIMIT];
  if (strlen(name) >= sizeof path) return list->n;
  strcpy(path, name);
  bool again = true;
  for (size_t steps = 0; again && steps < PATH_LIMIT; steps++) { /* one step for each link in the path */
    again = false;
    for (size_t i = 0; i < list->n_aliases && !again; i++) again = rename_by(&list->aliases[i], path);
  }
  return mw_file_list_find(list, path);
}

bool mw_file_list_same_aliases(const struct mw_file_list *a, const struct mw_file_list *b) {
  bool same = a->n_aliases == b->n_aliases;
  for (size_t i = 0; i < a->n_aliases && same; i++) {
    const struct mw_file_alias *x = &a->aliases[i], *y = &b->aliases[i];
    same = strcmp(x->name, y->name) == 0 && strcmp(x->other, y->other) == 0;
  }
  return same;
}
