#include "bench/load/histogram.h"

/* Values below 2 * STEPS have a bucket each; each doubling above them has STEPS. */
static unsigned bucket_of(uint64_t ns) {
  if (ns < 2 * HISTOGRAM_STEPS) return (unsigned)ns;
  unsigned shift = 57 - (unsigned)__builtin_clzll(ns);
  return shift * HISTOGRAM_STEPS + (unsigned)(ns >> shift);
}

/* Returns the greatest value of a bucket. */
static uint64_t last_of(unsigned bucket) {
  if (bucket < 2 * HISTOGRAM_STEPS) return bucket;
  unsigned shift = bucket / HISTOGRAM_STEPS - 1;
  return ((uint64_t)(bucket - shift * HISTOGRAM_STEPS + 1) << shift) - 1;
}

void histogram_add(struct histogram *histogram, int64_t ns) {
  if (ns < 0) ns = 0;
  histogram->counts[bucket_of((uint64_t)ns)]++;
  histogram->total++;
  if (ns > histogram->max) histogram->max = ns;
}

double histogram_us(const struct histogram *histogram, double share) {
  uint64_t wanted = (uint64_t)((double)histogram->total * share + 0.5), seen = 0;
  if (histogram->total == 0) return 0;
  for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++) {
    seen += histogram->counts[i];
    if (seen > 0 && seen >= wanted) {
      int64_t ns = (int64_t)last_of(i);
      return (double)(ns < histogram->max ? ns : histogram->max) / 1e3;
    }
  }
  return (double)histogram->max / 1e3;
}
