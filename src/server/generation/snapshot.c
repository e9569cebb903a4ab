/* A generation does not keep the bytes of its .proto files. The snapshot copies them from the disk, and the digest of
 * the copy must be the generation's. */
#include "server/generation/snapshot.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "schema/load/find.h"
#include "server/files/fs.h"

static int fail(struct mw_err *err, const char *path) {
  return mw_err_set(err, MW_EIO, "%s: %s", path, strerror(errno));
}

/* Writes TO/NAME, and makes its parent folders. */
static int write_file(const char *to, const char *name, struct mw_slice bytes, struct mw_err *err) {
  char path[PATH_MAX];
  int len = snprintf(path, sizeof path, "%s/%s", to, name);
  if (len >= (int)sizeof path) return mw_err_set(err, MW_ELIMIT, "%s/%s: too long", to, name);
  char *slash = strrchr(path, '/');
  *slash = '\0';
  if (mw_folder_make(path) != 0) return fail(err, path);
  *slash = '/';
  FILE *file = fopen(path, "we");
  if (!file) return fail(err, path);
  bool written = fwrite(bytes.data, 1, bytes.len, file) == bytes.len;
  bool closed = fclose(file) == 0;
  return written && closed ? 0 : fail(err, path);
}

/* Makes TO/OTHER a link to TO/NAME. Makes TO/NAME if it does not exist: it may be a folder without files to copy. */
static int write_alias(const struct mw_file_alias *alias, const char *to, struct mw_err *err) {
  char path[PATH_MAX], target[PATH_MAX] = "";
  size_t len = 0;
  for (const char *slash = strchr(alias->other, '/'); slash && len < sizeof target - 4;
       slash = strchr(slash + 1, '/')) {
    len += (size_t)snprintf(target + len, sizeof target - len, "../");
  }
  len += (size_t)snprintf(target + len, sizeof target - len, "%s", *alias->name ? alias->name : ".");
  int end = snprintf(path, sizeof path, "%s/%s", to, alias->name);
  if (len >= sizeof target || end >= (int)sizeof path) return mw_err_set(err, MW_ELIMIT, "%s: too long", alias->name);
  if (access(path, F_OK) != 0 && mw_folder_make(path) != 0) return fail(err, path);
  if (snprintf(path, sizeof path, "%s/%s", to, alias->other) >= (int)sizeof path) {
    return mw_err_set(err, MW_ELIMIT, "%s: too long", alias->other);
  }
  char *slash = strrchr(path, '/');
  *slash = '\0';
  if (mw_folder_make(path) != 0) return fail(err, path);
  *slash = '/';
  return symlink(target, path) == 0 || errno == EEXIST ? 0 : fail(err, path);
}

static int write_scripts(const struct mw_generation *generation, const char *dir, const char *to, struct mw_err *err) {
  size_t prefix = strcmp(dir, ".") == 0 ? 0 : strlen(dir) + 1;
  int rc = 0;
  for (size_t i = 0; i < generation->n_files && rc == 0; i++) {
    rc = write_file(to, generation->files[i].path + prefix, generation->files[i].bytes, err);
  }
  char lua[PATH_MAX];
  snprintf(lua, sizeof lua, "%s/lua", to);
  const struct mw_file_list *names = &generation->names;
  for (size_t i = 0; i < names->n_aliases && rc == 0; i++) rc = write_alias(&names->aliases[i], lua, err);
  if (rc != 0 || !generation->settings_file.path) return rc;
  return write_file(to, "moonwire.lua", generation->settings_file.bytes, err);
}

static int copy_protos(const char *from, const char *to, const char *suffix, struct mw_err *err) {
  struct mw_file_list list;
  struct mw_buf path = MW_BUF_INIT, bytes = MW_BUF_INIT;
  int rc = mw_find_files(&list, from, suffix, err);
  if (rc != 0) return rc;
  for (size_t i = 0; i < list.n && rc == 0; i++) {
    if (mw_file_list_is_alias(&list, list.paths[i])) continue;
    mw_buf_clear(&path);
    mw_buf_clear(&bytes);
    rc = mw_buf_printf(&path, "%s/%s", from, list.paths[i]);
    if (rc == 0) rc = mw_buf_read_file(&bytes, mw_buf_str(&path), MW_POOL_SET_MAX, err);
    if (rc == 0) rc = write_file(to, list.paths[i], mw_buf_slice(&bytes), err);
  }
  for (size_t i = 0; i < list.n_aliases && rc == 0; i++) rc = write_alias(&list.aliases[i], to, err);
  mw_buf_fini(&path);
  mw_buf_fini(&bytes);
  mw_file_list_fini(&list);
  return rc;
}

static int write_protos(const struct mw_generation *generation, const char *to, struct mw_err *err) {
  char *const *roots = generation->settings.protos;
  const char *from = roots[0], *copied[MW_SETTINGS_FOLDERS + 1] = {NULL};
  char copy[PATH_MAX];
  uint64_t digest;
  snprintf(copy, sizeof copy, "%s/proto", to);
  copied[0] = copy;
  for (size_t i = 1; roots[i]; i++) copied[i] = roots[i];
  int rc = copy_protos(from, copy, ".proto", err);
  if (rc == 0) rc = copy_protos(from, copy, ".binpb", err);
  if (rc == 0) rc = mw_generation_digest_protos(&digest, copied, err);
  if (rc != 0 || digest == generation->protos) return rc;
  return mw_err_set(err, MW_ECONFLICT, "%s: changed before the specs could run; it is read again", from);
}

/* True if the snapshot links to this entry of the project folder. */
static bool is_other(const char *name, const char *target, const char *but) {
  static const char *const own[] = {".", "..", "lua", "proto", "moonwire.lua"};
  for (size_t i = 0; i < sizeof own / sizeof *own; i++) {
    if (strcmp(name, own[i]) == 0) return false;
  }
  return strcmp(target, but) != 0;
}

static int link_others(const char *dir, const char *but, const char *to, struct mw_err *err) {
  char root[PATH_MAX], target[2 * PATH_MAX], link[2 * PATH_MAX];
  if (!realpath(dir, root)) return fail(err, dir);
  DIR *folder = opendir(root);
  if (!folder) return fail(err, root);
  int rc = 0;
  for (const struct dirent *entry; rc == 0 && (entry = readdir(folder)) != NULL;) {
    snprintf(target, sizeof target, "%s/%s", root, entry->d_name);
    snprintf(link, sizeof link, "%s/%s", to, entry->d_name);
    if (is_other(entry->d_name, target, but) && symlink(target, link) != 0) rc = fail(err, link);
  }
  closedir(folder);
  return rc;
}

int mw_snapshot_write(const struct mw_generation *generation, const char *dir, const char *but, const char *to,
                      struct mw_err *err) {
  int rc = write_scripts(generation, dir, to, err);
  if (rc == 0) rc = write_protos(generation, to, err);
  return rc == 0 ? link_others(dir, but, to, err) : rc;
}
