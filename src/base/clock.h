/* The two clocks. Nanoseconds in signed 64 bits last until the year 2262. Any thread.
 *
 * Both can be stopped for the whole process and moved by hand, for specs (moonwire test): then everything that goes by
 * mw_clock_mono() and mw_clock_wall() sees the time that it is given. What guards the machine itself (budgets, the
 * waits of threads, the network) goes by mw_clock_real(), which nothing stops. */
#ifndef MW_BASE_CLOCK_H
#define MW_BASE_CLOCK_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <time.h>

enum { MW_NS_PER_MS = 1000000, MW_NS_PER_S = 1000000000 };

/* A point in time that never comes. */
#define MW_NEVER INT64_MAX

/* Spans of time and points in it that would be beyond MW_NEVER are MW_NEVER; negative spans are 0. */

/* `count` times `unit` nanoseconds. */
static inline int64_t mw_span(int64_t count, int64_t unit) {
  int64_t span;
  if (count <= 0) return 0;
  return __builtin_mul_overflow(count, unit, &span) ? MW_NEVER : span;
}

/* Also of infinite numbers; NaN is 0. */
static inline int64_t mw_span_of_ns(double ns) {
  if (!(ns > 0)) return 0;
  return ns < 0x1p63 ? (int64_t)ns : MW_NEVER;
}

static inline int64_t mw_span_of_seconds(double seconds) { return mw_span_of_ns(seconds * MW_NS_PER_S); }

/* The point in time that comes `span`, which is not negative, after `from`. */
static inline int64_t mw_clock_after(int64_t from, int64_t span) {
  int64_t due;
  return __builtin_add_overflow(from, span, &due) ? MW_NEVER : due;
}

/* The clocks while they are stopped; clock.c changes them. */
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

/* Whether the clocks are stopped. */
static inline bool mw_clock_is_stopped(void) {
  return __builtin_expect(atomic_load_explicit(&mw_stopped_clock.on, memory_order_relaxed), 0);
}

/* Monotonic time in nanoseconds, of the machine in any case. */
static inline int64_t mw_clock_real(void) { return mw_clock_read(CLOCK_MONOTONIC); }

/* Monotonic time in nanoseconds: for deadlines and durations. */
static inline int64_t mw_clock_mono(void) {
  if (mw_clock_is_stopped()) return atomic_load_explicit(&mw_stopped_clock.mono, memory_order_relaxed);
  return mw_clock_real();
}

/* Nanoseconds since 1970 UTC: for what people see. */
static inline int64_t mw_clock_wall(void) {
  if (mw_clock_is_stopped()) return atomic_load_explicit(&mw_stopped_clock.wall, memory_order_relaxed);
  return mw_clock_read(CLOCK_REALTIME);
}

/* Stops both clocks where they are, or with `wall` as the wall clock's time when it is not MW_NEVER. They are going. */
void mw_clock_stop(int64_t wall);

/* Moves both stopped clocks on until the monotonic one shows `mono`, which is not before now. */
void mw_clock_move(int64_t mono);

/* Lets both go again, with the machine's time. */
void mw_clock_go(void);

#endif
