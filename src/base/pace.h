/* Lets long work end early: the code that does it counts bytes and, every MW_PACE_BYTES, calls is_over(). */
#ifndef MW_BASE_PACE_H
#define MW_BASE_PACE_H

#include <stdbool.h>
#include <stddef.h>

enum { MW_PACE_BYTES = 64 * 1024 }; /* between two calls of is_over() */

struct mw_pace {
  bool (*is_over)(void *arg);
  void *arg;
  size_t done; /* bytes since the last call of is_over(); 0 at first */
};

/* Counts `len` bytes of work. Returns true if the work must end; never if `pace` is NULL. */
static inline bool mw_pace_is_over(struct mw_pace *pace, size_t len) {
  if (!pace || (pace->done += len) < MW_PACE_BYTES) return false;
  pace->done = 0;
  return pace->is_over(pace->arg);
}

#endif
