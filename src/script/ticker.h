/* Interrupts the Lua code of a state now and then, at no price in between.
 *
 * A count hook that is always set makes Lua look at it before each instruction. So there is none, and a timer sets it
 * while code runs: the timer counts the processor time of the state's thread and sends that thread a signal, whose
 * handler makes the hook of the coroutine that runs fire at its next instruction. lua_sethook() may be called from a
 * signal of the same thread; lua.c does so for Ctrl-C. An idle thread gets no signals. */
#ifndef MW_SCRIPT_TICKER_H
#define MW_SCRIPT_TICKER_H

#include <stdbool.h>
#include <stdint.h>
#include <time.h>

struct mw_ticker {
  void (*tick)(void *arg);
  void *arg;
  timer_t timer;
  bool runs;
};

/* Calls `tick(arg)` on the calling thread, in a signal handler, each time that it has been busy for `interval`
 * nanoseconds (at the granularity of the kernel's own tick), until mw_ticker_stop(); `ticker`, all zeros at first, stays
 * where it is. One that runs gets the new interval, and keeps the rest. Returns false when it cannot: there are too many
 * timers, or the program was built for ThreadSanitizer, which holds back signals. */
bool mw_ticker_start(struct mw_ticker *ticker, int64_t interval, void (*tick)(void *arg), void *arg);

/* On the same thread. No tick runs after this. */
void mw_ticker_stop(struct mw_ticker *ticker);

#endif
