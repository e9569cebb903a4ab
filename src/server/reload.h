/* Reload: brings what the project folder holds into force, on all workers or on none.
 *
 * Everything here runs on the thread of the server's control loop, which alone reads the folder. A reload reads a
 * candidate generation; every worker loads it beside the running one and answers; when all have it, its number is
 * published and each worker goes over to it with its next call. One failure, and all forget it. What is asked for
 * meanwhile is done afterwards, once. */
#ifndef MW_SERVER_RELOAD_H
#define MW_SERVER_RELOAD_H

#include "server/worker.h"

enum { MW_RELOAD_KEPT = 5 }; /* generations that can be rolled back to */

struct mw_reload;

/* What became of one: `text` has a line for people, or the findings. Borrowed for the call. */
typedef void (*mw_reload_done_fn)(void *arg, bool committed, const char *text);

/* `home` is the control loop; `running` the generation that the workers started with. NULL without memory. */
struct mw_reload *mw_reload_new(struct mw_loop *home, struct mw_shared *shared, struct mw_worker *workers,
                                unsigned n_workers);

/* No reload is under way (mw_reload_busy()). */
void mw_reload_free(struct mw_reload *reload);
bool mw_reload_busy(const struct mw_reload *reload);

/* Reads the folder and commits it if it differs; `forced`: even when it breaks the wire for clients or fails
 * its specs, and even when nothing has changed. `done` may be NULL. */
void mw_reload_start(struct mw_reload *reload, bool forced, mw_reload_done_fn done, void *arg);

/* Tells what mw_reload_start() would do, and does all of it but to commit: nothing is logged or changed. `done`, not
 * NULL, is told whether the folder is accepted. */
void mw_reload_check(struct mw_reload *reload, mw_reload_done_fn done, void *arg);

/* The same as mw_reload_start() for whoever knows only that something may have happened to the folder: what it held when it
 * was last read is no change, so that a rollback stays in force until the next save. */
void mw_reload_look(struct mw_reload *reload);

/* Commits a copy of generation `number` under a new number; 0 for the one before the running one. Ends a reload or
 * check that waits for files to stand still or for specs; one that the workers are at comes to its end first. */
void mw_reload_rollback(struct mw_reload *reload, uint64_t number, mw_reload_done_fn done, void *arg);

/* Starts no more reloads; `stopped(arg)` runs, once, when none is under way. */
void mw_reload_stop(struct mw_reload *reload, void (*stopped)(void *arg), void *arg);

/* What a reload under way does, or that there is none, for people. */
void mw_reload_describe(const struct mw_reload *reload, char *out, size_t size);

/* The running generation, and the i-th of those kept, newest first; NULL past the last. */
const struct mw_generation *mw_reload_running(const struct mw_reload *reload);
const struct mw_generation *mw_reload_kept(const struct mw_reload *reload, unsigned i);

#endif
