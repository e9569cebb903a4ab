/* A worker: one thread with one event loop, one Lua state, one engine that serves and one that opens channels. One
 * engine does both if it can; otherwise the second is embedded in the loop that the first runs.
 *
 * The thread that starts the workers leads them through their states together: all prepare (open everything and load
 * the scripts), then all listen, then all serve. A worker that fails reports its error and ends; the others end too.
 *
 *   mw_worker_start -> PREPARED -> mw_worker_proceed -> LISTENING -> mw_worker_proceed -> (serves) -> ENDED
 */
#ifndef MW_SERVER_WORKER_WORKER_H
#define MW_SERVER_WORKER_WORKER_H

#include <pthread.h>

#include "bind/base/bind.h"
#include "server/files/temporary.h"
#include "server/settings/listener.h"
#include "server/settings/settings.h"
#include "server/worker/programs.h"

enum { MW_SHARED_LISTENERS = 2 * MW_SETTINGS_LISTENERS }; /* those of the settings, and inherited ones */

/* Objects that the workers of a server share. The workers borrow them. */
struct mw_worker_shared {
  const struct mw_settings *settings; /* settings of the first generation; they hold for settings that cannot change */
  const struct mw_engine_ops *engine; /* the engine that serves */
  const struct mw_engine_ops *channels; /* the engine that opens outbound channels; may be the same */
  struct mw_engine_team *team;          /* worker pool of the serving engines; NULL for one worker or without sharing */
  const char *dir;                      /* project folder */
  const struct mw_overrides *overrides; /* command-line settings for all generations; NULL for none */
  char *data_dir;                       /* owned by the server, or the path of `temporary` */
  struct mw_files files;                /* folders that mw.fs may use */
  struct mw_temporary temporary;        /* used without a data folder */
  struct mw_generation *generation;     /* the first generation */
  struct mw_pool *builtin;              /* schema of the built-in services; a reference */
  _Atomic uint64_t published;           /* number of the newest committed generation */
  struct mw_store *store;
  struct mw_topics *topics;
  struct mw_metrics *metrics;
  struct mw_listener listeners[MW_SHARED_LISTENERS]; /* listening addresses; the server opens and closes them */
  size_t n_listeners;
  unsigned connections;     /* maximum of open connections */
  _Atomic unsigned *open;   /* number of open connections; owned */
  _Atomic int64_t grace;    /* nanoseconds for running calls when the server stops; newest generation's */
  void (*ended)(void *arg); /* runs on a worker's thread when the worker ends; may be NULL */
  void *ended_arg;
};

enum mw_worker_state { MW_WORKER_STARTING, MW_WORKER_PREPARED, MW_WORKER_LISTENING, MW_WORKER_ENDED };

struct mw_worker {
  const struct mw_worker_shared *shared;
  unsigned index;
  struct mw_loop loop;
  struct mw_vm vm;
  struct mw_dispatch dispatch;
  struct mw_engine *engine;   /* serves, and runs the loop */
  struct mw_engine *channels; /* opens channels; the same as `engine`, or embedded */
  struct mw_host host;
  struct mw_programs programs;

  pthread_t thread;
  pthread_mutex_t lock; /* guards the members below, up to `err` */
  pthread_cond_t changed;
  enum mw_worker_state state;
  unsigned allowed; /* number of calls of mw_worker_proceed() */
  bool give_up;
  bool closing; /* the loop takes no more posts */
  bool told_to_drain, told_to_cancel;
  struct mw_err err; /* cause of an unrequested end */

  struct mw_post drain_post, cancel_post;
  struct mw_timer *grace, *watch;
};

void mw_worker_init(struct mw_worker *worker, const struct mw_worker_shared *shared, unsigned index);
void mw_worker_fini(struct mw_worker *worker);

/* Opens loop, Lua state and engines, and loads the scripts. The calling thread runs the worker from then on. Returns 0
 * or an error with nothing left open. */
int mw_worker_open(struct mw_worker *worker, struct mw_err *err);

/* Starts the jobs, and runs the engine until the worker has stopped. */
void mw_worker_run(struct mw_worker *worker);

void mw_worker_close(struct mw_worker *worker);

/* Initialises the worker and starts a thread that opens, runs and closes it. Returns 0, or MW_EIO with nothing to
 * undo. */
int mw_worker_start(struct mw_worker *worker, const struct mw_worker_shared *shared, unsigned index,
                    struct mw_err *err);

/* Waits until the worker is in `state`. Returns 0. If the worker ended, returns its error and adds it to `err`. */
int mw_worker_await(struct mw_worker *worker, enum mw_worker_state state, struct mw_err *err);

/* Lets the worker enter the next state; with `give_up` it ends. */
void mw_worker_proceed(struct mw_worker *worker, bool give_up);

/* Waits for the end of the worker's thread, and finishes the worker. */
void mw_worker_join(struct mw_worker *worker);

/* Any thread. Queues `post` for the worker's thread. Returns true if the post will run; false, without borrowing it,
 * once the loop takes no more posts. */
bool mw_worker_post(struct mw_worker *worker, struct mw_post *post);

/* Any thread. Makes the worker's calls end by `when`, a mw_clock_real() time, unless an earlier time is set. From then
 * on running scripts are stopped and none begins, even before the worker's loop turns again (script/state/budget.h). */
void mw_worker_end_at(struct mw_worker *worker, int64_t when);

/* Any thread. Drain: refuses new calls; running ones get the grace period, then end with UNAVAILABLE; then the worker
 * stops. Cancel: ends the grace period now; a later drain has none. Both may be called repeatedly. */
void mw_worker_drain(struct mw_worker *worker);
void mw_worker_cancel(struct mw_worker *worker);

#endif
