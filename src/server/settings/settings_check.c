#include "server/settings/settings_check.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "rpc/pem.h"
#include "server/settings/files.h"
#include "server/settings/listener.h"

int mw_settings_check_tls(const struct mw_settings *settings, struct mw_err *err) {
  static const char *const names[] = {[MW_PEM_CERT] = "cert", [MW_PEM_KEY] = "key", [MW_PEM_CA] = "client_ca"};
  if (!settings->tls_cert || !settings->tls_key) return 0;
  const struct mw_pem_files files = {settings->tls_cert, settings->tls_key, settings->tls_client_ca};
  struct mw_err one = MW_ERR_INIT;
  enum mw_pem_part part;
  int rc = mw_pem_validate(&files, &part, &one);
  if (rc != 0) {
    mw_err_add(err, rc, "%s", mw_err_text(&one));
    mw_settings_prefix_finding(settings, "tls", names[part], err);
  }
  mw_err_fini(&one);
  return rc;
}

/* An address may occur once. Port 0 may repeat, as it stands for another port each time. */
static int check_listener(const struct mw_settings *settings, size_t i, struct mw_err *err) {
  const char *address = settings->listen[i], *colon = strrchr(address, ':');
  for (size_t j = 0; j < i && (!colon || strcmp(colon, ":0") != 0); j++) {
    if (strcmp(settings->listen[j], address) == 0) {
      return mw_err_set(err, MW_EINVAL, "%s: given twice: expected different addresses", address);
    }
  }
  return mw_listener_check(address, err);
}

/* Skips addresses of the command line: a running server may listen there. */
static int check_listeners(const struct mw_settings *settings, struct mw_err *err) {
  int failed = 0;
  for (size_t i = 0; i < settings->n_listen && settings->file_listen; i++) {
    struct mw_err one = MW_ERR_INIT;
    int rc = check_listener(settings, i, &one);
    if (rc != 0) {
      failed = mw_err_add(err, rc, "%s", mw_err_text(&one));
      mw_settings_prefix_finding(settings, NULL, "listen", err);
    }
    mw_err_fini(&one);
  }
  return failed;
}

/* Returns 0 if the folder exists or can be created, else the errno value of the cause. Shortens `path`. */
static int try_folder(char *path) {
  const char *nearest = path;
  struct stat info;
  while (stat(nearest, &info) != 0) {
    if (errno != ENOENT || nearest != path) return errno;
    char *slash = strrchr(path, '/');
    nearest = !slash ? "." : slash == path ? "/" : path;
    if (slash) *slash = '\0';
  }
  if (!S_ISDIR(info.st_mode)) return ENOTDIR;
  return access(nearest, W_OK | X_OK) == 0 ? 0 : errno;
}

/* Skips the default: the server may be started with --data. */
static int check_data(const struct mw_settings *settings, const char *data, struct mw_err *err) {
  char *path = settings->file_data ? strdup(data) : NULL;
  int cause = !settings->file_data ? 0 : path ? try_folder(path) : ENOMEM;
  free(path);
  if (cause == 0) return mw_files_check_folders(settings, data, err);
  mw_err_add(err, MW_EIO, "cannot make the data folder %s: %s", data, strerror(cause));
  return mw_settings_prefix_finding(settings, NULL, "data", err);
}

int mw_settings_check(const struct mw_settings *settings, const char *data, struct mw_err *err) {
  int listeners = check_listeners(settings, err);
  int tls = mw_settings_check_tls(settings, err);
  int rc = strcmp(data, ":memory:") == 0 ? 0 : check_data(settings, data, err);
  return listeners ? listeners : tls ? tls : rc;
}
