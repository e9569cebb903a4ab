#include "bind/buffer.h"

#include "bind/bind.h"

#define BUFFER "moonwire.Buffer"

static int l_gc(lua_State *L) {
  mw_buf_fini(lua_touserdata(L, 1));
  return 0;
}

struct mw_buf *mw_bind_push_buffer(lua_State *L) {
  static const luaL_Reg metamethods[] = {{"__gc", l_gc}, {NULL, NULL}};
  struct mw_buf *buf = lua_newuserdatauv(L, sizeof *buf, 0);
  *buf = (struct mw_buf)MW_BUF_INIT;
  mw_bind_push_type(L, BUFFER, NULL, metamethods);
  lua_setmetatable(L, -2);
  return buf;
}
