/* Durations that scripts pass. */
#ifndef MW_BIND_SLEEP_H
#define MW_BIND_SLEEP_H

#include <lua.h>
#include <stdint.h>

/* Checks a duration in seconds at `index` and returns it in nanoseconds. */
int64_t mw_bind_check_seconds(lua_State *L, int index);

#endif
