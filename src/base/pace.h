/* Lets long work end early: the code that does it counts bytes, and asks now and then whether its time is over. */
#ifndef MW_BASE_PACE_H
#define MW_BASE_PACE_H

#include <stdbool.h>
#include <stddef.h>

enum { MW_PACE_BYTES = 64 * 1024 }; /* between two questions */

struct mw_pace {
  bool (*is_over)(void *arg);
  void *arg;
  size_t done; /* bytes since the last question; 0 at first */
};

/* Counts `len` bytes of work. True when it must end. `pace` may be NULL: it need not. */
static inline bool mw_pace_is_over(struct mw_pace *pace, size_t len) {
  if (!pace || (pace->done += len) < MW_PACE_BYTES) return false;
  pace->done = 0;
  return pace->is_over(pace->arg);
}

#endif
