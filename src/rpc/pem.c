#include "rpc/pem.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "observe/log.h"

enum { FILE_MAX = 1024 * 1024, RETRY_NS = MW_NS_PER_S };

/* A NULL `path` leaves `out` empty. */
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

/* Sets `part` to the part that was read last. */
static int read_all(struct mw_pem *pem, const char *cert, const char *key, const char *ca, enum mw_pem_part *part,
                    struct mw_err *err) {
  *part = MW_PEM_CERT;
  int rc = read_file(cert, "certificate", &pem->cert, err);
  if (rc != 0) return rc;
  *part = MW_PEM_KEY;
  rc = read_file(key, "key", &pem->key, err);
  if (rc != 0) return rc;
  *part = MW_PEM_CA;
  return read_file(ca, "CA certificates", &pem->ca, err);
}

int mw_pem_read(struct mw_pem *pem, const char *cert, const char *key, const char *ca, struct mw_err *err) {
  enum mw_pem_part part;
  return read_all(pem, cert, key, ca, &part, err);
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

int mw_pem_files_init(struct mw_pem_files *files, const char *cert, const char *key, const char *ca,
                      struct mw_err *err) {
  *files = (struct mw_pem_files){0};
  if (copy(&files->cert, cert) == 0 && copy(&files->key, key) == 0 && copy(&files->ca, ca) == 0) return 0;
  return mw_err_set(err, MW_ENOMEM, "out of memory");
}

void mw_pem_files_fini(struct mw_pem_files *files) {
  free(files->cert);
  free(files->key);
  free(files->ca);
}

/* ---- checks ---- */

/* Prevents a password prompt. */
static int no_password(char *buf, int size, int writing, void *arg) { return 0; }

static int damaged(const char *what, const char *path, struct mw_err *err) {
  const char *reason = ERR_reason_error_string(ERR_peek_last_error());
  return mw_err_set(err, MW_EINVAL, "TLS %s: %s: %s", what, path, reason ? reason : "cannot be read");
}

/* True if the data after the last certificate has no other one, not even a part. */
static bool is_at_end(void) {
  unsigned long error = ERR_peek_last_error();
  return ERR_GET_LIB(error) == ERR_LIB_PEM && ERR_GET_REASON(error) == PEM_R_NO_START_LINE;
}

/* Returns the first certificate, owned, if all of them are complete. */
static X509 *read_certificates(const struct mw_buf *pem) {
  BIO *bio = BIO_new_mem_buf(pem->data, (int)pem->len);
  X509 *first = bio ? PEM_read_bio_X509_AUX(bio, NULL, no_password, NULL) : NULL, *next;
  bool fine = first != NULL;
  while (fine && (next = PEM_read_bio_X509(bio, NULL, no_password, NULL)) != NULL) X509_free(next);
  fine = fine && is_at_end();
  BIO_free(bio);
  if (fine) return first;
  X509_free(first);
  return NULL;
}

static EVP_PKEY *read_key(const struct mw_buf *pem) {
  BIO *bio = BIO_new_mem_buf(pem->data, (int)pem->len);
  EVP_PKEY *key = bio ? PEM_read_bio_PrivateKey(bio, NULL, no_password, NULL) : NULL;
  BIO_free(bio);
  return key;
}

static int check_authorities(const struct mw_pem *pem, const char *path, struct mw_err *err) {
  X509 *first = read_certificates(&pem->ca);
  X509_free(first);
  return first ? 0 : damaged("CA certificates", path, err);
}

static int check_all(const struct mw_pem *pem, const struct mw_pem_files *files, enum mw_pem_part *part,
                     struct mw_err *err) {
  EVP_PKEY *key = NULL;
  int rc = 0;
  ERR_clear_error();
  X509 *cert = read_certificates(&pem->cert);
  *part = MW_PEM_KEY;
  if (!cert) {
    *part = MW_PEM_CERT;
    rc = damaged("certificate", files->cert, err);
  } else if (!(key = read_key(&pem->key))) {
    rc = damaged("key", files->key, err);
  } else if (X509_check_private_key(cert, key) != 1) {
    rc = mw_err_set(err, MW_EINVAL, "TLS key: %s: is not the key of the certificate %s", files->key, files->cert);
  } else if (files->ca) {
    *part = MW_PEM_CA;
    rc = check_authorities(pem, files->ca, err);
  }
  EVP_PKEY_free(key);
  X509_free(cert);
  ERR_clear_error();
  return rc;
}

int mw_pem_check(const struct mw_pem *pem, const struct mw_pem_files *files, struct mw_err *err) {
  enum mw_pem_part part;
  return check_all(pem, files, &part, err);
}

int mw_pem_validate(const struct mw_pem_files *files, enum mw_pem_part *part, struct mw_err *err) {
  struct mw_pem pem = {0};
  int rc = read_all(&pem, files->cert, files->key, files->ca, part, err);
  if (rc == 0) rc = check_all(&pem, files, part, err);
  mw_pem_fini(&pem);
  return rc;
}

/* ---- changes ---- */

bool mw_pem_changed(const struct mw_pem_files *files, struct mw_pem_watch *watch) {
  const char *const paths[3] = {files->cert, files->key, files->ca};
  bool due = watch->retry > 0 && mw_clock_mono() >= watch->retry;
  for (size_t i = 0; i < 3; i++) {
    struct stat info;
    struct mw_pem_seen now = {0}, *before = &watch->seen[i];
    if (paths[i] && stat(paths[i], &info) == 0) now = (struct mw_pem_seen){info.st_mtim, info.st_size};
    if (now.at.tv_sec != before->at.tv_sec || now.at.tv_nsec != before->at.tv_nsec || now.size != before->size) {
      due = true;
    }
    *before = now;
  }
  if (due) watch->retry = 0;
  return due;
}

/* The files of the last log line; each worker has its own watch. */
static struct {
  pthread_mutex_t lock;
  struct mw_pem_seen files[3];
} logged = {.lock = PTHREAD_MUTEX_INITIALIZER};

void mw_pem_reject(struct mw_pem_watch *watch, const struct mw_err *err) {
  watch->retry = mw_clock_mono() + RETRY_NS;
  pthread_mutex_lock(&logged.lock);
  bool again = memcmp(logged.files, watch->seen, sizeof logged.files) == 0;
  memcpy(logged.files, watch->seen, sizeof logged.files);
  pthread_mutex_unlock(&logged.lock);
  if (again) return;
  mw_log(MW_LOG_ERROR, NULL, "the renewed TLS files are not used, the old certificate stays: %s", mw_err_text(err));
}
