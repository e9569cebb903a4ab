#include "schema/find.h"

#include <dirent.h>
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/buf.h"

/* A folder that has been entered, told by its device and inode. */
struct visit {
  dev_t device;
  ino_t inode;
};

struct search {
  const char *root;
  const char *suffix;
  struct mw_file_list list;
  size_t cap;
  struct visit *visits;
  size_t n_visits, visits_cap;
  struct mw_err *err;
};

static int no_memory(struct search *s) { return mw_err_set(s->err, MW_ENOMEM, "%s: out of memory", s->root); }

/* Makes room for one more of `n` elements of `size` bytes. NULL without memory, the old array is then as it was. */
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

/* Notes that a folder is entered. `again` says that it has been before: by a link to it. */
static int enter(struct search *s, const struct stat *folder, bool *again) {
  for (size_t i = 0; i < s->n_visits; i++) {
    *again = s->visits[i].device == folder->st_dev && s->visits[i].inode == folder->st_ino;
    if (*again) return 0;
  }
  struct visit *visits = grow(s->visits, s->n_visits, &s->visits_cap, sizeof *visits);
  if (!visits) return no_memory(s);
  s->visits = visits;
  visits[s->n_visits++] = (struct visit){folder->st_dev, folder->st_ino};
  *again = false;
  return 0;
}

static int search_folder(struct search *s, const char *path);

/* A reader of one would wait for a writer, or for ever. */
static int refuse(struct search *s, const char *path, mode_t mode) {
  const char *kind = S_ISFIFO(mode) ? "a FIFO" : S_ISSOCK(mode) ? "a socket" : "a device";
  return mw_err_set(s->err, MW_EIO, "%s/%s: expected a regular file, got %s", s->root, path, kind);
}

/* `path` is relative to the root. */
static int look_at(struct search *s, const char *path, const char *name) {
  struct mw_buf full = MW_BUF_INIT;
  struct stat info;
  if (mw_buf_printf(&full, "%s/%s", s->root, path) != 0) return no_memory(s);
  int found = stat(mw_buf_str(&full), &info);
  mw_buf_fini(&full);
  if (found != 0) return 0; /* a dangling link, or gone meanwhile */
  if (S_ISDIR(info.st_mode)) {
    bool again;
    int rc = enter(s, &info, &again);
    return rc == 0 && !again ? search_folder(s, path) : rc;
  }
  if (!has_suffix(name, s->suffix)) return 0;
  return S_ISREG(info.st_mode) ? add_file(s, path) : refuse(s, path, info.st_mode);
}

static int visible(const struct dirent *entry) { return entry->d_name[0] != '.'; }

/* `path` is "" for the root. In order of names, so that of two ways to a folder always the same one is found. */
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
    if (rc == 0) rc = look_at(s, mw_buf_str(&full), name);
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
  bool again;
  int rc = stat(dir, &root) == 0 ? enter(&s, &root, &again) : 0;
  if (rc == 0) rc = search_folder(&s, "");
  free(s.visits);
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
  free(list->paths);
  *list = (struct mw_file_list){0};
}
