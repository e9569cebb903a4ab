/* Watches files and folders, and says when something about them may have changed.
 *
 * It never reads a file: who is told compares what it finds with what it had. So it may tell for nothing, and must
 * never keep quiet: what is on the disk when `changed` begins to run was either there before, or is told again.
 *
 * Each path may be a folder, with all below it, or a file; it may not exist yet, vanish, come back, and be a symbolic
 * link or lead through some, which are followed as the kernel does and may be swapped. In folders, names that start
 * with a dot do not count, unless a link leads through them. What inotify is not told by the kernel stays unseen: a
 * file system mounted over a folder, writes by way of another hard link or by another machine. */
#ifndef MW_LOOP_WATCH_H
#define MW_LOOP_WATCH_H

#include "loop/loop.h"

enum { MW_WATCH_QUIET_MS = 20, MW_WATCH_LIMIT_MS = 500, MW_WATCH_LOOK_MS = 1000 };

struct mw_watch_options {
  const char *const *paths; /* copied */
  size_t n_paths;
  unsigned quiet_ms; /* tell when nothing has happened for so long; 0: MW_WATCH_QUIET_MS */
  unsigned limit_ms; /* but no later than so long after the first thing that did; 0: MW_WATCH_LIMIT_MS */
  void (*changed)(void *arg); /* on the loop's thread; may close the watch */
  void *arg;
};

struct mw_watch;

/* Watches from now on: read the files after this, not before. On the loop's thread, which looks through the folders,
 * now and whenever names in them change (some microseconds for each folder). Returns 0 and an owned watch, or
 * MW_ENOMEM. */
int mw_watch_new(struct mw_watch **out, struct mw_loop *loop, const struct mw_watch_options *options,
                 struct mw_err *err);

/* NULL while all is watched. Otherwise why not and what helps (a limit of the system to raise); meanwhile `changed`
 * runs every MW_WATCH_LOOK_MS, each time after trying again. Borrowed until the loop runs on. It can become another
 * only before `changed` runs, so look at it there, and after mw_watch_new(). */
const char *mw_watch_problem(const struct mw_watch *watch);

/* Frees it, on the loop's thread and before the loop ends; `changed` does not run after it. NULL is allowed. */
void mw_watch_close(struct mw_watch *watch);

#endif
