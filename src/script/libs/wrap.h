/* Wrappers of Lua's library functions. */
#ifndef MW_SCRIPT_LIBS_WRAP_H
#define MW_SCRIPT_LIBS_WRAP_H

#include <lua.h>

/* The length of the longest format of string.format, string.pack and their like, in bytes. */
enum { MW_FORMAT_MAX = 256 * 1024 };

/* Replaces the function `name` of the table at the top of the stack by `function`, whose upvalue 1 is the old one. */
void mw_libs_wrap(lua_State *L, const char *name, lua_CFunction function);

/* Called by `function`: runs the old one on the arguments in this very frame, so that errors about them have its name.
 * Returns its number of results. */
int mw_libs_call_wrapped(lua_State *L);

/* Like mw_libs_call_wrapped(); raises if the first argument, a format, is too long. */
int mw_libs_with_format(lua_State *L);

#endif
