/* Interceptors: see intercept.c. */
#ifndef MW_BIND_INTERCEPT_H
#define MW_BIND_INTERCEPT_H

#include "bind/bind.h"

/* Whether any interceptor of the program wraps `method`. */
bool mw_bind_is_intercepted(lua_State *L, struct mw_program *program, const struct mw_method_type *method);

/* Replaces the handler of `method` at the top of the stack by one with the program's interceptors around it. */
void mw_bind_intercept(lua_State *L, struct mw_program *program, const struct mw_method_type *method);

#endif
