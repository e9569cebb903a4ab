/* TLS credentials from PEM files.
 *
 * Each handshake of a server checks the files, and reloads them if they have changed, so that a renewed certificate
 * needs no restart. If the new files cannot be used, an error is logged and the old certificate stays. */
#ifndef MW_ENGINE_CORE_CREDENTIALS_H
#define MW_ENGINE_CORE_CREDENTIALS_H

#include <grpc/grpc_security.h>
#if __has_include(<grpc/credentials.h>) /* of newer versions */
#include <grpc/credentials.h>
#endif

#include "rpc/engine.h"
#include "rpc/pem.h"

struct mw_core_certs;

/* Reads a server's files. Returns 0 and certs, MW_EINVAL (a file cannot be read, is damaged, or certificate and key do
 * not match) or MW_ENOMEM. */
int mw_core_certs_new(const struct mw_tls_config *tls, struct mw_core_certs **out, struct mw_err *err);

/* Call after the server is destroyed. */
void mw_core_certs_free(struct mw_core_certs *certs);

/* Makes the credentials of one listener. Returns owned, NULL without memory. Borrows `certs` for the life of the
 * server. */
grpc_server_credentials *mw_core_certs_credentials(struct mw_core_certs *certs);

/* Makes the credentials of a channel, plain text or TLS. Returns 0 and owned credentials, MW_EINVAL or MW_ENOMEM. */
int mw_core_channel_credentials(const struct mw_channel_config *config, grpc_channel_credentials **out,
                                struct mw_err *err);

#endif
