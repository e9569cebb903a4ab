#include "rpc/pem.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { FILE_MAX = 1024 * 1024 };

/* A `path` of NULL leaves `out` empty. */
static int read_file(const char *path, const char *what, struct mw_buf *out, struct mw_err *err) {
  if (!path) return 0;
  int rc = mw_buf_read_file(out, path, FILE_MAX, err);
  if (rc != 0) {
    mw_err_wrap(err, "TLS %s", what);
    if (err) err->code = rc == MW_ENOMEM ? rc : MW_EINVAL;
    return rc == MW_ENOMEM ? rc : MW_EINVAL;
  }
  if (strstr(mw_buf_str(out), "-----BEGIN ")) return 0;
  return mw_err_set(err, MW_EINVAL, "TLS %s: %s: not a PEM file (no \"-----BEGIN\" line)", what, path);
}

int mw_pem_read(struct mw_pem *pem, const char *cert, const char *key, const char *ca, struct mw_err *err) {
  int rc = read_file(cert, "certificate", &pem->cert, err);
  if (rc == 0) rc = read_file(key, "key", &pem->key, err);
  if (rc == 0) rc = read_file(ca, "CA certificates", &pem->ca, err);
  return rc;
}

void mw_pem_fini(struct mw_pem *pem) {
  if (pem->key.data) explicit_bzero(pem->key.data, pem->key.cap);
  mw_buf_fini(&pem->cert);
  mw_buf_fini(&pem->key);
  mw_buf_fini(&pem->ca);
}

static int copy(char **out, const char *path) {
  *out = path ? strdup(path) : NULL;
  return path && !*out ? MW_ENOMEM : 0;
}

int mw_pem_files_init(struct mw_pem_files *files, const char *cert, const char *key, const char *ca, struct mw_err *err) {
  *files = (struct mw_pem_files){0};
  if (copy(&files->cert, cert) == 0 && copy(&files->key, key) == 0 && copy(&files->ca, ca) == 0) return 0;
  return mw_err_set(err, MW_ENOMEM, "out of memory");
}

void mw_pem_files_fini(struct mw_pem_files *files) {
  free(files->cert);
  free(files->key);
  free(files->ca);
}

bool mw_pem_changed(const struct mw_pem_files *files, struct mw_pem_times *seen) {
  const char *const paths[3] = {files->cert, files->key, files->ca};
  bool changed = false;
  for (size_t i = 0; i < 3; i++) {
    struct stat info;
    struct timespec now = {0}, *before = &seen->at[i];
    if (paths[i] && stat(paths[i], &info) == 0) now = info.st_mtim;
    if (now.tv_sec != before->tv_sec || now.tv_nsec != before->tv_nsec) changed = true;
    *before = now;
  }
  return changed;
}
