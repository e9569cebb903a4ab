/* Values of scripts as text for log lines and errors. */
#ifndef MW_SCRIPT_PROGRAM_SHOW_H
#define MW_SCRIPT_PROGRAM_SHOW_H

#include <lua.h>

/* Limits of a text: bytes, levels of tables, entries of each table. "..." replaces the rest. */
enum { MW_SHOW_BYTES = 8 * 1024, MW_SHOW_LEVELS = 4, MW_SHOW_ENTRIES = 64 };

/* Pushes and returns the text of the value at `index`. A string is its own text. A table without __tostring is its
 * entries, as in { 1, 2, name = "x" }, with sorted names. Other values are converted as by luaL_tolstring(). A zero
 * byte becomes \0. Raises the error of a __tostring, and as mw_budget_check() does. */
const char *mw_show_push(lua_State *L, int index);

/* The same for an error, in its message handler. An error that is no string begins with "FILE:LINE: " of the innermost
 * Lua function. */
const char *mw_show_push_error(lua_State *L, int index);

#endif
