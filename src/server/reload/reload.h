/* Reload: puts the content of the project folder into force, on all workers or on none.
 *
 * Everything here runs on the thread of the server's control loop; no other code reads the folder. A reload reads a
 * candidate generation. Every worker loads it beside the running one and answers. Once all have loaded it, its number
 * is published, and each worker adopts it with its next call. If one worker fails, all discard it. Requests made during
 * a reload are carried out after it, once. */
#ifndef MW_SERVER_RELOAD_RELOAD_H
#define MW_SERVER_RELOAD_RELOAD_H

#include "server/worker/worker.h"

enum { MW_RELOAD_KEPT = 5 }; /* generations kept for a rollback */

struct mw_reload;

/* Receives the outcome. `text`, borrowed for the call, holds a line for people or the findings. */
typedef void (*mw_reload_done_fn)(void *arg, bool committed, const char *text);

/* Returns a reloader; NULL without memory. `home` is the control loop; the workers run `shared->generation`. */
struct mw_reload *mw_reload_new(struct mw_loop *home, struct mw_worker_shared *shared, struct mw_worker *workers,
                                unsigned n_workers);

/* Requires that no reload is under way (mw_reload_busy()). */
void mw_reload_free(struct mw_reload *reload);
bool mw_reload_busy(const struct mw_reload *reload);

/* Reads the folder and commits it if it differs. `forced` commits it even if it breaks clients on the wire, fails its
 * specs or has not changed. `done` may be NULL. */
void mw_reload_start(struct mw_reload *reload, bool forced, mw_reload_done_fn done, void *arg);

/* Does the same as mw_reload_start() except for the commit, logs nothing, and reports the outcome. `done`, not NULL,
 * gets true if the folder is accepted. */
void mw_reload_check(struct mw_reload *reload, mw_reload_done_fn done, void *arg);

/* Does the same as mw_reload_start() for a possible change of the folder. The state in which the folder was last read
 * is no change, so a rollback stays in force until the next save. */
void mw_reload_look(struct mw_reload *reload);

/* Commits a copy of generation `number` under a new number; 0 for the generation before the running one. Ends a reload
 * or check that waits for stable files or for specs. A reload that the workers are loading finishes first. */
void mw_reload_rollback(struct mw_reload *reload, uint64_t number, mw_reload_done_fn done, void *arg);

/* Starts no more reloads. Runs `stopped(arg)` once, when no reload is under way. */
void mw_reload_stop(struct mw_reload *reload, void (*stopped)(void *arg), void *arg);

/* Describes the activity of a reload under way, or its absence, for people. */
void mw_reload_describe(const struct mw_reload *reload, char *out, size_t size);

/* Return the running generation, and the i-th kept one, newest first; NULL past the last. */
const struct mw_generation *mw_reload_running(const struct mw_reload *reload);
const struct mw_generation *mw_reload_kept(const struct mw_reload *reload, unsigned i);

#endif
