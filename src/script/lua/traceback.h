/* Places in scripts, and tracebacks whose cost does not grow with the depth of the stack.
 *
 * luaL_traceback() searches the outermost frames one by one from the innermost, which takes 0.2 s with 300,000 frames.
 * Here the traceback of a stack deeper than MW_TRACEBACK_LEVELS has only the innermost frames, with whole paths:
 * luaL_traceback() cuts them to 60 bytes. */
#ifndef MW_SCRIPT_LUA_TRACEBACK_H
#define MW_SCRIPT_LUA_TRACEBACK_H

#include <lua.h>
#include <stdbool.h>
#include <stddef.h>

enum { MW_TRACEBACK_LEVELS = 200 };

/* Pushes onto L the traceback of coroutine `of` from `level` on (0 is the running function), after `text`, which may be
 * NULL, and a newline. The form is that of luaL_traceback(). Raises if memory is refused. */
void mw_traceback(lua_State *L, lua_State *of, const char *text, int level);

/* Returns the whole name of a function's file; `short_src` is cut to 60 bytes. `info` has "S". */
static inline const char *mw_place_source(const lua_Debug *info) {
  return *info->source == '@' ? info->source + 1 : info->short_src;
}

/* Writes "FILE:LINE" of the innermost running Lua function of a coroutine. If there is none, writes nothing and returns
 * false. Allocates nothing. */
bool mw_place_find(lua_State *L, char *out, size_t size);

#endif
