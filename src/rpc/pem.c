#include "rpc/pem.h"

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

struct mw_pem_times mw_pem_look(const char *cert, const char *key, const char *ca) {
  const char *const files[3] = {cert, key, ca};
  struct mw_pem_times times = {0};
  for (size_t i = 0; i < 3; i++) {
    struct stat info;
    if (files[i] && stat(files[i], &info) == 0) times.at[i] = info.st_mtim;
  }
  return times;
}

bool mw_pem_same(const struct mw_pem_times *a, const struct mw_pem_times *b) {
  for (size_t i = 0; i < 3; i++) {
    if (a->at[i].tv_sec != b->at[i].tv_sec || a->at[i].tv_nsec != b->at[i].tv_nsec) return false;
  }
  return true;
}
