#include "bind/buffer.h"

#include <lauxlib.h>

#define BUFFER "moonwire.Buffer"

static int l_gc(lua_State *L) {
  mw_buf_fini(lua_touserdata(L, 1));
  return 0;
}

struct mw_buf *mw_bind_push_buffer(lua_State *L) {
  struct mw_buf *buf = lua_newuserdatauv(L, sizeof *buf, 0);
  *buf = (struct mw_buf)MW_BUF_INIT;
  if (luaL_newmetatable(L, BUFFER)) {
    lua_pushcfunction(L, l_gc);
    lua_setfield(L, -2, "__gc");
  }
  lua_setmetatable(L, -2);
  return buf;
}
