/* Service configs (grpc/doc/service_config.md): the parts that rpc/client_rpc.h implements: retries, hedging and
 * throttling (gRFC A6), and the timeout that spans all attempts. An engine implements the rest. */
#ifndef MW_RPC_SERVICE_CONFIG_H
#define MW_RPC_SERVICE_CONFIG_H

#include <stdint.h>

#include "base/err.h"
#include "base/map.h"
#include "base/slice.h"
#include "rpc/retry.h"

enum mw_attempt_policy { MW_ATTEMPTS_ONE, MW_ATTEMPTS_RETRY, MW_ATTEMPTS_HEDGE };

struct mw_method_config {
  enum mw_attempt_policy policy;
  struct mw_retry_policy retry;     /* of MW_ATTEMPTS_RETRY */
  struct mw_hedging_policy hedging; /* of MW_ATTEMPTS_HEDGE */
  int64_t timeout;                  /* nanoseconds; MW_NEVER for none */
};

struct mw_service_config {
  char *rest; /* the JSON for an engine; the members implemented here are renamed so that engines skip them */
  struct mw_throttle_config throttling; /* without retryThrottling: all 0 */
  struct mw_service_config_method *methods;
  size_t n_methods;
  struct mw_map by_name; /* "SERVICE/METHOD" to the index of its entry in `methods`, plus 1 */
};

/* Parses `json`. Returns 0 and a config; MW_EINVAL with "PATH: expected ..., got ...", or "LINE:COL: ..." for a text
 * that is not JSON; MW_ENOMEM. */
int mw_service_config_new(const char *json, struct mw_service_config **out, struct mw_err *err);
void mw_service_config_free(struct mw_service_config *config);

/* Returns the config of "/package.Service/Method": the entry of the method, else of its service, else the default;
 * NULL for none. It lives as long as `config`. */
const struct mw_method_config *mw_service_config_find(const struct mw_service_config *config, struct mw_slice path);

#endif
