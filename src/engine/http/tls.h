/* TLS on a connection: a filter of bytes, by OpenSSL, with no socket of its own.
 *
 * The context of an engine has the server's certificate and key. Their files are looked at again when a connection
 * comes, and read when they have changed: a renewed certificate is used without a restart. Files that cannot be used are
 * logged, and the old certificate stays. Clients must offer HTTP/2 (ALPN "h2"), at least TLS 1.2 and a suite of ECDHE with
 * AEAD. One that offers other protocols gets the alert no_application_protocol; for one that offers none the session ends,
 * cleanly, after the handshake. */
#ifndef MW_ENGINE_HTTP_TLS_H
#define MW_ENGINE_HTTP_TLS_H

#include <sys/types.h>

#include "engine/http/batch.h"
#include "rpc/engine.h"

struct mw_http_tls_context;
struct mw_http_tls;

/* Reads the files. Returns 0; MW_EINVAL (one cannot be read, is damaged, or they do not belong together) or
 * MW_ENOMEM. */
int mw_http_tls_context_new(struct mw_http_tls_context **out, const struct mw_tls_config *config, struct mw_err *err);

/* NULL is allowed. Connections may go on. */
void mw_http_tls_context_free(struct mw_http_tls_context *context);

/* The filter of one connection. NULL without memory. */
struct mw_http_tls *mw_http_tls_new(struct mw_http_tls_context *context);
void mw_http_tls_free(struct mw_http_tls *tls);

/* Takes bytes off the wire; copies them. Returns whether there was memory. */
bool mw_http_tls_feed(struct mw_http_tls *tls, struct mw_slice bytes);

/* What they mean: fills `out`. Returns how many bytes, 0 when more must be fed first, -1 at the end of the session,
 * clean or not: what is pending may still be sent. */
ssize_t mw_http_tls_read(struct mw_http_tls *tls, uint8_t *out, size_t size);

/* What was wrong, mostly in OpenSSL's words, when that returned -1; static. NULL for a clean end. */
const char *mw_http_tls_problem(const struct mw_http_tls *tls);

/* Whether the session stands and its protocol is HTTP/2, so that there can be something to write. */
bool mw_http_tls_is_open(const struct mw_http_tls *tls);

/* Encrypts the batch, which is then pending for the wire. Returns false when it cannot. */
bool mw_http_tls_write(struct mw_http_tls *tls, const struct mw_http_batch *batch);

/* Bytes for the wire; borrowed until the next call on `tls`. */
struct mw_slice mw_http_tls_pending(struct mw_http_tls *tls);

/* Ends this side of the session: its last words are pending then. Returns false when there is no session to end. */
bool mw_http_tls_shut(struct mw_http_tls *tls);

/* They have been taken, all of them. */
void mw_http_tls_sent(struct mw_http_tls *tls);

#endif
