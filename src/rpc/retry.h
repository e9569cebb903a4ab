/* The arithmetic of gRFC A6 (retries, hedging, throttling). Pure, except for the table of throttles. */
#ifndef MW_RPC_RETRY_H
#define MW_RPC_RETRY_H

#include <stdbool.h>
#include <stdint.h>

#include "base/slice.h"
#include "rpc/status.h"

enum {
  MW_ATTEMPTS_MAX = 5, /* greater values of maxAttempts are reduced to this */
  MW_REPEATS_MAX = 20  /* transparent retries of one RPC's attempts that never left this process */
};

struct mw_retry_policy {
  unsigned max_attempts;                /* 2 to MW_ATTEMPTS_MAX, including the first */
  int64_t initial_backoff, max_backoff; /* nanoseconds, above 0 */
  double multiplier;                    /* above 0 */
  uint32_t codes;                       /* a bit for each retryable status code */
};

struct mw_hedging_policy {
  unsigned max_attempts;
  int64_t delay;  /* nanoseconds; 0 starts all attempts at once */
  uint32_t codes; /* a bit for each non-fatal status code */
};

static inline bool mw_code_set_has(uint32_t codes, enum mw_code code) { return (codes >> (unsigned)code & 1) != 0; }

/* Returns the nanoseconds before the `n`-th retry (from 1) since the start or the last pushback: min(initial *
 * multiplier^(n-1), max), times 0.8 to 1.2 for `random` from 0 to 1. */
int64_t mw_retry_backoff(const struct mw_retry_policy *policy, unsigned n, double random);

/* Returns a random number from 0 to 1. Any thread. */
double mw_retry_random(void);

/* Parses the value of `grpc-retry-pushback-ms`: milliseconds, or -1 for "do not retry": a negative value, or one
 * that is no 32-bit integer in its shortest form. */
int64_t mw_retry_pushback(struct mw_slice value);

/* ---- throttling, per target ---- */

/* In thousandths of a token. */
struct mw_throttle_config {
  int max, ratio;
};

struct mw_throttle;

/* Returns a reference to the throttle of `target` in this process, or NULL without memory. Creates it if there is
 * none, or if it has other numbers; later channels then use the new one. Any thread. */
struct mw_throttle *mw_throttle_ref(const char *target, struct mw_throttle_config throttling);
void mw_throttle_unref(struct mw_throttle *throttle);

/* Counts an attempt that failed with a retryable code, or an RPC that succeeded. Any thread; NULL for no throttling. */
void mw_throttle_failed(struct mw_throttle *throttle);
void mw_throttle_succeeded(struct mw_throttle *throttle);

/* True while more than half of the tokens are left, so that another attempt may start. NULL: always. */
bool mw_throttle_allows(const struct mw_throttle *throttle);

#endif
