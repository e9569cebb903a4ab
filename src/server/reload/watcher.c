/* The thread runs a loop with the watch, and reads moonwire.lua for the folders of .proto files. It posts to the home
 * loop under `lock`, unless the watcher was closed: so it posts nothing to a loop that no longer exists. */
#include "server/reload/watcher.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/thread.h"
#include "loop/file_watch.h"
#include "observe/log.h"
#include "server/settings/settings.h"

enum { PROBLEM = 512 };
static const int64_t end_patience = MW_NS_PER_S / 5; /* nanoseconds to wait for the end of the thread */

struct mw_watcher {
  struct mw_loop *home;
  void (*changed)(void *arg);
  void *arg;
  char reported[PROBLEM]; /* last logged problem; "" for none; used by the home loop */

  struct mw_thread *thread;
  char *dir;
  struct mw_settings settings; /* name the watched folders of .proto files */
  struct mw_loop loop;         /* loop of the thread, like the watch */
  struct mw_watch *watch;
  struct mw_post stop;

  pthread_mutex_t lock; /* guards the members below */
  pthread_cond_t opened;
  bool ready, closed; /* `ready`: watching, or failed; `closed`: set by the home thread */
  bool reads;         /* the thread reads moonwire.lua; false once it watches the folders */
  int rc;
  struct mw_err err;
  char problem[PROBLEM];
  bool told; /* `to_home` is queued */
  struct mw_post to_home;
};

static void free_watcher(void *arg) {
  struct mw_watcher *watcher = arg;
  mw_settings_fini(&watcher->settings);
  free(watcher->dir);
  mw_err_fini(&watcher->err);
  pthread_cond_destroy(&watcher->opened);
  pthread_mutex_destroy(&watcher->lock);
  free(watcher);
}

/* ---- on the watcher's thread ---- */

/* Called under the lock. */
static void note_problem(struct mw_watcher *watcher) {
  const char *problem = mw_watch_problem(watcher->watch);
  snprintf(watcher->problem, sizeof watcher->problem, "%s", problem ? problem : "");
}

static void on_change(void *arg);

static char *join(const char *dir, const char *name) {
  struct mw_buf path = MW_BUF_INIT;
  if (mw_buf_printf(&path, "%s/%s", dir, name) == 0) return (char *)path.data;
  mw_buf_fini(&path);
  return NULL;
}

/* Watches the folder, and the folders of .proto files of `settings`. Returns 0 and a new watch, or MW_ENOMEM. */
static int watch(struct mw_watcher *watcher, const struct mw_settings *settings, struct mw_watch **out,
                 struct mw_err *err) {
  char *lua = join(watcher->dir, "lua"), *file = join(watcher->dir, "moonwire.lua");
  const char *paths[MW_SETTINGS_FOLDERS + 2] = {lua, file};
  for (size_t i = 0; i < settings->n_protos; i++) paths[2 + i] = settings->protos[i];
  struct mw_watch_options options = {
      .paths = paths, .n_paths = 2 + settings->n_protos, .changed = on_change, .arg = watcher};
  int rc = lua && file ? mw_watch_new(out, &watcher->loop, &options, err) : mw_err_set(err, MW_ENOMEM, "out of memory");
  free(lua);
  free(file);
  return rc;
}

static bool same_protos(const struct mw_settings *a, const struct mw_settings *b) {
  bool same = a->n_protos == b->n_protos;
  for (size_t i = 0; i < a->n_protos && same; i++) same = strcmp(a->protos[i], b->protos[i]) == 0;
  return same;
}

/* Watches the folders of .proto files that moonwire.lua names now. Without memory, keeps the previous ones. */
static void follow_settings(struct mw_watcher *watcher) {
  struct mw_settings settings;
  struct mw_watch *next;
  if (mw_settings_find_protos(&settings, watcher->dir) != 0) return;
  if (!same_protos(&settings, &watcher->settings) && watch(watcher, &settings, &next, NULL) == 0) {
    mw_watch_close(watcher->watch);
    watcher->watch = next;
    struct mw_settings before = watcher->settings;
    watcher->settings = settings;
    settings = before;
  }
  mw_settings_fini(&settings);
}

static void on_change(void *arg) {
  struct mw_watcher *watcher = arg;
  follow_settings(watcher);
  pthread_mutex_lock(&watcher->lock);
  note_problem(watcher);
  if (!watcher->closed && !watcher->told) mw_loop_post(watcher->home, &watcher->to_home);
  watcher->told = true;
  pthread_mutex_unlock(&watcher->lock);
}

static void on_stop(struct mw_post *post) { uv_stop(&MW_CONTAINER(post, struct mw_watcher, stop)->loop.uv); }

static int open_watch(struct mw_watcher *watcher, struct mw_err *err) {
  if (mw_settings_find_protos(&watcher->settings, watcher->dir) != 0) {
    return mw_err_set(err, MW_ENOMEM, "out of memory");
  }
  pthread_mutex_lock(&watcher->lock);
  watcher->reads = false;
  pthread_mutex_unlock(&watcher->lock);
  int rc = mw_loop_init(&watcher->loop, err);
  if (rc != 0) return rc;
  rc = watch(watcher, &watcher->settings, &watcher->watch, err);
  if (rc != 0) mw_loop_fini(&watcher->loop);
  return rc;
}

static void run(void *arg) {
  struct mw_watcher *watcher = arg;
  struct mw_err err = MW_ERR_INIT;
  int rc = open_watch(watcher, &err);
  pthread_mutex_lock(&watcher->lock);
  watcher->ready = true;
  watcher->rc = rc;
  watcher->err = err;
  if (rc == 0) note_problem(watcher);
  bool closed = watcher->closed; /* the home thread has given up waiting */
  pthread_cond_signal(&watcher->opened);
  pthread_mutex_unlock(&watcher->lock);
  if (rc != 0) return;
  if (!closed) uv_run(&watcher->loop.uv, UV_RUN_DEFAULT);
  mw_watch_close(watcher->watch);
  mw_loop_fini(&watcher->loop);
}

/* ---- on the home loop ---- */

/* Logs the problem if it has changed. */
static void report(struct mw_watcher *watcher) {
  char problem[PROBLEM];
  pthread_mutex_lock(&watcher->lock);
  memcpy(problem, watcher->problem, sizeof problem);
  pthread_mutex_unlock(&watcher->lock);
  if (strcmp(watcher->reported, problem) == 0) return;
  snprintf(watcher->reported, sizeof watcher->reported, "%s", problem);
  if (*problem) {
    mw_log(MW_LOG_WARN, NULL, "%s", problem);
  } else {
    mw_log(MW_LOG_INFO, NULL, "the folder is watched again");
  }
}

static void on_told(struct mw_post *post) {
  struct mw_watcher *watcher = MW_CONTAINER(post, struct mw_watcher, to_home);
  pthread_mutex_lock(&watcher->lock);
  watcher->told = false;
  pthread_mutex_unlock(&watcher->lock);
  report(watcher);
  watcher->changed(watcher->arg);
}

static struct mw_watcher *new_watcher(const char *dir) {
  struct mw_watcher *watcher = calloc(1, sizeof *watcher);
  if (!watcher) return NULL;
  pthread_mutex_init(&watcher->lock, NULL);
  mw_condition_init(&watcher->opened);
  watcher->err = (struct mw_err)MW_ERR_INIT;
  watcher->stop.run = on_stop;
  watcher->to_home.run = on_told;
  watcher->reads = true;
  watcher->dir = strdup(dir);
  if (watcher->dir) return watcher;
  free_watcher(watcher);
  return NULL;
}

static int fail_slow(const struct mw_watcher *watcher, int64_t patience, struct mw_err *err) {
  const char *waited = watcher->reads ? "to read moonwire.lua" : "to watch moonwire.lua, lua and the folders of protos";
  return mw_err_set(err, MW_EIO,
                    "%s: the file system does not answer: waited %.1f s %s; expected one that is mounted and answers",
                    watcher->dir, (double)patience / MW_NS_PER_S, waited);
}

/* Waits until the thread watches, for at most `patience` nanoseconds. */
static int await(struct mw_watcher *watcher, int64_t patience, struct mw_err *err) {
  int64_t due = mw_clock_real() + patience;
  pthread_mutex_lock(&watcher->lock);
  while (!watcher->ready && mw_condition_wait(&watcher->opened, &watcher->lock, due)) continue;
  watcher->closed = !watcher->ready;
  int rc = watcher->closed ? fail_slow(watcher, patience, err) : watcher->rc;
  if (rc != 0 && !watcher->closed) mw_err_set(err, rc, "%s", mw_err_text(&watcher->err));
  pthread_mutex_unlock(&watcher->lock);
  return rc;
}

int mw_watcher_open(struct mw_watcher **out, struct mw_loop *home, const char *dir, int64_t patience,
                    void (*changed)(void *arg), void *arg, struct mw_err *err) {
  struct mw_watcher *watcher = new_watcher(dir);
  if (!watcher) return mw_err_set(err, MW_ENOMEM, "out of memory");
  watcher->home = home;
  watcher->changed = changed;
  watcher->arg = arg;
  int rc = mw_thread_start(&watcher->thread, "watch", run, free_watcher, watcher);
  if (rc != 0) {
    free_watcher(watcher);
    return mw_err_set(err, rc, "cannot start a thread that watches the folder");
  }
  rc = await(watcher, patience, err);
  if (rc != 0) {
    mw_thread_end(watcher->thread, end_patience);
    return rc;
  }
  report(watcher);
  *out = watcher;
  return 0;
}

void mw_watcher_close(struct mw_watcher *watcher) {
  if (!watcher) return;
  pthread_mutex_lock(&watcher->lock);
  watcher->closed = true;
  if (watcher->told) mw_loop_unpost(watcher->home, &watcher->to_home);
  pthread_mutex_unlock(&watcher->lock);
  mw_loop_post(&watcher->loop, &watcher->stop);
  mw_thread_end(watcher->thread, end_patience);
}
