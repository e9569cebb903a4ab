/* Marks on Lua values: mw.null, and tables that are lists. */
#ifndef MW_BIND_MESSAGE_MARKER_H
#define MW_BIND_MESSAGE_MARKER_H

#include <lua.h>
#include <stdbool.h>

/* Push mw.null; return true if the value at `index` is mw.null. */
void mw_bind_push_null(lua_State *L);
bool mw_bind_is_null(lua_State *L, int index);

/* Mark the table at the top as a list, as mw.array() does; return true if the table at `index` is marked. */
void mw_bind_mark_array(lua_State *L);
bool mw_bind_is_array(lua_State *L, int index);

/* True for a table with weak references. The collector may remove its values at any allocation. */
bool mw_bind_is_weak(lua_State *L, int index);

/* Makes the metatable of marked lists, once for a state. */
void mw_marker_open(lua_State *L);

#endif
