#include "engine/http/conn/tls.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <stdlib.h>

#include "rpc/pem.h"

/* Cipher suites of TLS 1.2, without those that RFC 9113, appendix A prohibits. */
#define SUITES "ECDHE+AESGCM:ECDHE+CHACHA20:!aNULL"

struct mw_http_tls_context {
  struct mw_pem_files files;
  SSL_CTX *ssl;
  struct mw_pem_watch watch;
};

struct mw_http_tls {
  SSL *ssl;
  BIO *in, *out;       /* owned by `ssl` */
  const char *problem; /* static; NULL for none */
  bool open;           /* the handshake is over and has chosen HTTP/2 */
};

/* ---- the context ---- */

/* The only protocol is HTTP/2: a client that offers others gets the alert no_application_protocol. */
static int choose_protocol(SSL *ssl, const unsigned char **out, unsigned char *out_len, const unsigned char *in,
                           unsigned in_len, void *arg) {
  static const unsigned char h2[] = "\x02h2";
  unsigned char *chosen;
  int found = SSL_select_next_proto(&chosen, out_len, h2, sizeof h2 - 1, in, in_len);
  *out = chosen;
  return found == OPENSSL_NPN_NEGOTIATED ? SSL_TLSEXT_ERR_OK : SSL_TLSEXT_ERR_ALERT_FATAL;
}

/* Keeps OpenSSL from prompting for the password of a key. */
static int no_password(char *buf, int size, int writing, void *arg) { return 0; }

static bool use_chain(SSL_CTX *ssl, BIO *pem) {
  X509 *leaf = PEM_read_bio_X509_AUX(pem, NULL, no_password, NULL);
  bool fine = leaf && SSL_CTX_use_certificate(ssl, leaf) == 1;
  X509_free(leaf);
  X509 *next;
  while (fine && (next = PEM_read_bio_X509(pem, NULL, no_password, NULL)) != NULL) {
    fine = SSL_CTX_add0_chain_cert(ssl, next) == 1;
    if (!fine) X509_free(next);
  }
  return fine;
}

static bool use_key(SSL_CTX *ssl, BIO *pem) {
  EVP_PKEY *key = PEM_read_bio_PrivateKey(pem, NULL, no_password, NULL);
  bool fine = key && SSL_CTX_use_PrivateKey(ssl, key) == 1;
  EVP_PKEY_free(key);
  return fine;
}

/* Adds the authorities that must have signed a client's certificate. */
static bool use_authorities(SSL_CTX *ssl, BIO *pem) {
  X509_STORE *store = SSL_CTX_get_cert_store(ssl);
  X509 *ca;
  unsigned n = 0;
  bool fine = true;
  while (fine && (ca = PEM_read_bio_X509(pem, NULL, no_password, NULL)) != NULL) {
    fine = X509_STORE_add_cert(store, ca) == 1 && SSL_CTX_add_client_CA(ssl, ca) == 1;
    X509_free(ca);
    n++;
  }
  SSL_CTX_set_verify(ssl, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
  return fine && n > 0;
}

static bool apply(bool (*use)(SSL_CTX *ssl, BIO *pem), SSL_CTX *ssl, const struct mw_buf *pem) {
  BIO *bio = BIO_new_mem_buf(pem->data, (int)pem->len);
  bool fine = bio && use(ssl, bio);
  BIO_free(bio);
  return fine;
}

static SSL_CTX *make(const struct mw_pem *pem) {
  SSL_CTX *ssl = SSL_CTX_new(TLS_server_method());
  if (!ssl) return NULL;
  SSL_CTX_set_min_proto_version(ssl, TLS1_2_VERSION);
  SSL_CTX_set_cipher_list(ssl, SUITES);
  SSL_CTX_set_options(ssl, SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION | SSL_OP_CIPHER_SERVER_PREFERENCE);
  SSL_CTX_set_mode(ssl, SSL_MODE_RELEASE_BUFFERS);
  SSL_CTX_set_alpn_select_cb(ssl, choose_protocol, NULL);
  static const unsigned char id[] = "moonwire"; /* sessions are resumed with client certificates too */
  SSL_CTX_set_session_id_context(ssl, id, sizeof id - 1);
  if (apply(use_chain, ssl, &pem->cert) && apply(use_key, ssl, &pem->key) && SSL_CTX_check_private_key(ssl) == 1 &&
      (pem->ca.len == 0 || apply(use_authorities, ssl, &pem->ca))) {
    return ssl;
  }
  SSL_CTX_free(ssl);
  return NULL;
}

/* Reads the files and replaces certificate and key. Returns 0; MW_EINVAL or MW_ENOMEM, which keep the old ones. */
static int load(struct mw_http_tls_context *context, struct mw_err *err) {
  struct mw_pem pem = {0};
  const struct mw_pem_files *files = &context->files;
  int rc = mw_pem_read(&pem, files->cert, files->key, files->ca, err);
  if (rc == 0) rc = mw_pem_check(&pem, files, err);
  SSL_CTX *ssl = rc == 0 ? make(&pem) : NULL;
  mw_pem_fini(&pem);
  ERR_clear_error();
  if (rc != 0) return rc;
  if (!ssl) {
    return mw_err_set(err, MW_EINVAL, "the TLS certificate and key cannot be used: %s and %s", files->cert, files->key);
  }
  SSL_CTX_free(context->ssl);
  context->ssl = ssl;
  return 0;
}

int mw_http_tls_context_new(struct mw_http_tls_context **out, const struct mw_tls_config *config, struct mw_err *err) {
  struct mw_http_tls_context *context = calloc(1, sizeof *context);
  if (!context) return mw_err_set(err, MW_ENOMEM, "out of memory");
  int rc = mw_pem_files_init(&context->files, config->cert_file, config->key_file, config->client_ca_file, err);
  if (rc == 0) {
    mw_pem_changed(&context->files, &context->watch);
    rc = load(context, err);
  }
  if (rc != 0) {
    mw_http_tls_context_free(context);
    return rc;
  }
  *out = context;
  return 0;
}

void mw_http_tls_context_free(struct mw_http_tls_context *context) {
  if (!context) return;
  SSL_CTX_free(context->ssl);
  mw_pem_files_fini(&context->files);
  free(context);
}

/* ---- a connection ---- */

static void renew(struct mw_http_tls_context *context) {
  struct mw_err err = MW_ERR_INIT;
  if (load(context, &err) != 0) mw_pem_reject(&context->watch, &err);
  mw_err_fini(&err);
}

struct mw_http_tls *mw_http_tls_new(struct mw_http_tls_context *context) {
  if (mw_pem_changed(&context->files, &context->watch)) renew(context);
  struct mw_http_tls *tls = calloc(1, sizeof *tls);
  SSL *ssl = SSL_new(context->ssl);
  BIO *in = BIO_new(BIO_s_mem()), *out = BIO_new(BIO_s_mem());
  if (!tls || !ssl || !in || !out) {
    BIO_free(in);
    BIO_free(out);
    SSL_free(ssl);
    free(tls);
    return NULL;
  }
  SSL_set_bio(ssl, in, out);
  SSL_set_accept_state(ssl);
  *tls = (struct mw_http_tls){.ssl = ssl, .in = in, .out = out};
  return tls;
}

void mw_http_tls_free(struct mw_http_tls *tls) {
  if (!tls) return;
  SSL_free(tls->ssl); /* and its BIOs */
  free(tls);
}

bool mw_http_tls_feed(struct mw_http_tls *tls, struct mw_slice bytes) {
  return BIO_write(tls->in, bytes.data, (int)bytes.len) == (int)bytes.len;
}

/* Checks ALPN once the handshake is over: OpenSSL does not call choose_protocol() for a client that offers nothing. */
static bool check_protocol(struct mw_http_tls *tls) {
  const unsigned char *protocol;
  unsigned len;
  if (tls->open || !SSL_is_init_finished(tls->ssl)) return true;
  SSL_get0_alpn_selected(tls->ssl, &protocol, &len);
  tls->open = len > 0;
  if (!tls->open) tls->problem = "the client offers no protocol by ALPN, must offer h2";
  return tls->open;
}

ssize_t mw_http_tls_read(struct mw_http_tls *tls, uint8_t *out, size_t size) {
  size_t len = 0;
  while (len < size) {
    ERR_clear_error();
    int n = SSL_read(tls->ssl, out + len, (int)(size - len));
    if (!check_protocol(tls)) return -1;
    if (n > 0) {
      len += (size_t)n;
      continue;
    }
    if (len > 0 || SSL_get_error(tls->ssl, n) == SSL_ERROR_WANT_READ) break;
    tls->problem = ERR_reason_error_string(ERR_peek_error());
    ERR_clear_error();
    return -1;
  }
  return (ssize_t)len;
}

const char *mw_http_tls_problem(const struct mw_http_tls *tls) { return tls->problem; }

bool mw_http_tls_is_open(const struct mw_http_tls *tls) { return tls->open; }

bool mw_http_tls_write(struct mw_http_tls *tls, const struct mw_http_batch *batch) {
  for (unsigned i = 0; i < batch->n; i++) {
    int len = (int)batch->bufs[i].len;
    ERR_clear_error();
    if (SSL_write(tls->ssl, batch->bufs[i].base, len) != len) return false;
  }
  return true;
}

struct mw_slice mw_http_tls_pending(struct mw_http_tls *tls) {
  char *data;
  long len = BIO_get_mem_data(tls->out, &data);
  return mw_slice(data, len > 0 ? (size_t)len : 0);
}

void mw_http_tls_sent(struct mw_http_tls *tls) { (void)BIO_reset(tls->out); }

bool mw_http_tls_shut(struct mw_http_tls *tls) {
  if (!SSL_is_init_finished(tls->ssl)) return false;
  ERR_clear_error();
  return SSL_shutdown(tls->ssl) >= 0;
}
