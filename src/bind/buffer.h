/* A struct mw_buf that Lua owns, for bytes that are built while Lua may raise. */
#ifndef MW_BIND_BUFFER_H
#define MW_BIND_BUFFER_H

#include <lua.h>

#include "base/buf.h"

/* Pushes an empty buffer, freed when it is collected; freeing it earlier by mw_buf_fini() is allowed. */
struct mw_buf *mw_bind_push_buffer(lua_State *L);

#endif
