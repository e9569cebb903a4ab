#include "bind/bind.h"
#define S(n) __attribute__((weak)) void mw_bind_open_##n(lua_State *L, struct mw_program *p) {}
S(topic) S(store) S(client) S(fs) S(log) S(metrics) S(json) S(time) S(env) S(host)
__attribute__((weak)) int mw_cli_call(int argc, char **argv);
__attribute__((weak)) int mw_cli_call(int argc, char **argv) { return 1; }
