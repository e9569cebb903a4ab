#include "bind/bind.h"
#define S(n) __attribute__((weak)) void mw_bind_open_##n(lua_State *L, struct mw_program *p) {}
S(client)
