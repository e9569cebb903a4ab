#include "bind/base/buffer.h"

#include "bind/base/bind.h"

#define BUFFER "moonwire.Buffer"

/* Runs as __close and as __gc: after a hard cut no function runs, and the collector frees the bytes. */
static int l_free(lua_State *L) {
  mw_buf_fini(lua_touserdata(L, 1));
  return 0;
}

struct mw_buf *mw_bind_push_buffer(lua_State *L) {
  static const luaL_Reg metamethods[] = {{"__close", l_free}, {"__gc", l_free}, {NULL, NULL}};
  struct mw_buf *buf = lua_newuserdatauv(L, sizeof *buf, 0);
  *buf = (struct mw_buf){.quota = &mw_vm_of(L)->memory};
  mw_bind_push_type(L, BUFFER, NULL, metamethods);
  lua_setmetatable(L, -2);
  lua_toclose(L, -1);
  return buf;
}
