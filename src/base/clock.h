/* The monotonic clock and the wall clock. Nanoseconds in signed 64 bits last until the year 2262. Any thread.
 *
 * Specs (moonwire test) can stop both for the whole process and advance them; mw_clock_mono() and mw_clock_wall()
 * then return the stopped times. Budgets, waits of threads and the network use mw_clock_real(), which never stops. */
#ifndef MW_BASE_CLOCK_H
#define MW_BASE_CLOCK_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <time.h>

enum { MW_NS_PER_MS = 1000000, MW_NS_PER_S = 1000000000 };

/* A time that never comes. */
#define MW_NEVER INT64_MAX

/* Durations and times above MW_NEVER become MW_NEVER; negative durations become 0. */

/* Returns `count` times `unit` nanoseconds. */
static inline int64_t mw_duration(int64_t count, int64_t unit) {
  int64_t span;
  if (count <= 0) return 0;
  return __builtin_mul_overflow(count, unit, &span) ? MW_NEVER : span;
}

/* Accepts infinite numbers too; NaN gives 0. */
static inline int64_t mw_duration_from_ns(double ns) {
  if (!(ns > 0)) return 0;
  return ns < 0x1p63 ? (int64_t)ns : MW_NEVER;
}

static inline int64_t mw_duration_from_seconds(double seconds) { return mw_duration_from_ns(seconds * MW_NS_PER_S); }

/* Returns the time `span` nanoseconds after `from`; `span` is not negative. */
static inline int64_t mw_time_add(int64_t from, int64_t span) {
  int64_t due;
  return __builtin_add_overflow(from, span, &due) ? MW_NEVER : due;
}

/* The stopped clocks; only clock.c writes them. */
struct mw_stopped_clock {
  _Atomic bool on;
  _Atomic int64_t mono, wall;
};
extern struct mw_stopped_clock mw_stopped_clock;

static inline int64_t mw_clock_read(clockid_t id) {
  struct timespec now;
  clock_gettime(id, &now);
  return (int64_t)now.tv_sec * MW_NS_PER_S + now.tv_nsec;
}

/* True while the clocks are stopped. */
static inline bool mw_clock_is_stopped(void) {
  return __builtin_expect(atomic_load_explicit(&mw_stopped_clock.on, memory_order_relaxed), 0);
}

/* Monotonic time in nanoseconds; never stopped. */
static inline int64_t mw_clock_real(void) { return mw_clock_read(CLOCK_MONOTONIC); }

/* Monotonic time in nanoseconds: for deadlines and durations. */
static inline int64_t mw_clock_mono(void) {
  if (mw_clock_is_stopped()) return atomic_load_explicit(&mw_stopped_clock.mono, memory_order_relaxed);
  return mw_clock_real();
}

/* Nanoseconds since 1970 UTC, for people. */
static inline int64_t mw_clock_wall(void) {
  if (mw_clock_is_stopped()) return atomic_load_explicit(&mw_stopped_clock.wall, memory_order_relaxed);
  return mw_clock_read(CLOCK_REALTIME);
}

/* Stops both running clocks at the current time; the wall clock at `wall` unless that is MW_NEVER. */
void mw_clock_stop(int64_t wall);

/* Advances both stopped clocks until the monotonic clock reads `mono`, which is not in its past. */
void mw_clock_move(int64_t mono);

/* Restarts both clocks at the machine's time. */
void mw_clock_go(void);

#endif
