#include "bind/files/fs_walk.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { LINKS_MAX = 40 }; /* links on one path; the kernel's limit */

/* ---- text ---- */

bool mw_fs_has_parent_part(const char *path) {
  for (const char *part = path; part; part = strchr(part, '/')) {
    part += strspn(part, "/");
    if (strncmp(part, "..", 2) == 0 && (part[2] == '/' || part[2] == '\0')) return true;
  }
  return false;
}

bool mw_fs_normalise(char *path) {
  char *start = path + (path[0] == '/'), *out = start;
  bool inside = true;
  for (const char *part = start; *part;) {
    size_t len = strcspn(part, "/");
    bool parent = len == 2 && memcmp(part, "..", 2) == 0;
    if (parent && out == start) inside = false;
    if (parent) {
      while (out > start && *--out != '/') continue;
    } else if (len > 0 && !(len == 1 && part[0] == '.')) {
      if (out > start) *out++ = '/';
      memmove(out, part, len);
      out += len;
    }
    part += len + (part[len] == '/');
  }
  *out = '\0';
  return inside;
}

/* Finds the innermost folder of files.folders that contains `path`. Returns the length of that prefix of `path`, or
 * 0. */
static size_t match_folder(const struct mw_files *files, const char *path, const char **folder) {
  size_t most = 0;
  for (size_t i = 0; i < files->n_folders; i++) {
    size_t len = strlen(files->folders[i]);
    if (len == 1) len = 0; /* "/" */
    if (strncmp(path, files->folders[i], len) != 0 || (path[len] != '/' && path[len] != '\0')) continue;
    if (len + (path[len] == '/') <= most) continue;
    *folder = files->folders[i];
    most = len + (path[len] == '/');
  }
  return most;
}

/* ---- walking ---- */

struct walk {
  const struct mw_files *files;
  char *path;  /* owned */
  size_t name; /* offset in `path` of the next part */
  int folder;  /* descriptor of its folder, or -1 */
  unsigned links;
};

/* Opens the folder from which the path starts. */
static int open_start(struct walk *walk) {
  if (walk->path[0] != '/') {
    walk->name = 0;
    walk->folder = fcntl(walk->files->fd, F_DUPFD_CLOEXEC, 0);
  } else {
    const char *folder;
    walk->name = match_folder(walk->files, walk->path, &folder);
    if (walk->name == 0) return MW_FS_OUTSIDE;
    walk->folder = open(folder, O_PATH | O_DIRECTORY | O_CLOEXEC); /* a link here is the operator's choice */
  }
  return walk->folder < 0 ? errno : 0;
}

static int open_folder(int folder, const char *name) {
  return openat(folder, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
}

/* Opens the folder `name`. With `make`, makes it if it is missing. */
static int open_or_make(int folder, const char *name, bool make, int *out) {
  *out = open_folder(folder, name);
  if (*out < 0 && errno == ENOENT && make) {
    if (mkdirat(folder, name, 0777) != 0 && errno != EEXIST) return errno;
    *out = open_folder(folder, name);
  }
  if (*out >= 0) return 0;
  int error = errno;
  return error == ENOTDIR && mw_fs_is_link_or_folder(folder, name) ? MW_FS_LINK : error;
}

/* Replaces the next part, a link of `len` bytes, by its target. */
static int follow(struct walk *walk, size_t len) {
  if (++walk->links > LINKS_MAX) return ELOOP;
  char target[PATH_MAX], *name = walk->path + walk->name, *path;
  char end = name[len];
  name[len] = '\0';
  ssize_t got = readlinkat(walk->folder, len > 0 ? name : ".", target, sizeof target - 1);
  name[len] = end;
  if (got < 0) return errno == EINVAL ? 0 : errno; /* no longer a link: the walk begins again */
  target[got] = '\0';
  if (asprintf(&path, "%.*s%s%s", target[0] == '/' ? 0 : (int)walk->name, walk->path, target, name + len) < 0) {
    return ENOMEM;
  }
  free(walk->path);
  walk->path = path;
  return mw_fs_normalise(path) || path[0] == '/' ? 0 : MW_FS_OUTSIDE;
}

/* Walks from the start to the folder of the last part. Returns MW_FS_LINK if the next part is a link. */
static int descend(struct walk *walk, bool make) {
  int error = strlen(walk->path) < PATH_MAX ? open_start(walk) : ENAMETOOLONG;
  char *slash;
  while (error == 0 && (slash = strchr(walk->path + walk->name, '/'))) {
    int next;
    *slash = '\0';
    error = open_or_make(walk->folder, walk->path + walk->name, make, &next);
    *slash = '/';
    if (error) break;
    close(walk->folder);
    walk->folder = next;
    walk->name = (size_t)(slash - walk->path) + 1;
  }
  return error;
}

int mw_fs_at(const struct mw_files *files, const char *path, bool make, mw_fs_op_fn *op, void *arg) {
  struct walk walk = {.files = files, .path = strdup(path), .folder = -1};
  int error = walk.path ? MW_FS_LINK : ENOMEM;
  while (error == MW_FS_LINK) {
    error = descend(&walk, make);
    const char *name = walk.path + walk.name;
    if (error == 0) error = op(walk.folder, *name ? name : ".", arg);
    if (error == MW_FS_LINK) {
      int followed = follow(&walk, strcspn(name, "/"));
      if (followed) error = followed;
    }
    if (walk.folder >= 0) close(walk.folder);
    walk.folder = -1;
  }
  free(walk.path);
  return error;
}

bool mw_fs_is_link_or_folder(int folder, const char *name) {
  struct stat info;
  return fstatat(folder, name, &info, AT_SYMLINK_NOFOLLOW) == 0 && (S_ISLNK(info.st_mode) || S_ISDIR(info.st_mode));
}
