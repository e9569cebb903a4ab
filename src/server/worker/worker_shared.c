#include "server/worker/worker_shared.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "base/clock.h"
#include "engine/core/core.h"
#include "observe/log_output.h"
#include "server/files/fs.h"
#include "server/settings/engines.h"
#include "server/settings/files.h"

enum {
  MOST_DESCRIPTORS = 1 << 20, /* maximum to which the soft limit is raised */
  OTHERS = 32,
  OTHERS_OF_WORKER = 8 /* other descriptors than connections: in all, and for each worker */
};

static bool in_memory(const struct mw_settings *settings) { return strcmp(settings->data, ":memory:") == 0; }

static int open_data(struct mw_worker_shared *shared, struct mw_err *err) {
  const struct mw_settings *settings = shared->settings;
  if (!*settings->data) return mw_err_set(err, MW_EINVAL, "data: expected a folder or :memory:, got nothing");
  if (!in_memory(settings)) {
    shared->data_dir = strdup(settings->data);
    if (!shared->data_dir) return mw_err_set(err, MW_ENOMEM, "out of memory");
    if (mw_folder_make(settings->data) == 0) return 0;
    mw_err_set(err, MW_EIO, "cannot make the data folder %s: %s", settings->data, strerror(errno));
    return mw_settings_prefix_finding(settings, NULL, "data", err);
  }
  int rc = mw_temporary_make(&shared->temporary, err);
  shared->data_dir = shared->temporary.path;
  return rc;
}

static void close_data(struct mw_worker_shared *shared) {
  if (shared->data_dir != shared->temporary.path) free(shared->data_dir);
  mw_temporary_remove(&shared->temporary);
}

/* Makes data/files before a new store. Moves the files of an older data folder under the lock of the store. */
static int open_store(struct mw_worker_shared *shared, struct mw_err *err) {
  struct mw_store_options options = {.path = ":memory:", .map_size = shared->settings->store_bytes};
  char *path = NULL;
  if (!in_memory(shared->settings)) {
    if (asprintf(&path, "%s/store", shared->data_dir) < 0) return mw_err_set(err, MW_ENOMEM, "out of memory");
    options.path = path;
  }
  int rc = mw_files_make(shared->data_dir, err);
  if (rc == 0) rc = mw_store_open(&shared->store, &options, err);
  if (rc == 0) rc = mw_files_open(&shared->files, shared->data_dir, shared->dir, shared->settings, err);
  free(path);
  return rc;
}

/* Raises the soft limit of open files to the maximum of this process. Returns the limit; 0 if it is unknown. */
static rlim_t raise_descriptors(void) {
  struct rlimit files;
  if (getrlimit(RLIMIT_NOFILE, &files) != 0) return 0;
  rlim_t soft = files.rlim_cur;
  files.rlim_cur = files.rlim_max < MOST_DESCRIPTORS ? files.rlim_max : MOST_DESCRIPTORS;
  return soft < files.rlim_cur && setrlimit(RLIMIT_NOFILE, &files) == 0 ? files.rlim_cur : soft;
}

/* The default maximum is the limit of open files without those that workers, files and clients need. */
static unsigned most_connections(const struct mw_settings *settings) {
  rlim_t all = raise_descriptors(), others = all / 8 + OTHERS + OTHERS_OF_WORKER * settings->workers;
  if (settings->clients.connections > 0) return settings->clients.connections;
  if (all == 0 || all > INT32_MAX) return 0;
  return (unsigned)(others < all / 2 ? all - others : all / 2);
}

/* Ignores a lack of memory: lines are dropped without the counter too. */
static void count_dropped_lines(struct mw_metrics *metrics) {
  const struct mw_metric_definition lines = {.kind = MW_METRIC_COUNTER,
                                             .name = "moonwire_log_lines_dropped_total",
                                             .help = "Log lines that stderr did not take in time."};
  struct mw_metric *counter = mw_metrics_open(metrics, &lines, NULL);
  if (counter) mw_log_set_dropped_counter(counter);
}

int mw_worker_shared_open(struct mw_worker_shared *shared, const char *dir, struct mw_generation *generation,
                          struct mw_err *err) {
  const struct mw_settings *settings = &generation->settings;
  *shared = (struct mw_worker_shared){.settings = settings,
                                      .dir = dir,
                                      .generation = mw_generation_ref(generation),
                                      .files = MW_FILES_INIT,
                                      .temporary = MW_TEMPORARY_INIT,
                                      .grace = mw_duration_from_seconds(settings->grace)};
  int rc = MW_EINVAL;
  shared->engine = mw_server_engine(settings->engine);
  if (!shared->engine) {
    mw_err_set(err, rc, "engine %s: no such engine; expected " MW_SERVER_ENGINES, settings->engine);
    goto failed;
  }
  shared->channels = shared->engine->channels ? shared->engine : &mw_engine_core;
  rc = mw_pool_new(&shared->builtin, mw_slice(NULL, 0), err);
  if (rc == 0) rc = open_data(shared, err);
  if (rc == 0) rc = open_store(shared, err);
  if (rc != 0) goto failed;
  bool teamed = settings->workers > 1 && shared->engine->team_new;
  if (teamed) shared->team = shared->engine->team_new(settings->workers);
  shared->topics = mw_topics_new();
  shared->metrics = mw_metrics_new();
  shared->connections = most_connections(settings);
  shared->open = calloc(1, sizeof *shared->open);
  if (shared->topics && shared->metrics && shared->open && (shared->team || !teamed)) {
    count_dropped_lines(shared->metrics);
    return 0;
  }
  rc = mw_err_set(err, MW_ENOMEM, "out of memory");
failed:
  mw_worker_shared_close(shared);
  return rc;
}

void mw_worker_shared_close(struct mw_worker_shared *shared) {
  mw_log_set_dropped_counter(NULL);
  if (shared->metrics) mw_metrics_free(shared->metrics);
  if (shared->topics) mw_topics_free(shared->topics);
  free(shared->open);
  if (shared->team) shared->engine->team_free(shared->team);
  mw_files_close(&shared->files);
  mw_store_close(shared->store);
  close_data(shared);
  mw_pool_unref(shared->builtin);
  mw_generation_unref(shared->generation);
}
