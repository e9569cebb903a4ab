/* Tables of an API whose fields are all there from the beginning: reading another one raises, with the nearest name. */
#ifndef MW_SCRIPT_GUARD_H
#define MW_SCRIPT_GUARD_H

#include <lua.h>

/* The string key nearest to `word` (base/text.h) of the table at `index`; NULL for none. Belongs to the table. */
const char *mw_guard_nearest(lua_State *L, int index, const char *word);

/* Guards the table at the top. `name` is for the error: "mw.status has no notfound (did you mean not_found?)". A metatable that the
 * table has is kept; one with an __index of its own is left as it is. */
void mw_guard_fields(lua_State *L, const char *name);

#endif
