/* A worker: one thread with one event loop, one Lua state, one engine that serves and one that opens channels: the same
 * when it can do both, else a guest in the loop that the other runs.
 *
 * The thread that starts the workers leads them through their states, together: all prepare (open everything and load
 * the scripts), then all listen, then all serve. A worker that fails says why and ends; so do the others then.
 *
 *   mw_worker_start -> PREPARED -> mw_worker_proceed -> LISTENING -> mw_worker_proceed -> (serves) -> ENDED
 */
#ifndef MW_SERVER_WORKER_H
#define MW_SERVER_WORKER_H

#include <pthread.h>

#include "bind/bind.h"
#include "server/listener.h"
#include "server/programs.h"
#include "server/settings.h"
#include "server/temporary.h"

enum { MW_SHARED_LISTENERS = 2 * MW_SETTINGS_LISTENERS }; /* those of the settings, and inherited ones */

/* What the workers of a server have in common; borrowed by them. */
struct mw_shared {
  const struct mw_settings *settings; /* of the generation to start with: what cannot change is this */
  const struct mw_engine_ops *engine;   /* that serves */
  const struct mw_engine_ops *channels; /* that opens outbound channels; may be the same */
  struct mw_engine_team *team;     /* of the engines that serve; NULL for one worker, or when they share nothing */
  const char *dir;                 /* the project folder */
  const struct mw_overrides *overrides; /* of the settings of all generations; NULL for none */
  char *data_dir;                  /* owned by the server, or the path of `temporary` */
  struct mw_files files;           /* for mw.fs */
  struct mw_temporary temporary;   /* when there is no data folder */
  struct mw_generation *generation; /* the one to start with */
  struct mw_pool *builtin;         /* the schema of the built-in services; a reference */
  _Atomic uint64_t published;      /* the number of the newest committed generation */
  struct mw_store *store;
  struct mw_topics *topics;
  struct mw_metrics *metrics;
  struct mw_listener listeners[MW_SHARED_LISTENERS]; /* where it listens; the server opens and closes them */
  size_t n_listeners;
  unsigned connections;            /* most that there may be at once */
  _Atomic unsigned *open;          /* connections that there are; owned */
  _Atomic int64_t grace;           /* nanoseconds that running calls get when the server stops; of the newest generation */
  void (*ended)(void *arg);        /* runs on a worker's thread when it ends; may be NULL */
  void *ended_arg;
};

enum mw_worker_state { MW_WORKER_STARTING, MW_WORKER_PREPARED, MW_WORKER_LISTENING, MW_WORKER_ENDED };

struct mw_worker {
  const struct mw_shared *shared;
  unsigned index;
  struct mw_loop loop;
  struct mw_vm vm;
  struct mw_dispatch dispatch;
  struct mw_engine *engine;   /* serves, and runs the loop */
  struct mw_engine *channels; /* opens channels; the same as `engine`, or a guest */
  struct mw_host host;
  struct mw_programs programs;

  pthread_t thread;
  pthread_mutex_t lock; /* guards what follows */
  pthread_cond_t changed;
  enum mw_worker_state state;
  unsigned allowed;     /* how often mw_worker_proceed() was called */
  bool give_up;
  bool closing;         /* the loop takes no more posts */
  bool told_to_drain, told_to_cancel;
  struct mw_err err;    /* why it ended, when that was not asked for */

  struct mw_post drain_post, cancel_post;
  struct mw_timer *grace, *watch;
};

void mw_worker_init(struct mw_worker *worker, const struct mw_shared *shared, unsigned index);
void mw_worker_fini(struct mw_worker *worker);

/* Opens loop, Lua state and engines, and loads the scripts, on the calling thread, which runs the worker from now on.
 * Returns 0 or an error with nothing left open. */
int mw_worker_open(struct mw_worker *worker, struct mw_err *err);

/* Starts the jobs, and runs the engine until the worker has stopped. */
void mw_worker_run(struct mw_worker *worker);

void mw_worker_close(struct mw_worker *worker);

/* Initialises the worker and starts a thread that does all of these. Returns 0, or MW_EIO with nothing to undo. */
int mw_worker_start(struct mw_worker *worker, const struct mw_shared *shared, unsigned index, struct mw_err *err);

/* Waits until the worker is in `state`. Returns 0, or the error it ended with, added to `err`. */
int mw_worker_await(struct mw_worker *worker, enum mw_worker_state state, struct mw_err *err);

/* Lets it go on to the next state; with `give_up` to its end. */
void mw_worker_proceed(struct mw_worker *worker, bool give_up);

/* Waits for the end of its thread, and finishes the worker. */
void mw_worker_join(struct mw_worker *worker);

/* Any thread. Queues `post` for the worker's thread. Returns false, and borrows nothing, once its loop takes no more; a
 * post that it has taken is run. */
bool mw_worker_post(struct mw_worker *worker, struct mw_post *post);

/* Any thread. The worker's calls have to end by `when`, a mw_clock_real() time, or before if it was told so: then
 * runs of scripts are cut and none begins, even before the worker's loop comes round (script/budget.h). */
void mw_worker_end_at(struct mw_worker *worker, int64_t when);

/* Any thread. Drain: no new calls; running ones get the grace period, then end with UNAVAILABLE; then the worker stops.
 * Cancel: the grace period is over now, or is none if the drain is still to come. Both may come again and again. */
void mw_worker_drain(struct mw_worker *worker);
void mw_worker_cancel(struct mw_worker *worker);

#endif
