/* The arithmetic of gRFC A6 (retries, hedging, throttling). Pure, except for the table of throttles. */
#ifndef MW_RPC_RETRY_H
#define MW_RPC_RETRY_H

#include <stdbool.h>
#include <stdint.h>

#include "base/slice.h"
#include "rpc/status.h"

enum {
  MW_ATTEMPTS_MAX = 5, /* greater values of maxAttempts count as this one */
  MW_REPEATS_MAX = 20  /* repetitions of one RPC's attempts that never left this side */
};

struct mw_retry_policy {
  unsigned max_attempts;        /* 2 to MW_ATTEMPTS_MAX, the first one included */
  int64_t initial_backoff, max_backoff; /* nanoseconds, above 0 */
  double multiplier;            /* above 0 */
  uint32_t codes;               /* a bit for each retryable status code */
};

struct mw_hedging_policy {
  unsigned max_attempts;
  int64_t delay;                /* nanoseconds, 0 for all attempts at once */
  uint32_t codes;               /* a bit for each non-fatal status code */
};

static inline bool mw_codes_have(uint32_t codes, enum mw_code code) { return (codes >> (unsigned)code & 1) != 0; }

/* Nanoseconds before the `n`-th retry since the start or the last pushback, from 1: min(initial * multiplier^(n-1), max),
 * times 0.8 to 1.2 as `random` goes from 0 to 1. */
int64_t mw_retry_backoff(const struct mw_retry_policy *policy, unsigned n, double random);

/* A number from 0 to 1. Any thread. */
double mw_retry_random(void);

/* The value of `grpc-retry-pushback-ms`: milliseconds; -1 for "do not retry": a negative value, or one that is no 32-bit
 * integer in its shortest form. */
int64_t mw_retry_pushback(struct mw_slice value);

/* ---- throttling, per target ---- */

/* In thousandths of a token. */
struct mw_throttling {
  int max, ratio;
};

struct mw_throttle;

/* The throttle of `target` in this process, made when new; one with other numbers replaces it for later channels. Any
 * thread. Returns a reference, or NULL without memory. */
struct mw_throttle *mw_throttle_ref(const char *target, struct mw_throttling throttling);
void mw_throttle_unref(struct mw_throttle *throttle);

/* Counts an attempt that failed with a retryable code, or an RPC that succeeded. Any thread; NULL for no throttling. */
void mw_throttle_failed(struct mw_throttle *throttle);
void mw_throttle_succeeded(struct mw_throttle *throttle);

/* True while more than half of the tokens are left: a further attempt may be sent. NULL: always. */
bool mw_throttle_allows(const struct mw_throttle *throttle);

#endif
