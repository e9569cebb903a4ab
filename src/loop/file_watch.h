/* Watches files and folders, and calls `changed` when they may have changed.
 *
 * The watch never reads a file: the callee compares contents. It may call `changed` without a change, but it never
 * misses one: each change on disk either precedes the start of `changed` or causes another call.
 *
 * Each path is a file or a folder; a folder includes all below it. A path may be missing at first, vanish and come
 * back. Symbolic links in it are followed as the kernel does, and may be replaced. In folders, names that start with
 * a dot are ignored unless a link leads through them. Changes that inotify does not report are not detected: a file
 * system mounted over a folder, writes through another hard link or by another machine. */
#ifndef MW_LOOP_FILE_WATCH_H
#define MW_LOOP_FILE_WATCH_H

#include "loop/loop.h"

enum { MW_WATCH_QUIET_MS = 20, MW_WATCH_LIMIT_MS = 500, MW_FILE_WATCH_POLL_MS = 1000 };

struct mw_watch_options {
  const char *const *paths; /* copied */
  size_t n_paths;
  unsigned quiet_ms;          /* call `changed` after this time without an event; 0: MW_WATCH_QUIET_MS */
  unsigned limit_ms;          /* but at most this time after the first event; 0: MW_WATCH_LIMIT_MS */
  void (*changed)(void *arg); /* on the loop's thread; may close the watch */
  void *arg;
};

struct mw_watch;

/* Watches from now on: read the files after this call, not before. Scans the folders on the loop's thread, now and
 * whenever names in them change (some microseconds a folder). Returns 0 and an owned watch, or MW_ENOMEM. */
int mw_watch_new(struct mw_watch **out, struct mw_loop *loop, const struct mw_watch_options *options,
                 struct mw_err *err);

/* Returns NULL while everything is watched. Otherwise returns the cause and the remedy (a system limit to raise);
 * `changed` then runs every MW_FILE_WATCH_POLL_MS, each time after a new attempt. Borrowed until the loop runs on. It
 * changes only in mw_watch_new() and before `changed` runs, so read it there. */
const char *mw_watch_problem(const struct mw_watch *watch);

/* Frees it, on the loop's thread and before the end of the loop; `changed` does not run after it. NULL is allowed. */
void mw_watch_close(struct mw_watch *watch);

#endif
