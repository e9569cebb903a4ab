/* Returns free memory to the system after a burst.
 *
 * Lua keeps its garbage while no code runs, and the C library keeps freed memory. The trim therefore checks the
 * process's private resident memory every two seconds. Once that has grown by much, or the process has worked for a
 * while, since the last trim, and the process is mostly idle, the workers collect their garbage and malloc_trim()
 * returns the free pages. A busy process would soon need them again. */
#ifndef MW_SERVER_WORKER_TRIM_H
#define MW_SERVER_WORKER_TRIM_H

#include "server/worker/broadcast.h"

struct mw_trim;

/* Starts the checks on the home loop, and sets moonwire_resident_bytes and moonwire_topic_bytes. Returns owned; NULL
 * without memory. */
struct mw_trim *mw_trim_start(const struct mw_workers *workers);

/* Stops the checks. On the home loop's thread, before or after the end of the workers. Accepts NULL. */
void mw_trim_stop(struct mw_trim *trim);

#endif
