/* The set depends on the disk alone: each scan computes it from nothing, and then removes the watches that it did
 * not request again. inotify makes this cheap: a folder that is added again keeps its watch descriptor. That also
 * ends loops of links, because a folder has one descriptor for all paths that lead to it.
 *
 * There is no race with concurrent changes: each folder is first watched and then read, so that the queue holds
 * every change that the reading missed. */
#include "loop/file_watch_set.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/list.h"

enum {
  WRITES = IN_MODIFY | IN_CLOSE_WRITE,
  NAMES = IN_ATTRIB | IN_CREATE | IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO | IN_DELETE_SELF | IN_MOVE_SELF,
  EVENTS = WRITES | NAMES | IN_ONLYDIR | IN_DONT_FOLLOW | IN_EXCL_UNLINK,
  LINKS_MAX = 40,     /* in one path, as in the kernel */
  READS_AT_ONCE = 16, /* so that a steady stream of events does not block the loop */
  READ_SIZE = 16 * 1024
};

/* Values in `interest` for a folder: every name matters, or only the listed ones. */
static char all_names, some_names;

struct key {
  int wd;
  char name[NAME_MAX + 1];
};

static struct mw_slice folder_key(const int *wd) { return mw_slice(wd, sizeof *wd); }

static struct mw_slice name_key(struct key *key, int wd, const char *name) {
  size_t len = strnlen(name, NAME_MAX);
  key->wd = wd;
  memcpy(key->name, name, len);
  return mw_slice(key, offsetof(struct key, name) + len);
}

int mw_watch_set_init(struct mw_watch_set *set, struct mw_err *err) {
  int fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
  if (fd < 0 && errno == EMFILE) {
    return mw_err_set(err, MW_EFULL,
                      "cannot watch files: too many watchers or open files of this user; raise "
                      "fs.inotify.max_user_instances (sysctl) or the limit of open files (ulimit -n)");
  }
  if (fd < 0) return mw_err_set(err, MW_EIO, "cannot watch files: %s", strerror(errno));
  *set = (struct mw_watch_set){fd, MW_MAP_INIT};
  return 0;
}

void mw_watch_set_fini(struct mw_watch_set *set) {
  close(set->fd);
  mw_map_fini(&set->interest);
}

/* ---- scanning ---- */

struct scan {
  struct mw_watch_set *set;
  struct mw_map interest; /* becomes the interest of the set after the scan */
  struct mw_list pending; /* folders to read */
  bool grew;
  struct mw_err *err;
};

struct pending {
  struct mw_list link;
  char path[];
};

static int no_memory(struct scan *s) { return mw_err_set(s->err, MW_ENOMEM, "cannot watch files: out of memory"); }

/* True if the path does not exist or may not be read; other errors leave the set incomplete. */
static bool is_absence(int error) {
  return error == ENOENT || error == ENOTDIR || error == EACCES || error == ELOOP || error == ENAMETOOLONG;
}

static int fail(struct scan *s, const char *path, int error) {
  if (error == ENOMEM) return no_memory(s);
  return mw_err_set(s->err, MW_EIO, "%s: cannot be watched: %s", path, strerror(error));
}

/* Handles a folder that cannot be watched. An unreadable folder of a tree counts as absent: its parent reports when
 * its mode changes. An unreadable folder on the way to a name leaves a gap, which is an error. */
static int watch_failed(struct scan *s, const char *path, const char *name, int error) {
  if (error == ENOSPC) {
    return mw_err_set(s->err, MW_EFULL,
                      "%s: cannot be watched: this user watches as many folders as the system "
                      "allows; raise fs.inotify.max_user_watches, for example: "
                      "sysctl fs.inotify.max_user_watches=524288",
                      path);
  }
  if (error == EACCES && name) {
    return mw_err_set(s->err, MW_EIO,
                      "%s: cannot be watched for '%s': it is not readable; make it readable (chmod "
                      "a+r)",
                      path, name);
  }
  return is_absence(error) ? MW_ENOTFOUND : fail(s, path, error);
}

/* Watches the folder at `path` for `name`, or for all names if that is NULL. Sets `news` (may be NULL) if this scan
 * did not request all names before. Returns 0, MW_ENOTFOUND if there is no such folder, or another code with an
 * error. */
static int want(struct scan *s, const char *path, const char *name, bool *news) {
  int wd = inotify_add_watch(s->set->fd, path, EVENTS);
  if (wd < 0) return watch_failed(s, path, name, errno);
  if (!mw_map_get(&s->set->interest, folder_key(&wd))) s->grew = true;
  char *mark = mw_map_get(&s->interest, folder_key(&wd));
  if (news) *news = mark != &all_names;
  if (mark == &all_names) return 0;
  if (mw_map_set(&s->interest, folder_key(&wd), name ? &some_names : &all_names) != 0) return no_memory(s);
  struct key key;
  if (name && mw_map_set(&s->interest, name_key(&key, wd, name), &some_names) != 0) return no_memory(s);
  return 0;
}

static int push_folder(struct scan *s, const char *folder, const char *name) {
  size_t size = strlen(folder) + strlen(name) + 2;
  struct pending *pending = malloc(sizeof *pending + size);
  if (!pending) return no_memory(s);
  snprintf(pending->path, size, "%s%s%s", folder, *name ? "/" : "", name);
  mw_list_push(&s->pending, &pending->link);
  return 0;
}

/* A path that is being followed. */
struct walk {
  struct mw_buf here; /* the part resolved so far; it contains no link */
  struct mw_buf rest; /* the part to follow, from `at` on */
  size_t at;
  unsigned links;
  mode_t mode; /* of `here` */
};

/* Takes the next name of the rest, truncated after NAME_MAX + 1 bytes, longer than any file name. False at the end. */
static bool next_name(struct walk *w, char name[NAME_MAX + 2]) {
  const char *rest = mw_buf_str(&w->rest);
  do {
    w->at += strspn(rest + w->at, "/");
    size_t len = strcspn(rest + w->at, "/");
    if (len == 0) return false;
    snprintf(name, NAME_MAX + 2, "%.*s", (int)len, rest + w->at);
    w->at += len;
  } while (strcmp(name, ".") == 0);
  return true;
}

/* Replaces the link `here`, in the folder of `folder_len` bytes, by its target. */
static int follow_link(struct scan *s, struct walk *w, size_t folder_len) {
  char target[PATH_MAX];
  ssize_t len = readlink(mw_buf_str(&w->here), target, sizeof target);
  if (len <= 0 || (size_t)len == sizeof target || ++w->links > LINKS_MAX) {
    return MW_ENOTFOUND; /* replaced just now, which causes an event; or a link to nothing */
  }
  w->here.len = target[0] == '/' ? 0 : folder_len;
  if (mw_buf_puts(&w->here, target[0] == '/' ? "/" : "") != 0) return no_memory(s); /* also terminates the text */
  struct mw_buf rest = MW_BUF_INIT;
  if (mw_buf_printf(&rest, "%.*s%s", (int)len, target, mw_buf_str(&w->rest) + w->at) != 0) return no_memory(s);
  mw_buf_fini(&w->rest);
  w->rest = rest;
  w->at = 0;
  w->mode = S_IFDIR;
  return 0;
}

/* Resolves the next path component after placing a watch on it. */
static int step(struct scan *s, struct walk *w, const char *name) {
  int rc = strcmp(name, "..") == 0 ? 0 : want(s, mw_buf_str(&w->here), name, NULL);
  if (rc != 0) return rc;
  size_t folder_len = w->here.len;
  bool is_root = w->here.data[folder_len - 1] == '/';
  if (mw_buf_printf(&w->here, "%s%s", is_root ? "" : "/", name) != 0) return no_memory(s);
  struct stat info;
  if (lstat(mw_buf_str(&w->here), &info) != 0) {
    return is_absence(errno) ? MW_ENOTFOUND : fail(s, mw_buf_str(&w->here), errno);
  }
  w->mode = info.st_mode;
  return S_ISLNK(info.st_mode) ? follow_link(s, w, folder_len) : 0;
}

/* Follows `path` from `folder`. If it leads to a folder, queues that for reading. */
static int follow(struct scan *s, const char *folder, const char *path) {
  struct walk w = {.here = MW_BUF_INIT, .rest = MW_BUF_INIT, .mode = S_IFDIR};
  char name[NAME_MAX + 2];
  int rc = mw_buf_puts(&w.here, folder) == 0 && mw_buf_puts(&w.rest, path) == 0 ? 0 : no_memory(s);
  while (rc == 0 && next_name(&w, name)) rc = step(s, &w, name);
  if (rc == 0 && S_ISDIR(w.mode)) rc = push_folder(s, mw_buf_str(&w.here), "");
  mw_buf_fini(&w.here);
  mw_buf_fini(&w.rest);
  return rc == MW_ENOTFOUND ? 0 : rc;
}

static int scan_entry(struct scan *s, const char *folder, const struct dirent *entry) {
  if (entry->d_name[0] == '.' || entry->d_type == DT_REG) return 0;
  return entry->d_type == DT_DIR ? push_folder(s, folder, entry->d_name) : follow(s, folder, entry->d_name);
}

static int scan_folder(struct scan *s, const char *path) {
  bool news;
  int rc = want(s, path, NULL, &news);
  if (rc != 0 || !news) return rc == MW_ENOTFOUND ? 0 : rc;
  DIR *folder = opendir(path);
  if (!folder) return is_absence(errno) ? 0 : fail(s, path, errno);
  const struct dirent *entry;
  while (rc == 0 && (errno = 0, entry = readdir(folder)) != NULL) rc = scan_entry(s, path, entry);
  if (rc == 0 && errno != 0 && !is_absence(errno)) rc = fail(s, path, errno);
  closedir(folder);
  return rc;
}

/* Reads the pending folders one at a time, so that a deep tree takes neither stack nor descriptors. */
static int scan_pending(struct scan *s, int rc) {
  struct mw_list *node;
  while ((node = mw_list_shift(&s->pending))) {
    struct pending *pending = MW_CONTAINER(node, struct pending, link);
    if (rc == 0) rc = scan_folder(s, pending->path);
    free(pending);
  }
  return rc;
}

/* Makes the scan's interest that of the set. Removes the watches that are no longer needed. */
static void commit(struct scan *s) {
  struct mw_watch_set *set = s->set;
  struct mw_slice key;
  for (size_t cursor = 0; mw_map_next(&set->interest, &cursor, &key);) {
    if (key.len != sizeof(int) || mw_map_get(&s->interest, key)) continue;
    int wd;
    memcpy(&wd, key.data, sizeof wd);
    inotify_rm_watch(set->fd, wd); /* fails if the folder, and so its watch, is gone */
  }
  mw_map_fini(&set->interest);
  set->interest = s->interest;
}

int mw_watch_set_scan(struct mw_watch_set *set, const char *const *paths, size_t n_paths, bool *grew,
                      struct mw_err *err) {
  struct scan s = {.set = set, .interest = MW_MAP_INIT, .err = err};
  mw_list_init(&s.pending);
  int rc = 0;
  for (size_t i = 0; i < n_paths && rc == 0; i++) rc = follow(&s, paths[i][0] == '/' ? "/" : ".", paths[i]);
  rc = scan_pending(&s, rc);
  commit(&s);
  *grew = s.grew;
  return rc;
}

/* ---- events ---- */

static bool matters(const struct mw_watch_set *set, const struct inotify_event *event) {
  if (event->mask & IN_Q_OVERFLOW) return true;
  const char *mark = mw_map_get(&set->interest, folder_key(&event->wd));
  if (!mark) return false; /* removed meanwhile */
  if (event->len == 0 || (mark == &all_names && event->name[0] != '.')) return true;
  struct key key;
  return mw_map_get(&set->interest, name_key(&key, event->wd, event->name)) != NULL;
}

static unsigned read_events(const struct mw_watch_set *set, const char *bytes, size_t len) {
  unsigned found = 0;
  while (len > 0) {
    const struct inotify_event *event = (const void *)bytes;
    size_t size = sizeof *event + event->len;
    if (matters(set, event)) found |= event->mask & WRITES ? MW_WATCH_WRITTEN : MW_WATCH_RENAMED;
    bytes += size;
    len -= size;
  }
  return found;
}

unsigned mw_watch_set_read(struct mw_watch_set *set) {
  _Alignas(struct inotify_event) char bytes[READ_SIZE];
  unsigned found = 0;
  for (int i = 0; i < READS_AT_ONCE; i++) {
    ssize_t len = read(set->fd, bytes, sizeof bytes);
    if (len > 0) {
      found |= read_events(set, bytes, (size_t)len);
    } else if (errno == EAGAIN) {
      break;
    } else if (errno != EINTR) {
      return found | MW_WATCH_RENAMED;
    }
  }
  return found;
}
