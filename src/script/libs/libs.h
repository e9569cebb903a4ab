/* Replacements, in the whole state, of Lua functions that would defeat the runtime. pcall and xpcall let the error that
 * ends a fiber pass (base.c). In the coroutine library, a wait inside a script's coroutine suspends the fiber around it
 * (coroutine.c). The libraries string and table keep within the budget (string.c, table.c). os reads the clock of
 * mw.time (os.c). */
#ifndef MW_SCRIPT_LIBS_LIBS_H
#define MW_SCRIPT_LIBS_LIBS_H

#include <lua.h>

/* Replaces them in the globals of a state whose standard libraries are open. Raises for lack of memory. */
void mw_libs_replace(lua_State *L);

/* The parts of mw_libs_replace(). */
void mw_libs_replace_base(lua_State *L);
void mw_libs_replace_coroutine(lua_State *L);
void mw_libs_replace_os(lua_State *L);
void mw_libs_replace_string(lua_State *L);
void mw_libs_replace_table(lua_State *L);

#endif
