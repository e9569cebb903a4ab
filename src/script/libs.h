/* Lua's own functions that would defeat the runtime, replaced for the whole state: pcall and xpcall let the error
 * that ends a fiber pass (base.c); the coroutine library lets a wait inside a script's coroutine suspend the fiber
 * around it (coroutine.c); the libraries string and table keep within the budget (string.c, table.c). */
#ifndef MW_SCRIPT_LIBS_H
#define MW_SCRIPT_LIBS_H

#include <lua.h>

/* Replaces them in the globals of a state whose standard libraries are open. Raises for lack of memory. */
void mw_libs_replace(lua_State *L);

/* The parts of it. */
void mw_libs_replace_base(lua_State *L);
void mw_libs_replace_coroutine(lua_State *L);
void mw_libs_replace_string(lua_State *L);
void mw_libs_replace_table(lua_State *L);

#endif
