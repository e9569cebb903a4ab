/* A struct mw_buf that Lua owns, for building bytes while Lua may raise. Its bytes count in the worker's memory. */
#ifndef MW_BIND_BASE_BUFFER_H
#define MW_BIND_BASE_BUFFER_H

#include <lua.h>

#include "base/buf.h"

/* Pushes an empty buffer as a to-be-closed value: an error, or the end of the C function, frees its bytes at once.
 * Remove its slot from the stack by lua_settop(), lua_pop() or lua_closeslot(), which free them too. */
struct mw_buf *mw_bind_push_buffer(lua_State *L);

#endif
