#include "server/server.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "bind/call/handler.h"
#include "server/admin/admin.h"
#include "server/reload/watcher.h"
#include "server/settings/settings_check.h"
#include "server/worker/trim.h"
#include "server/worker/worker_shared.h"

struct mw_server {
  struct mw_worker_shared shared;
  struct mw_loop control;     /* loop of the thread that runs the server */
  struct mw_post end_post;    /* posted when the last worker has ended */
  struct mw_watcher *watcher; /* watches the project folder; NULL before all workers serve */
  struct mw_reload *reload;
  struct mw_admin *admin; /* NULL if its socket cannot be opened */
  struct mw_trim *trim;   /* NULL while the server starts or stops */
  atomic_uint running;    /* number of workers that have not ended */
  unsigned n_workers;     /* number of workers started */
  struct mw_worker workers[];
};

static void on_end(struct mw_post *post) {
  struct mw_server *server = MW_CONTAINER(post, struct mw_server, end_post);
  uv_stop(&server->control.uv);
}

static void on_worker_ended(void *arg) {
  struct mw_server *server = arg;
  if (atomic_fetch_sub(&server->running, 1) == 1) mw_loop_post(&server->control, &server->end_post);
}

static int open_listeners(struct mw_server *server, struct mw_err *err) {
  struct mw_worker_shared *shared = &server->shared;
  const struct mw_settings *settings = shared->settings;
  int rc = 0;
  for (int i = 0; i < settings->n_inherited && rc == 0; i++) {
    rc = mw_listener_inherit(&shared->listeners[shared->n_listeners], MW_LISTENER_FIRST + i, err);
    if (rc == 0) shared->n_listeners++;
  }
  for (size_t i = 0; i < settings->n_listen && rc == 0; i++) {
    rc = mw_listener_open(&shared->listeners[shared->n_listeners], settings->listen[i], err);
    if (rc == 0) {
      shared->n_listeners++;
    } else {
      mw_settings_prefix_finding(settings, NULL, "listen", err);
    }
  }
  return rc;
}

/* Frees the addresses for another server. The workers close their own sockets when they end. */
static void close_listeners(struct mw_server *server) {
  struct mw_worker_shared *shared = &server->shared;
  for (size_t i = 0; i < shared->n_listeners; i++) mw_listener_close(&shared->listeners[i]);
}

/* Waits until all workers are in `state`. Returns the first failure. */
static int await_all(struct mw_server *server, enum mw_worker_state state, struct mw_err *err) {
  int failed = 0;
  for (unsigned i = 0; i < server->n_workers; i++) {
    int rc = mw_worker_await(&server->workers[i], state, failed ? NULL : err);
    if (rc != 0 && failed == 0) failed = rc;
  }
  return failed;
}

static void proceed_all(struct mw_server *server, bool give_up) {
  for (unsigned i = 0; i < server->n_workers; i++) mw_worker_proceed(&server->workers[i], give_up);
}

static int start_workers(struct mw_server *server, struct mw_err *err) {
  unsigned n = server->shared.settings->workers;
  atomic_store(&server->running, n);
  int rc = 0;
  for (unsigned i = 0; i < n && rc == 0; i++) {
    rc = mw_worker_start(&server->workers[i], &server->shared, i, err);
    if (rc == 0) server->n_workers++;
  }
  if (rc == 0) rc = await_all(server, MW_WORKER_PREPARED, err);
  proceed_all(server, rc != 0);
  if (rc == 0) {
    rc = await_all(server, MW_WORKER_LISTENING, err);
    proceed_all(server, rc != 0);
  }
  return rc;
}

/* ---- reloading ---- */

static void on_change(void *arg) { mw_reload_look(((struct mw_server *)arg)->reload); }

/* The first stability check notices files saved while the workers started. */
static int open_reload(struct mw_server *server, struct mw_err *err) {
  server->reload = mw_reload_new(&server->control, &server->shared, server->workers, server->n_workers);
  if (!server->reload) return mw_err_set(err, MW_ENOMEM, "out of memory");
  int rc = mw_watcher_open(&server->watcher, &server->control, server->shared.dir,
                           MW_WATCHER_OPEN_SECONDS * (int64_t)MW_NS_PER_S, on_change, server, err);
  if (rc == 0) mw_reload_start(server->reload, false, NULL, NULL);
  return rc;
}

/* Opens the admin socket. The server serves without one too. */
static void open_admin(struct mw_server *server) {
  struct mw_err err = MW_ERR_INIT;
  struct mw_workers workers = {&server->control, server->workers, server->n_workers};
  const char *data = server->shared.data_dir;
  if (mw_admin_open(&server->admin, &workers, server->reload, data, &err) != 0) {
    mw_log(MW_LOG_WARN, NULL, "moonwire status, reload, check, rollback and kill cannot reach this server: %s",
           mw_err_text(&err));
  } else if (strcmp(server->shared.settings->data, ":memory:") == 0) {
    struct mw_log_field fields[] = {{"data", data}, {NULL, NULL}};
    mw_log(MW_LOG_INFO, fields, "moonwire status, reload, check, rollback and kill reach this server with --data");
  }
  mw_err_fini(&err);
}

int mw_server_open(struct mw_server **out, const char *dir, const struct mw_overrides *overrides, struct mw_err *err) {
  struct mw_generation *generation;
  int rc = mw_generation_read(&generation, dir, 1, NULL, overrides, err);
  if (rc != 0) return rc;
  rc = mw_generation_check_project(dir, err);
  if (rc == 0) rc = mw_settings_check(&generation->settings, generation->settings.data, err);
  if (rc != 0) {
    mw_generation_unref(generation);
    return rc;
  }
  mw_log_set_level(generation->settings.log_level);
  mw_log_context()->generation = generation->number;
  struct mw_server *server = calloc(1, sizeof *server + generation->settings.workers * sizeof *server->workers);
  rc = server ? mw_worker_shared_open(&server->shared, dir, generation, err)
              : mw_err_set(err, MW_ENOMEM, "out of memory");
  mw_generation_unref(generation);
  if (rc != 0) {
    free(server);
    return rc;
  }
  server->shared.overrides = overrides;
  server->shared.ended = on_worker_ended;
  server->shared.ended_arg = server;
  server->end_post.run = on_end;
  rc = mw_loop_init(&server->control, err);
  if (rc != 0) {
    mw_worker_shared_close(&server->shared);
    free(server);
    return rc;
  }
  rc = open_listeners(server, err);
  if (rc == 0) rc = start_workers(server, err);
  if (rc == 0) rc = open_reload(server, err);
  if (rc == 0) {
    open_admin(server);
    server->trim = mw_trim_start(&(struct mw_workers){&server->control, server->workers, server->n_workers});
  }
  if (rc != 0) {
    mw_server_close(server);
    return rc;
  }
  *out = server;
  return 0;
}

const char *mw_server_address(const struct mw_server *server, size_t i) {
  return i < server->shared.n_listeners ? server->shared.listeners[i].address : NULL;
}

const struct mw_generation *mw_server_generation(const struct mw_server *server) { return server->shared.generation; }

bool mw_server_handles(const struct mw_server *server, const struct mw_method_type *method) {
  const struct mw_route *route = mw_router_find(&server->workers[0].programs.current->program->router,
                                                mw_slice_str(method->path));
  return route && route->handler == &mw_bind_handler;
}

struct mw_loop *mw_server_loop(struct mw_server *server) {
  return &server->control;
}

struct mw_reload *mw_server_reload(struct mw_server *server) {
  return server->reload;
}

void mw_server_run(struct mw_server *server) { uv_run(&server->control.uv, UV_RUN_DEFAULT); }

static void drain_workers(void *arg) {
  struct mw_server *server = arg;
  for (unsigned i = 0; i < server->n_workers; i++) mw_worker_drain(&server->workers[i]);
}

int64_t mw_server_grace_ns(const struct mw_server *server) { return atomic_load(&server->shared.grace); }

/* A reload under way finishes first, because it needs workers that serve. */
void mw_server_drain(struct mw_server *server) {
  int64_t ends = mw_time_add(mw_clock_real(), mw_server_grace_ns(server));
  for (unsigned i = 0; i < server->n_workers; i++) mw_worker_end_at(&server->workers[i], ends);
  close_listeners(server);
  mw_watcher_close(server->watcher);
  server->watcher = NULL;
  mw_reload_stop(server->reload, drain_workers, server);
}

void mw_server_cancel(struct mw_server *server) {
  for (unsigned i = 0; i < server->n_workers; i++) mw_worker_cancel(&server->workers[i]);
}

void mw_server_close(struct mw_server *server) {
  for (unsigned i = 0; i < server->n_workers; i++) mw_worker_join(&server->workers[i]);
  close_listeners(server);
  mw_watcher_close(server->watcher);
  mw_trim_stop(server->trim);
  mw_admin_close(server->admin);
  mw_loop_run_posts(&server->control); /* delivers the workers' last answers, also about the reload */
  mw_reload_free(server->reload);
  mw_loop_fini(&server->control);
  mw_worker_shared_close(&server->shared);
  free(server);
}
