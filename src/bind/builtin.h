/* Interceptors around methods that C handles: see builtin.c. */
#ifndef MW_BIND_BUILTIN_H
#define MW_BIND_BUILTIN_H

#include "bind/bind.h"

/* Pushes a Lua handler that has the handler of `route`, copied, serve the call. */
void mw_bind_push_builtin(lua_State *L, const struct mw_route *route);

#endif
