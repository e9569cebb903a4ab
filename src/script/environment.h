/* The environment that a program's scripts run in: Lua's harmless functions, fresh copies of its library tables, and
 * clear errors in place of what would stop or block the server. */
#ifndef MW_SCRIPT_ENVIRONMENT_H
#define MW_SCRIPT_ENVIRONMENT_H

#include <lua.h>

/* Pushes a new environment table. `require` is left to the caller. Writing to a global that scripts do not have is an
 * error. Raises for lack of memory. */
void mw_environment_push(lua_State *L);

#endif
