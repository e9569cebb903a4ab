#include "script/lua/traceback.h"

#include <lauxlib.h>
#include <stdio.h>

enum { SHOWN = 16 }; /* frames of a deep stack */

static void add_frame(luaL_Buffer *out, lua_State *L, lua_State *of, lua_Debug *frame) {
  lua_getinfo(of, "Sln", frame);
  lua_pushfstring(L, "\n\t%s:", mw_place_source(frame));
  luaL_addvalue(out);
  if (frame->currentline > 0) {
    lua_pushfstring(L, "%d:", frame->currentline);
    luaL_addvalue(out);
  }
  if (frame->name) {
    lua_pushfstring(L, " in %s '%s'", frame->namewhat, frame->name);
  } else {
    lua_pushfstring(L, " in function <%s:%d>", mw_place_source(frame), frame->linedefined);
  }
  luaL_addvalue(out);
}

static void push_innermost(lua_State *L, lua_State *of, const char *text, int level) {
  luaL_Buffer out;
  lua_Debug frame;
  luaL_buffinit(L, &out);
  luaL_addstring(&out, text ? text : "");
  luaL_addstring(&out, text ? "\nstack traceback:" : "stack traceback:");
  for (int i = level; i < level + SHOWN && lua_getstack(of, i, &frame); i++) add_frame(&out, L, of, &frame);
  lua_pushfstring(L, "\n\t...\t(more than %d levels)", MW_TRACEBACK_LEVELS);
  luaL_addvalue(&out);
  luaL_pushresult(&out);
}

void mw_traceback(lua_State *L, lua_State *of, const char *text, int level) {
  lua_Debug frame;
  if (lua_getstack(of, level + MW_TRACEBACK_LEVELS, &frame)) {
    push_innermost(L, of, text, level);
  } else {
    luaL_traceback(L, of, text, level);
  }
}

bool mw_place_find(lua_State *L, char *out, size_t size) {
  lua_Debug info;
  for (int level = 0; lua_getstack(L, level, &info); level++) {
    lua_getinfo(L, "Sl", &info);
    if (info.currentline <= 0) continue;
    snprintf(out, size, "%s:%d", mw_place_source(&info), info.currentline);
    return true;
  }
  return false;
}
