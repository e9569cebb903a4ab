/* Generation reader: reads a generation once its files are stable (server/generation/stability.h).
 *
 * A thread of its own reads, because a disk or protoc may take any time; the loop continues meanwhile. While the files
 * are not stable, the reader waits on the loop and reads again. It reports files that never become stable. On the
 * loop's thread. */
#ifndef MW_SERVER_GENERATION_GENERATION_READER_H
#define MW_SERVER_GENERATION_GENERATION_READER_H

#include "loop/loop.h"
#include "server/generation/generation.h"

enum {
  MW_READING_LIMIT_MS = 4000, /* time after which unstable files are reported */
  MW_READING_STALL_S = 60,    /* time after which an unresponsive file system is reported */
  MW_READING_LEFT_MAX = 8     /* threads of abandoned readings that may still wait for a file system */
};

/* Ends the reading: rc is 0 with an owned generation, or an error, which the callback frees. */
typedef void (*mw_generation_reader_done_fn)(void *arg, int rc, struct mw_generation *generation, struct mw_err *err);

struct mw_generation_reader {
  struct mw_loop *loop;
  const char *dir;
  uint64_t number;
  struct mw_generation *previous; /* see mw_generation_read() */
  const struct mw_overrides *overrides;
  mw_generation_reader_done_fn done;
  void *arg;
  int64_t began;
  struct mw_timer *timer; /* set while the reader waits, or while it watches a reading thread for a stall */
  struct mw_generation_reader_attempt *attempt; /* attempt of the reading thread; NULL for none */
};

/* Runs `done` later, or before it returns. Borrows `previous` until then, and `dir` and `overrides` until the process
 * ends: a thread may still use them after the end of its reading. */
void mw_generation_reader_start(struct mw_generation_reader *reading, struct mw_loop *loop, const char *dir,
                                uint64_t number, struct mw_generation *previous, const struct mw_overrides *overrides,
                                mw_generation_reader_done_fn done, void *arg);

/* True if `done` has yet to run. */
bool mw_generation_reader_waits(const struct mw_generation_reader *reading);

/* Returns the activity of a reading under way, for people; static. */
const char *mw_generation_reader_activity(const struct mw_generation_reader *reading);

/* Restarts the reading after a change of the files: stops the reading thread, and protoc with it. Does nothing after
 * MW_READING_LIMIT_MS. */
void mw_generation_reader_restart(struct mw_generation_reader *reading);

/* Ends the reading. `done` will not run. */
void mw_generation_reader_cancel(struct mw_generation_reader *reading);

#endif
