#include "server/worker/worker.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "bind/call/handler.h"
#include "bind/job.h"
#include "script/open.h"

enum { WATCH_NS = 5 * MW_NS_PER_MS };

/* ---- opening and closing ---- */

/* Returns this worker's series of a gauge; NULL without memory. */
static struct mw_metric *open_gauge(const struct mw_worker *worker, const char *name, const char *help) {
  static const char *const labels[] = {"worker"};
  char index[12];
  snprintf(index, sizeof index, "%u", worker->index);
  const char *const values[] = {index};
  const struct mw_metric_definition gauge = {
      .kind = MW_METRIC_GAUGE, .name = name, .help = help, .labels = labels, .n_labels = 1};
  return mw_metrics_open(worker->shared->metrics, &gauge, values);
}

static void close_engines(struct mw_worker *worker) {
  if (worker->channels != worker->engine) worker->channels->ops->close(worker->channels);
  worker->engine->ops->close(worker->engine);
}

static int open_engines(struct mw_worker *worker, struct mw_err *err) {
  const struct mw_worker_shared *shared = worker->shared;
  const struct mw_settings *settings = shared->settings;
  struct mw_tls_config tls = {settings->tls_cert, settings->tls_key, settings->tls_client_ca};
  struct mw_engine_config config = {.loop = &worker->loop,
                                    .dispatch = &worker->dispatch,
                                    .max_receive_bytes = settings->message_bytes,
                                    .max_metadata_bytes = settings->metadata_bytes,
                                    .tls = settings->tls_cert ? &tls : NULL,
                                    .limits = settings->clients,
                                    .keepalive = settings->keepalive,
                                    .team = shared->team};
  config.limits.connections = shared->connections;
  config.limits.open = shared->open;
  int rc = shared->engine->open(&config, &worker->engine, err);
  if (rc != 0) return rc;
  worker->channels = worker->engine;
  if (shared->channels == shared->engine) return 0;
  struct mw_engine_config guest = {.loop = &worker->loop};
  rc = shared->channels->open(&guest, &worker->channels, err);
  if (rc != 0) close_engines(worker);
  return rc;
}

/* Runs before each new call: once a generation is published, no call begins in the previous one. */
static void adopt_published(void *arg) {
  struct mw_worker *worker = arg;
  const struct mw_loaded_program *candidate = worker->programs.candidate;
  if (!candidate) return;
  if (atomic_load_explicit(&worker->shared->published, memory_order_acquire) < candidate->generation->number) return;
  mw_programs_adopt(&worker->programs, true);
}

int mw_worker_open(struct mw_worker *worker, struct mw_err *err) {
  const struct mw_worker_shared *shared = worker->shared;
  const struct mw_settings *settings = shared->settings;
  unsigned index = worker->index;
  *mw_log_context() = (struct mw_log_context){.worker = (int)index, .generation = shared->generation->number};
  int rc = mw_loop_init(&worker->loop, err);
  if (rc != 0) return rc;
  mw_dispatch_init(&worker->dispatch, shared->engine->name, index);
  worker->dispatch.metrics = shared->metrics;
  worker->dispatch.live_gauge = open_gauge(worker, "moonwire_calls_live", "Calls that have not ended.");
  worker->dispatch.queued_gauge = open_gauge(worker, "moonwire_calls_queued",
                                             "Calls, and messages of calls, that wait for their turn.");
  rc = open_engines(worker, err);
  if (rc != 0) goto no_engine;
  rc = mw_vm_init(&worker->vm, &worker->loop, settings->unpack_bytes, err);
  if (rc != 0) goto no_vm;
  worker->vm.push_cut = mw_bind_push_cut;
  worker->vm.live_gauge = open_gauge(worker, "moonwire_coroutines_live", "Coroutines of calls and jobs.");
  worker->vm.memory_gauge = open_gauge(worker, "moonwire_memory_bytes", "Bytes held for scripts, by Lua and by C.");
  worker->vm.outside_gauge = open_gauge(worker, "moonwire_memory_outside_bytes", "Those of them that C holds.");
  worker->host = (struct mw_host){.loop = &worker->loop,
                                  .channels = worker->channels,
                                  .dispatch = &worker->dispatch,
                                  .store = shared->store,
                                  .topics = shared->topics,
                                  .metrics = shared->metrics,
                                  .dir = shared->dir,
                                  .data_dir = shared->data_dir,
                                  .files = &shared->files,
                                  .worker = index,
                                  .workers = settings->workers};
  rc = mw_programs_init(&worker->programs, &worker->vm, &worker->host, &worker->dispatch, shared->builtin, err);
  worker->programs.live_gauge = open_gauge(worker, "moonwire_generations_live",
                                           "Generations: the running one and those that calls still hold.");
  if (rc == 0) rc = mw_programs_prepare(&worker->programs, shared->generation, err);
  if (rc != 0) goto no_program;
  mw_programs_adopt(&worker->programs, false);
  worker->dispatch.before = adopt_published;
  worker->dispatch.before_arg = worker;
  return 0;

no_program:
  mw_programs_fini(&worker->programs);
  mw_vm_fini(&worker->vm);
no_vm:
  close_engines(worker);
no_engine:
  mw_dispatch_fini(&worker->dispatch);
  mw_loop_fini(&worker->loop);
  return rc;
}

void mw_worker_close(struct mw_worker *worker) {
  mw_loop_run_posts(&worker->loop);
  mw_timer_stop(worker->grace);
  mw_timer_stop(worker->watch);
  mw_programs_fini(&worker->programs);
  mw_vm_fini(&worker->vm);
  mw_store_flush(worker->host.store); /* writes without a waiting fiber still report to this loop */
  close_engines(worker);
  mw_dispatch_fini(&worker->dispatch);
  mw_loop_fini(&worker->loop);
}

void mw_worker_run(struct mw_worker *worker) {
  mw_bind_start_jobs(worker->programs.current->program);
  worker->engine->ops->run(worker->engine);
}

/* ---- stopping ---- */

/* True if no handler runs and, within the grace period, all responses have been sent. */
static bool is_idle(struct mw_worker *worker) {
  return mw_dispatch_is_idle(&worker->dispatch) && (!worker->grace || worker->engine->ops->is_quiet(worker->engine));
}

static const int64_t closing = MW_BUDGET_CLOSING_MS * (int64_t)MW_NS_PER_MS;

void mw_worker_end_at(struct mw_worker *worker, int64_t when) {
  int64_t told = atomic_load(&worker->vm.ends);
  while (when < told && !atomic_compare_exchange_weak(&worker->vm.ends, &told, when)) continue;
}

/* Nanoseconds until the grace period ends; negative after it. */
static int64_t left_until_end(const struct mw_worker *worker) {
  return atomic_load(&worker->vm.ends) - mw_clock_real();
}

/* Polls until everything has ended: first calls, then jobs, then fibers that still run to their end. */
static void watch_end(void *arg) {
  struct mw_worker *worker = arg;
  worker->watch = NULL;
  if (left_until_end(worker) < -closing) mw_bind_abandon(&worker->vm);
  bool idle = is_idle(worker);
  if (idle) mw_programs_stop_jobs(&worker->programs); /* repeatedly, as jobs may spawn more */
  if (idle && worker->vm.n_live == 0) {
    worker->engine->ops->stop(worker->engine);
    return;
  }
  worker->watch = mw_timer_start(&worker->loop, WATCH_NS, watch_end, worker);
}

static void cancel_calls(void *arg) {
  struct mw_worker *worker = arg;
  worker->grace = NULL;
  worker->dispatch.draining = true;
  mw_dispatch_cancel_all(&worker->dispatch, mw_status_shutting_down());
}

/* During a reload, a cancel may come before the drain. */
static void on_drain(struct mw_post *post) {
  struct mw_worker *worker = MW_CONTAINER(post, struct mw_worker, drain_post);
  mw_programs_stop_builtin(&worker->programs);
  worker->engine->ops->drain(worker->engine);
  worker->grace = mw_timer_start_real(&worker->loop, left_until_end(worker), cancel_calls, worker);
  watch_end(worker);
}

static void on_cancel(struct mw_post *post) {
  struct mw_worker *worker = MW_CONTAINER(post, struct mw_worker, cancel_post);
  mw_timer_stop(worker->grace);
  cancel_calls(worker);
}

bool mw_worker_post(struct mw_worker *worker, struct mw_post *post) {
  pthread_mutex_lock(&worker->lock);
  bool taken = !worker->closing;
  if (taken) mw_loop_post(&worker->loop, post);
  pthread_mutex_unlock(&worker->lock);
  return taken;
}

/* Posts once. The worker may be about to end by itself. */
static void post(struct mw_worker *worker, struct mw_post *post, bool *posted) {
  pthread_mutex_lock(&worker->lock);
  if (!worker->closing && !*posted) mw_loop_post(&worker->loop, post);
  *posted = true;
  pthread_mutex_unlock(&worker->lock);
}

void mw_worker_drain(struct mw_worker *worker) {
  mw_worker_end_at(worker, mw_time_add(mw_clock_real(), atomic_load(&worker->shared->grace)));
  post(worker, &worker->drain_post, &worker->told_to_drain);
}

void mw_worker_cancel(struct mw_worker *worker) {
  mw_worker_end_at(worker, mw_clock_real());
  post(worker, &worker->cancel_post, &worker->told_to_cancel);
}

/* ---- the thread ---- */

void mw_worker_init(struct mw_worker *worker, const struct mw_worker_shared *shared, unsigned index) {
  *worker = (struct mw_worker){
      .shared = shared, .index = index, .err = MW_ERR_INIT, .drain_post.run = on_drain, .cancel_post.run = on_cancel};
  pthread_mutex_init(&worker->lock, NULL);
  pthread_cond_init(&worker->changed, NULL);
}

void mw_worker_fini(struct mw_worker *worker) {
  mw_err_fini(&worker->err);
  pthread_cond_destroy(&worker->changed);
  pthread_mutex_destroy(&worker->lock);
}

static void enter(struct mw_worker *worker, enum mw_worker_state state) {
  pthread_mutex_lock(&worker->lock);
  worker->state = state;
  pthread_cond_broadcast(&worker->changed);
  pthread_mutex_unlock(&worker->lock);
}

/* Waits until the worker may take its next step. Returns false to give up. */
static bool wait_for(struct mw_worker *worker, unsigned steps) {
  pthread_mutex_lock(&worker->lock);
  while (worker->allowed < steps && !worker->give_up) pthread_cond_wait(&worker->changed, &worker->lock);
  bool go_on = !worker->give_up;
  pthread_mutex_unlock(&worker->lock);
  return go_on;
}

static int listen_all(struct mw_worker *worker, struct mw_err *err) {
  const struct mw_engine_ops *ops = worker->engine->ops;
  int rc = 0;
  for (size_t i = 0; i < worker->shared->n_listeners && rc == 0; i++) {
    const struct mw_listener *at = &worker->shared->listeners[i];
    rc = at->fd >= 0 ? ops->accept_from(worker->engine, at->fd, at->address, err)
                     : ops->listen(worker->engine, at->address, err);
  }
  return rc;
}

static void *thread_main(void *arg) {
  struct mw_worker *worker = arg;
  struct mw_err err = MW_ERR_INIT;
  if (mw_worker_open(worker, &err) == 0) {
    enter(worker, MW_WORKER_PREPARED);
    if (wait_for(worker, 1) && listen_all(worker, &err) == 0) {
      enter(worker, MW_WORKER_LISTENING);
      if (wait_for(worker, 2)) mw_worker_run(worker);
    }
    pthread_mutex_lock(&worker->lock);
    worker->closing = true;
    pthread_mutex_unlock(&worker->lock);
    mw_worker_close(worker);
  }
  pthread_mutex_lock(&worker->lock);
  worker->err = err;
  pthread_mutex_unlock(&worker->lock);
  enter(worker, MW_WORKER_ENDED);
  if (worker->shared->ended) worker->shared->ended(worker->shared->ended_arg);
  return NULL;
}

int mw_worker_start(struct mw_worker *worker, const struct mw_worker_shared *shared, unsigned index,
                    struct mw_err *err) {
  mw_worker_init(worker, shared, index);
  int rc = pthread_create(&worker->thread, NULL, thread_main, worker);
  char name[16];
  snprintf(name, sizeof name, "worker-%u", index);
  if (rc == 0) pthread_setname_np(worker->thread, name);
  if (rc == 0) return 0;
  mw_worker_fini(worker);
  return mw_err_set(err, MW_EIO, "cannot start a worker thread: %s", strerror(rc));
}

int mw_worker_await(struct mw_worker *worker, enum mw_worker_state state, struct mw_err *err) {
  pthread_mutex_lock(&worker->lock);
  while (worker->state != state && worker->state != MW_WORKER_ENDED) {
    pthread_cond_wait(&worker->changed, &worker->lock);
  }
  int rc = worker->state == state ? 0 : worker->err.code;
  if (rc != 0) mw_err_set(err, rc, "%s", mw_err_text(&worker->err));
  pthread_mutex_unlock(&worker->lock);
  return rc;
}

void mw_worker_proceed(struct mw_worker *worker, bool give_up) {
  pthread_mutex_lock(&worker->lock);
  worker->allowed++;
  worker->give_up = worker->give_up || give_up;
  pthread_cond_broadcast(&worker->changed);
  pthread_mutex_unlock(&worker->lock);
}

void mw_worker_join(struct mw_worker *worker) {
  pthread_join(worker->thread, NULL);
  mw_worker_fini(worker);
}
