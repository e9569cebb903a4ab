/* Durations, counted in buckets that are at most 1/64 of their value wide, as HdrHistogram's are. */
#ifndef BENCH_LOAD_HISTOGRAM_H
#define BENCH_LOAD_HISTOGRAM_H

#include <stdint.h>

enum { HISTOGRAM_STEPS = 64, HISTOGRAM_BUCKETS = HISTOGRAM_STEPS * 58 };

struct histogram {
  uint64_t counts[HISTOGRAM_BUCKETS];
  uint64_t total;
  int64_t max; /* nanoseconds */
};

/* Negative nanoseconds count as none. */
void histogram_add(struct histogram *histogram, int64_t ns);

/* The time that `share` (0 to 1) of them do not exceed, in microseconds; 0 when there are none. */
double histogram_us(const struct histogram *histogram, double share);

#endif
