/* Reads a generation when its files stand still (server/look.h).
 *
 * A thread of its own reads, as a disk or protoc may take any time; the loop goes on meanwhile. As long as the files do
 * not stand still, it waits on the loop and reads again; files that never do are reported. On the loop's thread. */
#ifndef MW_SERVER_READING_H
#define MW_SERVER_READING_H

#include "loop/loop.h"
#include "server/generation.h"

enum {
  MW_READING_LIMIT_MS = 4000, /* then files that do not stand still are reported */
  MW_READING_STALL_S = 60,    /* then a file system that does not answer is reported */
  MW_READING_LEFT_MAX = 8     /* threads that may still wait for a file system after their reading was given up */
};

/* The reading has ended: 0 and a generation, to be owned, or the error, which is to be freed. */
typedef void (*mw_reading_done_fn)(void *arg, int rc, struct mw_generation *generation, struct mw_err *err);

struct mw_reading {
  struct mw_loop *loop;
  const char *dir;
  uint64_t number;
  struct mw_generation *previous; /* see mw_generation_read() */
  const struct mw_overrides *overrides;
  mw_reading_done_fn done;
  void *arg;
  int64_t began;
  struct mw_timer *timer; /* NULL unless it waits, or while a thread reads for a sign that it stalls */
  struct mw_reading_attempt *attempt; /* of the thread that reads; NULL for none */
};

/* `done` runs later, or before this returns. Borrows `previous` until then, and `dir` and `overrides` for as long as the
 * process lives: a thread may still have them after the end of its reading. */
void mw_reading_start(struct mw_reading *reading, struct mw_loop *loop, const char *dir, uint64_t number,
                      struct mw_generation *previous, const struct mw_overrides *overrides, mw_reading_done_fn done,
                      void *arg);

/* Whether `done` has yet to run. */
bool mw_reading_waits(const struct mw_reading *reading);

/* What a reading that waits does, for people; static. */
const char *mw_reading_activity(const struct mw_reading *reading);

/* The files have changed: a thread that reads is stopped, and protoc with it, and the reading begins again; not after
 * MW_READING_LIMIT_MS. */
void mw_reading_restart(struct mw_reading *reading);

/* `done` will not run. */
void mw_reading_cancel(struct mw_reading *reading);

#endif
