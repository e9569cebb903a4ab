/* TLS on a connection: a filter of bytes, by OpenSSL, without a socket of its own.
 *
 * An engine's context holds the server's certificate and key. A new connection checks their files, and reloads them if
 * they have changed, so that a renewed certificate needs no restart. If the new files cannot be used, an error is
 * logged and the old certificate stays. Clients must offer HTTP/2 (ALPN "h2"), TLS 1.2 or later, and a cipher suite of
 * ECDHE with AEAD. A client that offers only other protocols gets the alert no_application_protocol; one that offers
 * none gets a clean end after the handshake. */
#ifndef MW_ENGINE_HTTP_CONN_TLS_H
#define MW_ENGINE_HTTP_CONN_TLS_H

#include <sys/types.h>

#include "engine/http/h2/batch.h"
#include "rpc/engine.h"

struct mw_http_tls_context;
struct mw_http_tls;

/* Reads the files. Returns 0, MW_EINVAL (a file cannot be read, is damaged, or certificate and key do not match) or
 * MW_ENOMEM. */
int mw_http_tls_context_new(struct mw_http_tls_context **out, const struct mw_tls_config *config, struct mw_err *err);

/* NULL is allowed. Existing connections may still use their filters. */
void mw_http_tls_context_free(struct mw_http_tls_context *context);

/* Makes the filter of one connection. NULL without memory. */
struct mw_http_tls *mw_http_tls_new(struct mw_http_tls_context *context);
void mw_http_tls_free(struct mw_http_tls *tls);

/* Copies ciphertext from the socket into the filter. Returns false without memory. */
bool mw_http_tls_feed(struct mw_http_tls *tls, struct mw_slice bytes);

/* Decrypts into `out`. Returns the number of bytes, 0 if more must be fed first, or -1 at the end of the session, clean
 * or not; pending bytes may still be sent then. */
ssize_t mw_http_tls_read(struct mw_http_tls *tls, uint8_t *out, size_t size);

/* Returns the reason why mw_http_tls_read() returned -1, mostly in OpenSSL's words; static. NULL for a clean end. */
const char *mw_http_tls_problem(const struct mw_http_tls *tls);

/* Returns true once the handshake is over and has chosen HTTP/2. */
bool mw_http_tls_is_open(const struct mw_http_tls *tls);

/* Encrypts the batch; the ciphertext is pending then. Returns false on an error. */
bool mw_http_tls_write(struct mw_http_tls *tls, const struct mw_http_batch *batch);

/* Returns the ciphertext for the socket; borrowed until the next call on `tls`. */
struct mw_slice mw_http_tls_pending(struct mw_http_tls *tls);

/* Makes a close_notify alert pending. Returns false before the end of the handshake. */
bool mw_http_tls_shut(struct mw_http_tls *tls);

/* All pending bytes are written. */
void mw_http_tls_sent(struct mw_http_tls *tls);

#endif
