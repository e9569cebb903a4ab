/* The signal thread only posts, and ends the process. Shortly before the end, another thread does work that takes time,
 * such as the removal of temporary folders. */
#include "cli/serve/signals.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/clock.h"
#include "cli/base/cli.h"
#include "observe/log_output.h"
#include "schema/load/subprocess.h"
#include "server/files/temporary.h"

enum { GIVE_UP_MS = 200 }; /* time before the end at which the cleanup starts without late workers */

static const int64_t last = MW_SIGNALS_LAST_MS * (int64_t)MW_NS_PER_MS, give_up = GIVE_UP_MS * (int64_t)MW_NS_PER_MS;

/* A post to the server's control loop. */
struct order {
  struct mw_post post;
  struct mw_signals *signals;
  void (*run)(struct mw_signals *signals);
  bool waits; /* posted, and has not run */
};

struct mw_signals {
  pthread_t thread;
  pthread_mutex_t lock;     /* guards the members below */
  struct mw_server *server; /* NULL without a server */
  unsigned stops;
  int64_t ends; /* mw_clock_real() time by which the process ends; MW_NEVER for none */
  bool given_up, closing;
  struct order drain, cancel, reload;
};

/* ---- on the control loop ---- */

static void drain(struct mw_signals *signals) {
  mw_log(MW_LOG_INFO, NULL, "draining: running calls get the grace period");
  mw_server_drain(signals->server);
}

static void cancel(struct mw_signals *signals) { mw_server_cancel(signals->server); }

static void reload(struct mw_signals *signals) {
  mw_reload_start(mw_server_reload(signals->server), false, NULL, NULL);
}

static void on_order(struct mw_post *post) {
  struct order *order = MW_CONTAINER(post, struct order, post);
  pthread_mutex_lock(&order->signals->lock);
  order->waits = false;
  pthread_mutex_unlock(&order->signals->lock);
  order->run(order->signals);
}

/* Called under the lock. */
static void give(struct order *order) {
  if (!order->signals->server || order->waits) return;
  order->waits = true;
  mw_loop_post(mw_server_loop(order->signals->server), &order->post);
}

/* Called under the lock. */
static void take_back(struct order *order) {
  if (order->waits) mw_loop_unpost(mw_server_loop(order->signals->server), &order->post);
  order->waits = false;
}

/* ---- ending ---- */

/* Does not call _exit(), which a sanitizer replaces by one that first reports to stderr. */
static void end_now(void) {
  mw_subprocess_stop_all();
  syscall(SYS_exit_group, MW_EXIT_FAILED);
}

static void *give_up_main(void *unused) {
  mw_log(MW_LOG_ERROR, NULL, "a call has not ended in time: the server stops without it");
  mw_log_flush(give_up / 2);
  mw_temporary_remove_all();
  end_now();
  return NULL;
}

/* Called under the lock. */
static void start_to_give_up(struct mw_signals *signals) {
  pthread_t thread;
  signals->given_up = true;
  if (pthread_create(&thread, NULL, give_up_main, NULL) == 0) pthread_detach(thread);
}

/* Returns the time of the thread's next check. */
static int64_t next_look(const struct mw_signals *signals) {
  return signals->ends == MW_NEVER || signals->given_up ? signals->ends : signals->ends - give_up;
}

/* ---- the thread ---- */

static void take(struct mw_signals *signals, int number) {
  if (number == SIGHUP) {
    give(&signals->reload);
    return;
  }
  if (++signals->stops > 2) end_now();
  if (!signals->server) mw_subprocess_stop_all(); /* the server is being opened, or has ended */
  int64_t now = mw_clock_real(), grace = 0;
  if (signals->stops == 1 && signals->server) grace = mw_server_grace_ns(signals->server);
  int64_t ends = mw_time_add(mw_time_add(now, grace), last);
  if (ends < signals->ends) signals->ends = ends;
  give(signals->stops == 1 ? &signals->drain : &signals->cancel);
}

static void fill(sigset_t *set) {
  sigemptyset(set);
  sigaddset(set, SIGTERM);
  sigaddset(set, SIGINT);
  sigaddset(set, SIGHUP);
}

/* Waits for a signal until `due`. Returns its number, or 0. */
static int wait_for_signal(int64_t due) {
  sigset_t set;
  fill(&set);
  int64_t left = due - mw_clock_real();
  if (left < 0) left = 0;
  struct timespec time = {left / MW_NS_PER_S, left % MW_NS_PER_S};
  int number = sigtimedwait(&set, NULL, due == MW_NEVER ? NULL : &time);
  return number > 0 ? number : 0;
}

static void *thread_main(void *arg) {
  struct mw_signals *signals = arg;
  pthread_mutex_lock(&signals->lock);
  while (!signals->closing) {
    int64_t due = next_look(signals);
    pthread_mutex_unlock(&signals->lock);
    int number = wait_for_signal(due);
    pthread_mutex_lock(&signals->lock);
    if (signals->closing) break;
    if (number) take(signals, number);
    if (mw_clock_real() >= signals->ends) end_now();
    if (!signals->given_up && mw_clock_real() >= next_look(signals)) start_to_give_up(signals);
  }
  pthread_mutex_unlock(&signals->lock);
  return NULL;
}

/* ---- other threads ---- */

int mw_signals_open(struct mw_signals **out, struct mw_err *err) {
  struct mw_signals *signals = calloc(1, sizeof *signals);
  if (!signals) return mw_err_set(err, MW_ENOMEM, "out of memory");
  pthread_mutex_init(&signals->lock, NULL);
  signals->ends = MW_NEVER;
  signals->drain = (struct order){{.run = on_order}, signals, drain, false};
  signals->cancel = (struct order){{.run = on_order}, signals, cancel, false};
  signals->reload = (struct order){{.run = on_order}, signals, reload, false};
  sigset_t set;
  fill(&set);
  int error = pthread_sigmask(SIG_BLOCK, &set, NULL);
  if (error == 0) error = pthread_create(&signals->thread, NULL, thread_main, signals);
  if (error == 0) {
    pthread_setname_np(signals->thread, "signals");
    *out = signals;
    return 0;
  }
  pthread_mutex_destroy(&signals->lock);
  free(signals);
  return mw_err_set(err, MW_EIO, "cannot start a thread for signals: %s", strerror(error));
}

bool mw_signals_stopping(struct mw_signals *signals) {
  pthread_mutex_lock(&signals->lock);
  bool stopping = signals->stops > 0;
  pthread_mutex_unlock(&signals->lock);
  return stopping;
}

int64_t mw_signals_left(struct mw_signals *signals) {
  pthread_mutex_lock(&signals->lock);
  int64_t left = signals->ends - mw_clock_real() - 2 * give_up;
  pthread_mutex_unlock(&signals->lock);
  return left > 0 ? left : 0;
}

void mw_signals_attach(struct mw_signals *signals, struct mw_server *server) {
  pthread_mutex_lock(&signals->lock);
  signals->server = server;
  if (signals->stops > 0) {
    give(&signals->drain);
    give(&signals->cancel);
  }
  pthread_mutex_unlock(&signals->lock);
}

void mw_signals_detach(struct mw_signals *signals) {
  pthread_mutex_lock(&signals->lock);
  take_back(&signals->drain);
  take_back(&signals->cancel);
  take_back(&signals->reload);
  signals->server = NULL;
  pthread_mutex_unlock(&signals->lock);
}

/* Wakes the thread with a signal of its set. */
void mw_signals_close(struct mw_signals *signals) {
  pthread_mutex_lock(&signals->lock);
  signals->closing = true;
  pthread_mutex_unlock(&signals->lock);
  pthread_kill(signals->thread, SIGHUP);
  pthread_join(signals->thread, NULL);
  pthread_mutex_destroy(&signals->lock);
  free(signals);
}
