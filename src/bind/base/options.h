/* Tables of options, and names. Options are read raw: no metamethod of a script runs. A binding reads its options
 * before it takes any pointer that Lua code could make invalid. */
#ifndef MW_BIND_BASE_OPTIONS_H
#define MW_BIND_BASE_OPTIONS_H

#include <lua.h>
#include <stdbool.h>

/* Raises unless the value at `arg`, an absolute index, is absent or a table whose keys are all in `allowed`, which ends
 * with NULL. Returns true if there is a table. The error names the function `what`. */
bool mw_bind_check_options(lua_State *L, int arg, const char *what, const char *const *allowed);

/* Pushes the option `name` of the table at `arg`, or nil if there is no table. Returns its type. */
int mw_bind_get_option(lua_State *L, int arg, const char *name);

/* The string at `arg`. Raises for other values, and for a string with a zero byte, because C would end it there. */
const char *mw_bind_check_name(lua_State *L, int arg);

#endif
