/* The set of folders to watch so that no change to some paths is missed, as one inotify queue.
 *
 * For a folder of a watched tree all names matter; for a folder that a path or a link's target leads through, only
 * some. One thread. */
#ifndef MW_LOOP_FILE_WATCH_SET_H
#define MW_LOOP_FILE_WATCH_SET_H

#include "base/err.h"
#include "base/map.h"

struct mw_watch_set {
  int fd;                 /* inotify, non-blocking */
  struct mw_map interest; /* key: a watch descriptor, alone or with a name; value: see watch_set.c */
};

/* Results of mw_watch_set_read(). */
enum {
  MW_WATCH_WRITTEN = 1, /* a file was written */
  MW_WATCH_RENAMED = 2  /* names were added, removed or renamed, or events were lost: scan again */
};

/* Watches nothing yet. Returns 0, MW_EFULL (the text names the limit) or MW_EIO. */
int mw_watch_set_init(struct mw_watch_set *set, struct mw_err *err);
void mw_watch_set_fini(struct mw_watch_set *set);

/* Finds the folders to watch for `paths`, watches them, and removes all other watches. Sets `grew` if the set has
 * new folders, where changes may have been missed until now. Every later change is in the queue. Returns 0; or
 * MW_EFULL (the text names the limit), MW_EIO or MW_ENOMEM: then the set is incomplete. */
int mw_watch_set_scan(struct mw_watch_set *set, const char *const *paths, size_t n_paths, bool *grew,
                      struct mw_err *err);

/* Reads events from the queue; from a busy one only a part. Returns MW_WATCH_* bits of the events that matter. */
unsigned mw_watch_set_read(struct mw_watch_set *set);

#endif
