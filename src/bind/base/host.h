/* The parts of the process and of this worker that the bindings use. All are borrowed. */
#ifndef MW_BIND_BASE_HOST_H
#define MW_BIND_BASE_HOST_H

#include "loop/topic.h"
#include "observe/log.h"
#include "observe/metrics.h"
#include "rpc/engine.h"
#include "script/program/program.h"
#include "store/store.h"

/* The start folders of mw.fs. Any thread. */
struct mw_files {
  int fd;               /* data/files, open: the start of relative paths */
  char *const *folders; /* of the setting files.folders, without a "/" at the end: the starts of absolute paths */
  size_t n_folders;
};

struct mw_host {
  struct mw_loop *loop;
  struct mw_engine *channels; /* opens outbound channels, or NULL */
  struct mw_dispatch *dispatch;
  struct mw_store *store;
  struct mw_topics *topics;
  struct mw_metrics *metrics;
  const char *dir;      /* the project folder */
  const char *data_dir; /* no status contains it; may be NULL */
  const struct mw_files *files;
  int64_t snapshot_age;     /* nanoseconds for which a script may hold a store snapshot open; 0 for no limit */
  unsigned worker, workers; /* this worker's number, from 0, and the number of workers */
  bool dev;
};

#endif
