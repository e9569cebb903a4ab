/* Files are moved by renames: each entry into the folder ".moonwire-files", and finally that folder to "files". After a
 * crash, the next start continues with ".moonwire-files". A mark distinguishes the new "files" from a folder of that
 * name that scripts have made. The latter is moved like any other. */
#include "server/settings/files.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "store/backend/backend.h"

#define ROOT "files"
#define STAGE ".moonwire-files"
#define MARK ".moonwire-root"

static int fail(struct mw_err *err, const char *what, const char *data, const char *name) {
  return mw_err_set(err, MW_EIO, "%s %s/%s, for the files of scripts: %s", what, data, name, strerror(errno));
}

static int open_folder(int folder, const char *name) {
  return openat(folder, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

static int sync_folder(int folder) { return fsync(folder) == 0 || errno == EINVAL ? 0 : -1; } /* EINVAL: unsupported */

static int put_mark(int folder) {
  int fd = openat(folder, MARK, O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
  if (fd < 0) return -1;
  int rc = fsync(fd);
  close(fd);
  return rc == 0 ? sync_folder(folder) : rc;
}

/* Makes the folder `name` of the data folder `at`, with the mark. */
static int make_marked(int at, const char *name, const char *data, struct mw_err *err) {
  if (mkdirat(at, name, 0777) != 0 && errno != EEXIST) return fail(err, "cannot make", data, name);
  int folder = open_folder(at, name);
  if (folder < 0) return fail(err, "cannot open", data, name);
  int rc = put_mark(folder) == 0 ? 0 : fail(err, "cannot mark", data, name);
  close(folder);
  return rc;
}

int mw_files_make(const char *data, struct mw_err *err) {
  int at = open_folder(AT_FDCWD, data);
  if (at < 0) return fail(err, "cannot open", data, "");
  bool fresh = faccessat(at, "store/" MW_STORE_FILE, F_OK, 0) != 0 && errno == ENOENT;
  int rc = fresh ? make_marked(at, ROOT, data, err) : 0;
  close(at);
  return rc;
}

/* ---- paths ---- */

/* Resolves the links in the existing part of the path, and appends the rest. Returns an owned path; NULL without
 * memory. */
static char *real(const char *path) {
  char *head = strdup(path), *out = NULL;
  for (size_t len = head ? strlen(head) : 0; head && !out;) {
    head[len] = '\0';
    char *found = realpath(len > 0 ? head : path[0] == '/' ? "/" : ".", NULL);
    const char *between = path[len] && path[len] != '/' ? "/" : "";
    if (found && asprintf(&out, "%s%s%s", found[1] ? found : "", between, path + len) < 0) {
      out = NULL;
      len = 0;
    }
    free(found);
    if (len == 0) break;
    while (len > 0 && head[--len] != '/') continue;
  }
  free(head);
  return out;
}

static bool lies_in(const char *path, const char *folder) {
  size_t len = strlen(folder);
  return strncmp(path, folder, len) == 0 && (path[len] == '/' || path[len] == '\0');
}

int mw_files_check_folders(const struct mw_settings *settings, const char *data, struct mw_err *err) {
  char *place = settings->n_folders > 0 ? real(data) : NULL;
  int rc = 0;
  for (size_t i = 0; i < settings->n_folders && rc == 0; i++) {
    char *folder = real(settings->folders[i]);
    if (!place || !folder) {
      rc = mw_err_set(err, MW_ENOMEM, "out of memory");
    } else if (lies_in(place, folder) || lies_in(folder, place)) {
      const char *verb = !lies_in(place, folder) ? "lies in" : lies_in(folder, place) ? "is" : "holds";
      mw_err_add(err, MW_EINVAL, "%s %s the data folder %s: expected a folder apart from it", settings->folders[i],
                 verb, data);
      rc = mw_settings_prefix_finding(settings, "files", "folders", err);
    }
    free(folder);
  }
  free(place);
  return rc;
}

/* ---- moving ---- */

struct move {
  const char *data, *dir;
  const struct mw_settings *settings;
  char *place;         /* `data` with links resolved */
  int at, stage;       /* open folders */
  struct mw_buf names; /* names to move, each with its zero byte */
  size_t count;
};

/* True if the part of `path` from `part` to `end` is the entry `name` of the data folder. */
static bool is_entry(const struct move *move, const char *name, char *path, size_t part, size_t end) {
  char before = path[part], after = path[end];
  path[part] = '\0';
  char *parent = realpath(part > 0 ? path : ".", NULL);
  path[part] = before;
  path[end] = '\0';
  bool same = parent && strcmp(parent, move->place) == 0 && strcmp(path + part, name) == 0;
  path[end] = after;
  free(parent);
  return same;
}

/* True if `path`, of a file that the server reads, leads through the entry `name` of the data folder, either as written
 * or with links resolved. */
static bool leads_into(const struct move *move, const char *name, const char *path) {
  char *texts[] = {path ? strdup(path) : NULL, path ? realpath(path, NULL) : NULL};
  bool found = false;
  for (size_t i = 0; i < 2; i++) {
    for (size_t part = 0, len; texts[i] && texts[i][part] && !found; part += len + (texts[i][part + len] == '/')) {
      len = strcspn(texts[i] + part, "/");
      found = len > 0 && is_entry(move, name, texts[i], part, part + len);
    }
    free(texts[i]);
  }
  return found;
}

static bool is_own(const struct move *move, const char *name) {
  static const char *const own[] = {".", "..", "store", "moonwire.sock", "lost+found"};
  const struct mw_settings *settings = move->settings;
  for (size_t i = 0; i < sizeof own / sizeof *own; i++) {
    if (strcmp(name, own[i]) == 0) return true;
  }
  return strncmp(name, ".moonwire-", 10) == 0 || leads_into(move, name, settings->tls_cert) ||
         leads_into(move, name, settings->tls_key) || leads_into(move, name, settings->tls_client_ca);
}

/* Scripts make files and folders; the operator adds links to others. */
static bool is_moved(const struct move *move, int folder, const char *name) {
  struct stat info;
  if (fstatat(folder, name, &info, AT_SYMLINK_NOFOLLOW) != 0) return false;
  return (S_ISREG(info.st_mode) || S_ISDIR(info.st_mode) || S_ISLNK(info.st_mode)) && !is_own(move, name);
}

/* Collects the names of the entries to move. Takes the descriptor. */
static int collect(struct move *move, int folder, struct mw_err *err) {
  DIR *entries = folder < 0 ? NULL : fdopendir(folder);
  if (!entries) {
    if (folder >= 0) close(folder);
    return fail(err, "cannot read", move->data, "");
  }
  int rc = 0;
  mw_buf_clear(&move->names);
  for (const struct dirent *entry; rc == 0 && (entry = readdir(entries)) != NULL;) {
    if (!is_moved(move, folder, entry->d_name)) continue;
    if (mw_buf_append(&move->names, entry->d_name, strlen(entry->d_name) + 1) != 0) rc = MW_ENOMEM;
  }
  closedir(entries);
  return rc == 0 ? 0 : mw_err_set(err, rc, "out of memory");
}

/* Replaces no file, unless another process makes `new_name` at the same time and the kernel lacks RENAME_NOREPLACE. */
static int rename_to_new(int from, const char *name, int to, const char *new_name) {
  struct stat info;
  if (renameat2(from, name, to, new_name, RENAME_NOREPLACE) == 0) return 0;
  if (errno != EINVAL && errno != ENOSYS) return -1;
  if (fstatat(to, new_name, &info, AT_SYMLINK_NOFOLLOW) == 0) errno = EEXIST;
  return errno == ENOENT ? renameat(from, name, to, new_name) : -1;
}

static int move_all(struct move *move, int from, int to, struct mw_err *err) {
  int rc = collect(move, open_folder(from, "."), err);
  const char *end = (const char *)move->names.data + move->names.len;
  for (const char *name = mw_buf_str(&move->names); rc == 0 && name < end; name += strlen(name) + 1) {
    if (rename_to_new(from, name, to, name) == 0) {
      move->count++;
    } else {
      rc = mw_err_set(err, MW_EIO,
                      "cannot move %s/%s to %s/" ROOT "/%s, where mw.fs looks for it: %s: move it yourself", move->data,
                      name, move->data, name, strerror(errno));
    }
  }
  return rc;
}

/* Fills the open folder ".moonwire-files" and renames it to "files". If that fails, moves everything back. */
static int run_stages(struct move *move, struct mw_err *err) {
  int rc = move_all(move, move->at, move->stage, err);
  if (rc == 0 && (put_mark(move->stage) != 0 || rename_to_new(move->at, STAGE, move->at, ROOT) != 0)) {
    rc = fail(err, "cannot make", move->data, ROOT);
  }
  if (rc == 0) return sync_folder(move->at) == 0 ? 0 : fail(err, "cannot sync", move->data, "");
  unlinkat(move->stage, MARK, 0);
  move_all(move, move->stage, move->at, NULL);
  unlinkat(move->at, STAGE, AT_REMOVEDIR);
  return rc;
}

static int move_staged(struct move *move, struct mw_err *err) {
  if (mkdirat(move->at, STAGE, 0777) != 0 && errno != EEXIST) return fail(err, "cannot make", move->data, STAGE);
  move->stage = open_folder(move->at, STAGE);
  if (move->stage < 0) return fail(err, "cannot open", move->data, STAGE);
  int rc = run_stages(move, err);
  close(move->stage);
  if (rc != 0 || move->count == 0) return rc;
  char count[24];
  snprintf(count, sizeof count, "%zu", move->count);
  struct mw_log_field fields[] = {{"moved", count}, {"data", move->data}, {NULL, NULL}};
  mw_log(MW_LOG_INFO, fields, "files of scripts were moved from the data folder to " ROOT " in it, where mw.fs starts");
  return 0;
}

/* If the data folder contains the project folder, files of scripts cannot be distinguished from others. */
static int move_entries(struct move *move, struct mw_err *err) {
  char *dir = real(move->dir);
  int rc = dir && move->place ? 0 : mw_err_set(err, MW_ENOMEM, "out of memory");
  if (rc == 0 && lies_in(dir, move->place)) {
    if (faccessat(move->at, ROOT, F_OK, 0) == 0) {
      rc = make_marked(move->at, ROOT, move->data, err);
    } else {
      rc = mw_err_set(err, MW_EIO,
                      "the data folder %s holds the project folder: make %s/" ROOT
                      " and move the files of "
                      "scripts there, where mw.fs looks for them",
                      move->data, move->data);
    }
  } else if (rc == 0) {
    rc = move_staged(move, err);
  }
  free(dir);
  return rc;
}

static int move_once(const char *data, const char *dir, const struct mw_settings *settings, struct mw_err *err) {
  struct move move = {.data = data, .dir = dir, .settings = settings, .names = MW_BUF_INIT};
  move.at = open_folder(AT_FDCWD, data);
  if (move.at < 0) return fail(err, "cannot open", data, "");
  int rc = 0;
  if (faccessat(move.at, ROOT "/" MARK, F_OK, 0) != 0) {
    move.place = real(data);
    rc = move_entries(&move, err);
    free(move.place);
    mw_buf_fini(&move.names);
  }
  close(move.at);
  return rc;
}

/* ---- open ---- */

int mw_files_open(struct mw_files *files, const char *data, const char *dir, const struct mw_settings *settings,
                  struct mw_err *err) {
  int rc = mw_files_check_folders(settings, data, err);
  if (rc == 0) rc = move_once(data, dir, settings, err);
  if (rc != 0) return rc;
  int at = open_folder(AT_FDCWD, data);
  int fd = at < 0 ? -1 : openat(at, ROOT, O_PATH | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) rc = fail(err, "cannot open", data, ROOT);
  if (at >= 0) close(at);
  if (rc == 0) *files = (struct mw_files){fd, settings->folders, settings->n_folders};
  return rc;
}

void mw_files_close(struct mw_files *files) {
  if (files->fd >= 0) close(files->fd);
  *files = (struct mw_files)MW_FILES_INIT;
}
