/* Interceptors around methods that C handles; builtin.c describes them. */
#ifndef MW_BIND_CALL_BUILTIN_H
#define MW_BIND_CALL_BUILTIN_H

#include "bind/base/bind.h"

/* Pushes a Lua handler that serves the call with the handler of `route`. Copies `route`. */
void mw_bind_push_builtin(lua_State *L, const struct mw_route *route);

#endif
