#include "engine/core/credentials.h"

#include <pthread.h>
#include <stdlib.h>

static const char *text_or_null(const struct mw_buf *buf) { return buf->len > 0 ? mw_buf_str(buf) : NULL; }

/* ---- of a server ---- */

struct mw_core_certs {
  struct mw_pem_files files;
  struct listener *listeners;
};

/* Core keeps a copy of the certificates for each listener, so each has a `watch` of its own. */
struct listener {
  struct mw_core_certs *certs;
  struct listener *next;
  pthread_mutex_t lock; /* guards `watch`: handshakes run on core's threads */
  struct mw_pem_watch watch;
};

static grpc_ssl_server_certificate_config *load(const struct mw_core_certs *certs, struct mw_err *err) {
  struct mw_pem pem = {0};
  grpc_ssl_server_certificate_config *config = NULL;
  const struct mw_pem_files *files = &certs->files;
  if (mw_pem_read(&pem, files->cert, files->key, files->ca, err) == 0 && mw_pem_check(&pem, files, err) == 0) {
    grpc_ssl_pem_key_cert_pair pair = {mw_buf_str(&pem.key), mw_buf_str(&pem.cert)};
    /* Core requires root certificates even if it requests no client certificate: any will do then. */
    const struct mw_buf *roots = files->ca ? &pem.ca : &pem.cert;
    config = grpc_ssl_server_certificate_config_create(mw_buf_str(roots), &pair, 1);
  }
  mw_pem_fini(&pem);
  return config;
}

static grpc_ssl_certificate_config_reload_status fetch(void *arg, grpc_ssl_server_certificate_config **out) {
  struct listener *listener = arg;
  struct mw_err err = MW_ERR_INIT;
  pthread_mutex_lock(&listener->lock);
  bool due = mw_pem_changed(&listener->certs->files, &listener->watch);
  if (due) *out = load(listener->certs, &err);
  if (due && !*out) mw_pem_reject(&listener->watch, &err);
  pthread_mutex_unlock(&listener->lock);
  mw_err_fini(&err);
  if (!due) return GRPC_SSL_CERTIFICATE_CONFIG_RELOAD_UNCHANGED;
  return *out ? GRPC_SSL_CERTIFICATE_CONFIG_RELOAD_NEW : GRPC_SSL_CERTIFICATE_CONFIG_RELOAD_FAIL;
}

int mw_core_certs_new(const struct mw_tls_config *tls, struct mw_core_certs **out, struct mw_err *err) {
  struct mw_core_certs *certs = calloc(1, sizeof *certs);
  if (!certs) return mw_err_set(err, MW_ENOMEM, "out of memory");
  struct mw_pem pem = {0};
  int rc = mw_pem_files_init(&certs->files, tls->cert_file, tls->key_file, tls->client_ca_file, err);
  if (rc == 0) rc = mw_pem_read(&pem, tls->cert_file, tls->key_file, tls->client_ca_file, err);
  if (rc == 0) rc = mw_pem_check(&pem, &certs->files, err);
  mw_pem_fini(&pem);
  if (rc != 0) {
    mw_core_certs_free(certs);
    return rc;
  }
  *out = certs;
  return 0;
}

void mw_core_certs_free(struct mw_core_certs *certs) {
  if (!certs) return;
  mw_pem_files_fini(&certs->files);
  while (certs->listeners) {
    struct listener *listener = certs->listeners;
    certs->listeners = listener->next;
    pthread_mutex_destroy(&listener->lock);
    free(listener);
  }
  free(certs);
}

grpc_server_credentials *mw_core_certs_credentials(struct mw_core_certs *certs) {
  struct listener *listener = calloc(1, sizeof *listener);
  if (!listener) return NULL;
  pthread_mutex_init(&listener->lock, NULL);
  listener->certs = certs;
  listener->next = certs->listeners;
  certs->listeners = listener;
  grpc_ssl_client_certificate_request_type request = certs->files.ca
                                                         ? GRPC_SSL_REQUEST_AND_REQUIRE_CLIENT_CERTIFICATE_AND_VERIFY
                                                         : GRPC_SSL_DONT_REQUEST_CLIENT_CERTIFICATE;
  return grpc_ssl_server_credentials_create_with_options(
      grpc_ssl_server_credentials_create_options_using_config_fetcher(request, fetch, listener));
}

/* ---- of a channel ---- */

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
  struct mw_pem pem = {0};
  int rc = mw_pem_read(&pem, config->cert_file, config->key_file, config->ca_file, err);
  if (rc == 0) {
    grpc_ssl_pem_key_cert_pair pair = {mw_buf_str(&pem.key), mw_buf_str(&pem.cert)};
    *out = grpc_ssl_credentials_create(text_or_null(&pem.ca), config->cert_file ? &pair : NULL, NULL, NULL);
  }
  mw_pem_fini(&pem);
  return rc;
}
