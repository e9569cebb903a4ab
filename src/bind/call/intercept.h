/* Interceptors around handlers; intercept.c describes them. */
#ifndef MW_BIND_CALL_INTERCEPT_H
#define MW_BIND_CALL_INTERCEPT_H

#include "bind/base/bind.h"

/* True if an interceptor of the program wraps `method`. */
bool mw_bind_is_intercepted(lua_State *L, struct mw_program *program, const struct mw_method_type *method);

/* Wraps the handler of `method`, at the top of the stack, in the program's interceptors. */
void mw_bind_intercept(lua_State *L, struct mw_program *program, const struct mw_method_type *method);

#endif
