/* A look at the files that a generation is read from: whether somebody is writing to them, and what tells one state of
 * them from another.
 *
 * A save is not one step. An editor that writes in place empties the file first, and what is empty or cut short may
 * still be a valid script; of a save of several files some come first. So a reading counts when no file was being
 * written to before it, and a look after it finds what the one before it found. */
#ifndef MW_SERVER_LOOK_H
#define MW_SERVER_LOOK_H

#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"

enum {
  MW_LOOK_FRESH_MS = 10,  /* a file that was changed less than so long ago may be changed again without its times telling */
  MW_LOOK_OPEN_MS = 2000, /* who has not written for so long to a file that is open, and not empty, has written all */
  MW_LOOK_AGAIN_MS = 10   /* when to look again at a file that is open for writing */
};

struct mw_look {
  struct mw_buf stamps; /* path, identity, size and times of every file, in the order of their paths */
  struct mw_buf busy;   /* the path of a file that is being written to; empty when none is */
  int64_t wait;         /* nanoseconds after which to look again; 0 when no file is being written to */
};

/* Looks at DIR's protos, scripts and settings. `now`: mw_clock_wall, which is asked again after each file: a file that
 * changes during the look has changed before that. Returns 0 and a look, which mw_look_fini() frees; MW_EIO (a folder
 * that cannot be read) or MW_ENOMEM. */
int mw_look_take(struct mw_look *out, const char *dir, int64_t (*now)(void), struct mw_err *err);
void mw_look_fini(struct mw_look *look);

/* The path of a file that is not the same in both looks, or is in one alone; NULL when nothing is different. Borrowed
 * from the looks. */
const char *mw_look_difference(const struct mw_look *a, const struct mw_look *b);

#endif
