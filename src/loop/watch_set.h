/* The folders that have to be watched so that no change to some paths is missed, as one inotify queue.
 *
 * Of each folder it is known whether all names in it matter (it is part of a watched tree) or only some (a path, or a
 * link's target, leads through them). One thread. */
#ifndef MW_LOOP_WATCH_SET_H
#define MW_LOOP_WATCH_SET_H

#include "base/err.h"
#include "base/map.h"

struct mw_watch_set {
  int fd;                 /* inotify, non-blocking */
  struct mw_map interest; /* watch descriptor: whether all names matter; the same and a name: it does */
};

/* What mw_watch_set_read() found. */
enum {
  MW_WATCH_WRITTEN = 1, /* a file was written to */
  MW_WATCH_RENAMED = 2  /* names came, went or changed, or it is not known what happened: scan again */
};

/* Watches nothing yet. Returns 0, MW_EFULL (a limit, which is named) or MW_EIO. */
int mw_watch_set_init(struct mw_watch_set *set, struct mw_err *err);
void mw_watch_set_fini(struct mw_watch_set *set);

/* Finds out from the disk what to watch for `paths`, watches it, and lets go of all else. `grew` says whether folders
 * came in, in which something may have happened unseen until now. Whatever happens after this is in the queue.
 * Returns 0; MW_EFULL (a limit, which is named), MW_EIO or MW_ENOMEM: then not all is watched. */
int mw_watch_set_scan(struct mw_watch_set *set, const char *const *paths, size_t n_paths, bool *grew,
                      struct mw_err *err);

/* Takes events off the queue, of a busy one a part. Returns the bits above for those that matter. */
unsigned mw_watch_set_read(struct mw_watch_set *set);

#endif
