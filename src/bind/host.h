/* What the bindings work with: the process's shared parts and this worker's own, all borrowed. */
#ifndef MW_BIND_HOST_H
#define MW_BIND_HOST_H

#include "loop/topic.h"
#include "observe/log.h"
#include "observe/metrics.h"
#include "rpc/engine.h"
#include "script/program.h"
#include "store/store.h"

/* Where the paths of mw.fs start; any thread. */
struct mw_files {
  int fd;               /* data/files, open: relative paths start there */
  char *const *folders; /* of the setting files.folders, without a "/" at the end: absolute paths start there */
  size_t n_folders;
};

struct mw_host {
  struct mw_loop *loop;
  struct mw_engine *channels; /* opens outbound channels; NULL where there are none */
  struct mw_dispatch *dispatch;
  struct mw_store *store;
  struct mw_topics *topics;
  struct mw_metrics *metrics;
  const char *dir;           /* the project folder */
  const char *data_dir;      /* no status contains it; NULL for none */
  const struct mw_files *files;
  int64_t snapshot_age;      /* nanoseconds that a script may hold a snapshot of the store open; 0 for no limit */
  unsigned worker, workers;  /* this worker's number, from 0, and how many there are */
  bool dev;
};

#endif
