/* TLS: certificates and keys from PEM files.
 *
 * A server's files are looked at again at each handshake, and read when they have changed: a renewed certificate is
 * used without a restart. Files that cannot be used are logged, and the old certificate stays. */
#ifndef MW_ENGINE_CORE_CREDENTIALS_H
#define MW_ENGINE_CORE_CREDENTIALS_H

#include <grpc/grpc_security.h>
#if __has_include(<grpc/credentials.h>) /* where newer versions declare them */
#include <grpc/credentials.h>
#endif

#include "rpc/engine.h"
#include "rpc/pem.h"

struct mw_core_certs;

/* A server's. Reads the files. Returns 0 and certs, MW_EINVAL (one cannot be read, is damaged, or they do not belong
 * together) or MW_ENOMEM. */
int mw_core_certs_new(const struct mw_tls_config *tls, struct mw_core_certs **out, struct mw_err *err);

/* After the server is destroyed. */
void mw_core_certs_free(struct mw_core_certs *certs);

/* For one listener. Returns owned, NULL without memory. Borrows `certs` for as long as the server lives. */
grpc_server_credentials *mw_core_certs_credentials(struct mw_core_certs *certs);

/* A channel's, plain text or TLS. Returns 0 and credentials that are owned, MW_EINVAL or MW_ENOMEM. */
int mw_core_channel_credentials(const struct mw_channel_config *config, grpc_channel_credentials **out,
                                struct mw_err *err);

#endif
