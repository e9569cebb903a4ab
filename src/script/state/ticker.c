#include "script/state/ticker.h"

#include <pthread.h>
#include <signal.h>
#include <unistd.h>

#include "base/clock.h"

/* A signal that no library here uses for its timers. */
#define SIGNAL (SIGRTMIN + 3)

#if defined(__SANITIZE_THREAD__)
static const bool held_back = true;
#else
static const bool held_back = false;
#endif

static pthread_once_t once = PTHREAD_ONCE_INIT;

/* Ignores a signal from another sender, which has no ticker. */
static void on_signal(int number, siginfo_t *info, void *context) {
  if (info->si_code != SI_TIMER) return;
  const struct mw_ticker *ticker = info->si_value.sival_ptr;
  ticker->tick(ticker->arg);
}

static void install(void) {
  struct sigaction action = {.sa_sigaction = on_signal, .sa_flags = SA_SIGINFO | SA_RESTART};
  sigemptyset(&action.sa_mask);
  sigaction(SIGNAL, &action, NULL);
}

/* Unblocks the signal here, so that a pending one is handled before the call that deletes its timer returns. */
static void unblock(void) {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGNAL);
  pthread_sigmask(SIG_UNBLOCK, &set, NULL);
}

static bool make_timer(struct mw_ticker *ticker) {
  struct sigevent event = {.sigev_notify = SIGEV_THREAD_ID, .sigev_signo = SIGNAL, .sigev_value.sival_ptr = ticker};
  event._sigev_un._tid = gettid();
  pthread_once(&once, install);
  unblock();
  return !held_back && timer_create(CLOCK_THREAD_CPUTIME_ID, &event, &ticker->timer) == 0;
}

bool mw_ticker_start(struct mw_ticker *ticker, int64_t interval, void (*tick)(void *arg), void *arg) {
  if (!ticker->runs) {
    *ticker = (struct mw_ticker){.tick = tick, .arg = arg};
    ticker->runs = make_timer(ticker);
  }
  if (!ticker->runs) return false;
  struct timespec time = {interval / MW_NS_PER_S, interval % MW_NS_PER_S};
  struct itimerspec period = {time, time};
  if (timer_settime(ticker->timer, 0, &period, NULL) == 0) return true;
  mw_ticker_stop(ticker);
  return false;
}

void mw_ticker_stop(struct mw_ticker *ticker) {
  if (ticker->runs) timer_delete(ticker->timer);
  ticker->runs = false;
}
