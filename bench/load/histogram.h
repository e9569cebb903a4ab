/* A histogram of durations. A bucket is at most 1/64 of its value wide, as in HdrHistogram. */
#ifndef BENCH_LOAD_HISTOGRAM_H
#define BENCH_LOAD_HISTOGRAM_H

#include <stdint.h>

enum { HISTOGRAM_STEPS = 64, HISTOGRAM_BUCKETS = HISTOGRAM_STEPS * 58 };

struct histogram {
  uint64_t counts[HISTOGRAM_BUCKETS];
  uint64_t total;
  int64_t max; /* nanoseconds */
};

/* Negative nanoseconds count as 0. */
void histogram_add(struct histogram *histogram, int64_t ns);

/* Returns the quantile `share` (0 to 1) in microseconds; 0 for an empty histogram. */
double histogram_us(const struct histogram *histogram, double share);

#endif
