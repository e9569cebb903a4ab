/* Waits of tests: for a condition, never for time to pass. */
#ifndef MW_TEST_UNTIL_H
#define MW_TEST_UNTIL_H

#include "base/clock.h"

enum { WAIT_MS = 10000 };

/* Runs the statement `turn` until `condition` holds; fails the test when it does not within WAIT_MS. */
#define TURN_UNTIL(turn, condition)                                                                  \
  do {                                                                                               \
    int64_t until = mw_clock_mono() + WAIT_MS * (int64_t)MW_NS_PER_MS;                               \
    while (!(condition)) {                                                                           \
      if (mw_clock_mono() > until) fail_msg("%s:%d: waited for %s", __FILE__, __LINE__, #condition); \
      turn;                                                                                          \
    }                                                                                                \
  } while (0)

#endif
