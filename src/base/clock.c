#include "base/clock.h"

#include <assert.h>

struct mw_stopped_clock mw_stopped_clock;

void mw_clock_stop(int64_t wall) {
  assert(!mw_clock_is_stopped());
  atomic_store(&mw_stopped_clock.mono, mw_clock_real());
  atomic_store(&mw_stopped_clock.wall, wall != MW_NEVER ? wall : mw_clock_wall());
  atomic_store(&mw_stopped_clock.on, true);
}

void mw_clock_move(int64_t mono) {
  int64_t step = mono - mw_clock_mono();
  assert(mw_clock_is_stopped() && step >= 0);
  atomic_fetch_add(&mw_stopped_clock.wall, step);
  atomic_store(&mw_stopped_clock.mono, mono);
}

void mw_clock_go(void) { atomic_store(&mw_stopped_clock.on, false); }
