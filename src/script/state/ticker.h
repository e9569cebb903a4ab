/* Interrupts the Lua code of a state at intervals, at no cost in between.
 *
 * With a count hook that is always set, Lua checks the hook before each instruction. So there is none, and a timer sets
 * it while code runs. The timer counts the processor time of the state's thread and sends that thread a signal. The
 * signal's handler makes the hook of the running coroutine fire at its next instruction. lua_sethook() may be called
 * from a signal of the same thread; lua.c does so for Ctrl-C. An idle thread gets no signals. */
#ifndef MW_SCRIPT_STATE_TICKER_H
#define MW_SCRIPT_STATE_TICKER_H

#include <stdbool.h>
#include <stdint.h>
#include <time.h>

struct mw_ticker {
  void (*tick)(void *arg);
  void *arg;
  timer_t timer;
  bool runs;
};

/* Calls `tick(arg)` in a signal handler on the calling thread each time that the thread has been busy for `interval`
 * nanoseconds (at the granularity of the kernel's own tick), until mw_ticker_stop(). `ticker`, which is zeroed at
 * first, must not move. A running ticker gets the new interval, and keeps `tick` and `arg`. Returns false if there are
 * too many timers, or if the program was built for ThreadSanitizer, which defers signals. */
bool mw_ticker_start(struct mw_ticker *ticker, int64_t interval, void (*tick)(void *arg), void *arg);

/* Call it on the same thread. No tick runs after this. */
void mw_ticker_stop(struct mw_ticker *ticker);

#endif
