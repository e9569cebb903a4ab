/* Details for people in the statuses of failed calls. */
#ifndef MW_BIND_BASE_DEBUG_INFO_H
#define MW_BIND_BASE_DEBUG_INFO_H

#include <lua.h>

/* Adds a google.rpc.DebugInfo to the status at the top: the lines of `traceback`, which may be NULL, and the
 * generation, worker and call. */
void mw_bind_add_debug_info(lua_State *L, const char *traceback);

/* Replaces each byte that belongs to no UTF-8 character by "?", because a status carries only UTF-8. */
void mw_bind_make_utf8(char *text);

#endif
