/* Tables of an API whose fields all exist from the beginning. Reading another field raises, with the nearest name. */
#ifndef MW_SCRIPT_LUA_GUARD_H
#define MW_SCRIPT_LUA_GUARD_H

#include <lua.h>

/* Returns the string key of the table at `index` that is nearest to `word` (base/text.h), or NULL. The table owns
 * it. */
const char *mw_guard_nearest(lua_State *L, int index, const char *word);

/* Guards the table at the top. `name` is for the error: "mw.status has no notfound (did you mean not_found?)". Keeps an
 * existing metatable; one with an __index of its own stays unchanged. */
void mw_guard_fields(lua_State *L, const char *name);

#endif
