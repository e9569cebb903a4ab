/* A stall detector: reports a condition that has held for some time without progress. */
#ifndef MW_ENGINE_HTTP_LIMITS_STALL_H
#define MW_ENGINE_HTTP_LIMITS_STALL_H

#include <stdbool.h>
#include <stdint.h>

/* The condition has held with the same `mark` since `since`. */
struct mw_http_stall {
  uint64_t since; /* in the time of mw_http_stalled(); 0: the condition does not hold */
  uint64_t mark;
};

/* Updates the detector with the condition `holds` and its `mark` at time `now`, in milliseconds from 1. Returns true
 * once the condition has held, with `mark` unchanged, for `seconds`. */
bool mw_http_stalled(struct mw_http_stall *stall, bool holds, uint64_t mark, uint64_t now, double seconds);

#endif
