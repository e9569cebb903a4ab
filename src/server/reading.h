/* Reads a generation when its files stand still (server/look.h).
 *
 * As long as they do not, it waits on the loop, which goes on meanwhile, and reads again; files that never do are
 * reported. On the loop's thread. */
#ifndef MW_SERVER_READING_H
#define MW_SERVER_READING_H

#include "loop/loop.h"
#include "server/generation.h"

enum { MW_READING_LIMIT_MS = 4000 }; /* then files that do not stand still are reported */

/* The reading has ended: 0 and a generation, to be owned, or the error, which is to be freed. */
typedef void (*mw_reading_done_fn)(void *arg, int rc, struct mw_generation *generation, struct mw_err *err);

struct mw_reading {
  struct mw_loop *loop;
  const char *dir;
  uint64_t number;
  const struct mw_generation *previous; /* see mw_generation_read() */
  const struct mw_overrides *overrides;
  mw_reading_done_fn done;
  void *arg;
  int64_t began;
  struct mw_timer *timer; /* NULL unless it waits */
};

/* `done` runs later, or before this returns. Borrows `dir`, `previous` and `overrides` until then. */
void mw_reading_start(struct mw_reading *reading, struct mw_loop *loop, const char *dir, uint64_t number,
                      const struct mw_generation *previous, const struct mw_overrides *overrides,
                      mw_reading_done_fn done, void *arg);

/* Whether `done` has yet to run. */
bool mw_reading_waits(const struct mw_reading *reading);

/* `done` will not run. */
void mw_reading_cancel(struct mw_reading *reading);

#endif
