/* Gives memory back to the system after a burst.
 *
 * Lua keeps its garbage while nothing runs, and the C library keeps what is freed. So the process's own resident memory is
 * looked at every few seconds. Once it has grown a lot, or the process has worked a while, since the last trim and is mostly idle,
 * the workers collect their garbage and malloc_trim() returns the free pages. A process that is busy would soon take them again. */
#ifndef MW_SERVER_TRIM_H
#define MW_SERVER_TRIM_H

#include "server/survey.h"

struct mw_trim;

/* Begins to look, on the home loop, and shows moonwire_resident_bytes and moonwire_topic_bytes. Returns owned, NULL without
 * memory. */
struct mw_trim *mw_trim_start(const struct mw_crew *crew);

/* Stops. On the home loop's thread, with the workers still there or gone. NULL is allowed. */
void mw_trim_stop(struct mw_trim *trim);

#endif
