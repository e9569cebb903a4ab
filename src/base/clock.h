/* The two clocks. Nanoseconds in signed 64 bits last until the year 2262. Any thread. */
#ifndef MW_BASE_CLOCK_H
#define MW_BASE_CLOCK_H

#include <stdint.h>
#include <time.h>

enum { MW_NS_PER_MS = 1000000, MW_NS_PER_S = 1000000000 };

/* A point in time that never comes. */
#define MW_NEVER INT64_MAX

static inline int64_t mw_clock_read(clockid_t id) {
  struct timespec now;
  clock_gettime(id, &now);
  return (int64_t)now.tv_sec * MW_NS_PER_S + now.tv_nsec;
}

/* Monotonic time in nanoseconds: for deadlines and durations. */
static inline int64_t mw_clock_mono(void) { return mw_clock_read(CLOCK_MONOTONIC); }

/* Nanoseconds since 1970 UTC: for what people see. */
static inline int64_t mw_clock_wall(void) { return mw_clock_read(CLOCK_REALTIME); }

#endif
