#include "engine/core/credentials.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "base/buf.h"

enum { FILE_MAX = 1024 * 1024 };

/* ---- reading ---- */

struct pem {
  struct mw_buf cert, key, ca;
};

static void pem_fini(struct pem *pem) {
  if (pem->key.data) explicit_bzero(pem->key.data, pem->key.cap);
  mw_buf_fini(&pem->cert);
  mw_buf_fini(&pem->key);
  mw_buf_fini(&pem->ca);
}

/* A `path` of NULL leaves `out` empty. */
static int read_pem(const char *path, const char *what, struct mw_buf *out, struct mw_err *err) {
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

static int read_all(struct pem *pem, const char *cert, const char *key, const char *ca, struct mw_err *err) {
  int rc = read_pem(cert, "certificate", &pem->cert, err);
  if (rc == 0) rc = read_pem(key, "key", &pem->key, err);
  if (rc == 0) rc = read_pem(ca, "CA certificates", &pem->ca, err);
  return rc;
}

static const char *text_or_null(const struct mw_buf *buf) { return buf->len > 0 ? mw_buf_str(buf) : NULL; }

/* ---- a server's ---- */

struct mw_core_certs {
  char *cert_file, *key_file, *ca_file, *name; /* owned; ca_file may be NULL */
  struct listener *listeners;
};

/* Each listener has its own copy of the certificates in core, and so its own knowledge of how new it is. */
struct listener {
  struct mw_core_certs *certs;
  struct listener *next;
  pthread_mutex_t lock;    /* guards `seen`: handshakes run on core's threads */
  struct timespec seen[3]; /* when the files that are in use were last changed */
};

static void look(const struct mw_core_certs *certs, struct timespec times[3]) {
  const char *const files[3] = {certs->cert_file, certs->key_file, certs->ca_file};
  for (size_t i = 0; i < 3; i++) {
    struct stat info;
    times[i] = files[i] && stat(files[i], &info) == 0 ? info.st_mtim : (struct timespec){0, 0};
  }
}

static bool same(const struct timespec a[3], const struct timespec b[3]) {
  for (size_t i = 0; i < 3; i++) {
    if (a[i].tv_sec != b[i].tv_sec || a[i].tv_nsec != b[i].tv_nsec) return false;
  }
  return true;
}

static grpc_ssl_server_certificate_config *load(const struct mw_core_certs *certs) {
  struct pem pem = {0};
  grpc_ssl_server_certificate_config *config = NULL;
  if (read_all(&pem, certs->cert_file, certs->key_file, certs->ca_file, NULL) == 0) {
    grpc_ssl_pem_key_cert_pair pair = {mw_buf_str(&pem.key), mw_buf_str(&pem.cert)};
    /* Core insists on roots here, even when no client certificate is asked for: then any will do. */
    const struct mw_buf *roots = certs->ca_file ? &pem.ca : &pem.cert;
    config = grpc_ssl_server_certificate_config_create(mw_buf_str(roots), &pair, 1);
  }
  pem_fini(&pem);
  return config;
}

static grpc_ssl_certificate_config_reload_status fetch(void *arg, grpc_ssl_server_certificate_config **out) {
  struct listener *listener = arg;
  struct timespec now[3];
  look(listener->certs, now);
  pthread_mutex_lock(&listener->lock);
  bool changed = !same(now, listener->seen);
  if (changed) memcpy(listener->seen, now, sizeof now);
  pthread_mutex_unlock(&listener->lock);
  if (!changed) return GRPC_SSL_CERTIFICATE_CONFIG_RELOAD_UNCHANGED;
  *out = load(listener->certs);
  return *out ? GRPC_SSL_CERTIFICATE_CONFIG_RELOAD_NEW : GRPC_SSL_CERTIFICATE_CONFIG_RELOAD_FAIL;
}

int mw_core_certs_new(const struct mw_tls_config *tls, struct mw_core_certs **out, struct mw_err *err) {
  struct pem pem = {0};
  int rc = read_all(&pem, tls->cert_file, tls->key_file, tls->client_ca_file, err);
  pem_fini(&pem);
  if (rc != 0) return rc;
  struct mw_core_certs *certs = calloc(1, sizeof *certs);
  if (!certs) return mw_err_set(err, MW_ENOMEM, "out of memory");
  certs->cert_file = strdup(tls->cert_file);
  certs->key_file = strdup(tls->key_file);
  certs->ca_file = tls->client_ca_file ? strdup(tls->client_ca_file) : NULL;
  if (asprintf(&certs->name, "%s and %s", tls->cert_file, tls->key_file) < 0) certs->name = NULL;
  if (!certs->cert_file || !certs->key_file || !certs->name || (tls->client_ca_file && !certs->ca_file)) {
    mw_core_certs_free(certs);
    return mw_err_set(err, MW_ENOMEM, "out of memory");
  }
  *out = certs;
  return 0;
}

void mw_core_certs_free(struct mw_core_certs *certs) {
  if (!certs) return;
  free(certs->cert_file);
  free(certs->key_file);
  free(certs->ca_file);
  free(certs->name);
  while (certs->listeners) {
    struct listener *listener = certs->listeners;
    certs->listeners = listener->next;
    pthread_mutex_destroy(&listener->lock);
    free(listener);
  }
  free(certs);
}

const char *mw_core_certs_name(const struct mw_core_certs *certs) { return certs->name; }

grpc_server_credentials *mw_core_certs_credentials(struct mw_core_certs *certs) {
  struct listener *listener = calloc(1, sizeof *listener);
  if (!listener) return NULL;
  pthread_mutex_init(&listener->lock, NULL);
  listener->certs = certs;
  listener->next = certs->listeners;
  certs->listeners = listener;
  grpc_ssl_client_certificate_request_type request =
      certs->ca_file ? GRPC_SSL_REQUEST_AND_REQUIRE_CLIENT_CERTIFICATE_AND_VERIFY
                     : GRPC_SSL_DONT_REQUEST_CLIENT_CERTIFICATE;
  return grpc_ssl_server_credentials_create_with_options(
      grpc_ssl_server_credentials_create_options_using_config_fetcher(request, fetch, listener));
}

/* ---- a channel's ---- */

int mw_core_channel_credentials(const struct mw_channel_config *config, grpc_channel_credentials **out,
                                struct mw_err *err) {
  if (!config->tls) {
    *out = grpc_insecure_credentials_create();
    return 0;
  }
  if (!config->cert_file != !config->key_file) {
    return mw_err_set(err, MW_EINVAL, "TLS: a certificate needs its key and a key its certificate, %s is missing",
                      config->cert_file ? "the key" : "the certificate");
  }
  struct pem pem = {0};
  int rc = read_all(&pem, config->cert_file, config->key_file, config->ca_file, err);
  if (rc == 0) {
    grpc_ssl_pem_key_cert_pair pair = {mw_buf_str(&pem.key), mw_buf_str(&pem.cert)};
    *out = grpc_ssl_credentials_create(text_or_null(&pem.ca), config->cert_file ? &pair : NULL, NULL, NULL);
  }
  pem_fini(&pem);
  return rc;
}
