/* Values of scripts as text for people: log lines, errors. */
#ifndef MW_SCRIPT_SHOW_H
#define MW_SCRIPT_SHOW_H

#include <lua.h>

/* Most bytes of a text, levels of tables and entries of each that are shown; "..." stands for the rest. */
enum { MW_SHOW_BYTES = 8 * 1024, MW_SHOW_LEVELS = 4, MW_SHOW_ENTRIES = 64 };

/* Pushes the text of the value at `index`, and returns it: of a string itself; of a table without __tostring its entries, as in
 * { 1, 2, name = "x" }, the named ones sorted; else as luaL_tolstring(). A zero byte becomes \0. Raises what a __tostring raises,
 * and as mw_budget_check(). */
const char *mw_show_push(lua_State *L, int index);

/* The same of an error, in its message handler: one that is no string begins with "FILE:LINE: " of the innermost Lua function. */
const char *mw_show_push_error(lua_State *L, int index);

#endif
