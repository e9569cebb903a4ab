/* The environment of a program's scripts: Lua's harmless functions, fresh copies of its library tables, and clear
 * errors in place of functions that would stop or block the server. */
#ifndef MW_SCRIPT_PROGRAM_ENVIRONMENT_H
#define MW_SCRIPT_PROGRAM_ENVIRONMENT_H

#include <lua.h>
#include <stdbool.h>

#define MW_NO_FINALIZERS "scripts cannot have finalizers (__gc): use a <close> variable and __close"

/* Pushes a new environment table. The caller adds `require`. Writing to a global that does not exist is an error.
 * Raises for lack of memory. */
void mw_environment_push(lua_State *L);

/* True if the table at `index` has a __gc. Lua reads __gc only when the table becomes a metatable. So every C function
 * that makes a script's table a metatable asks first, and rejects the table with MW_NO_FINALIZERS. A finalizer would
 * run at any allocation, outside of its program and of any budget. */
bool mw_has_finalizer(lua_State *L, int index);

#endif
