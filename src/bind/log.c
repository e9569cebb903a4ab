/* mw.log: lines of the server's log. The fiber's context adds generation, worker and call. */
#include <stdlib.h>
#include <string.h>

#include "bind/base/bind.h"
#include "bind/base/openers.h"
#include "script/program/show.h"

enum { MAX_FIELDS = 64 };

static int by_key(const void *a, const void *b) {
  return strcmp(((const struct mw_log_field *)a)->key, ((const struct mw_log_field *)b)->key);
}

/* True if the arguments are a message and fields: a table of at most MAX_FIELDS names that is no object. */
static bool has_fields(lua_State *L) {
  size_t n = 0;
  if (lua_gettop(L) != 2 || !lua_istable(L, 2)) return false;
  if (luaL_getmetafield(L, 2, "__tostring") != LUA_TNIL) return lua_pop(L, 1), false;
  luaL_checkstack(L, 8, "log fields");
  for (lua_pushnil(L); lua_next(L, 2); lua_pop(L, 1)) {
    if (lua_type(L, -2) == LUA_TSTRING && n++ < MAX_FIELDS) continue;
    lua_pop(L, 2);
    return false;
  }
  return true;
}

/* Pushes the keys and values of the table at index 2, in pairs. Returns the number of pairs. */
static size_t push_pairs(lua_State *L) {
  size_t n = 0;
  luaL_checkstack(L, 2 * MAX_FIELDS + 8, "log fields");
  for (lua_pushnil(L); lua_next(L, 2); lua_pushvalue(L, -2)) n++;
  return n;
}

/* Returns the fields of the table at index 2, sorted, with an end mark. Keys and texts stay on the stack. A value's
 * __tostring may change the table; it runs after the traversal. */
static const struct mw_log_field *read_fields(lua_State *L) {
  struct mw_log_field *fields = lua_newuserdatauv(L, (MAX_FIELDS + 1) * sizeof *fields, 0);
  int first = lua_gettop(L) + 1;
  size_t n = push_pairs(L);
  for (size_t i = 0; i < n; i++) {
    int key = first + 2 * (int)i;
    fields[i] = (struct mw_log_field){lua_tostring(L, key), mw_show_push(L, key + 1)};
    lua_replace(L, key + 1);
  }
  fields[n].key = NULL;
  qsort(fields, n, sizeof *fields, by_key);
  return fields;
}

/* Pushes the text of all arguments, separated by spaces. */
static const char *push_joined(lua_State *L) {
  int n = lua_gettop(L);
  luaL_Buffer line;
  luaL_buffinit(L, &line);
  for (int i = 1; i <= n; i++) {
    if (i > 1) luaL_addchar(&line, ' ');
    mw_show_push(L, i);
    luaL_addvalue(&line);
  }
  luaL_pushresult(&line);
  return lua_tostring(L, -1);
}

static int write_line(lua_State *L, enum mw_log_level level) {
  luaL_checkany(L, 1);
  if (!mw_log_enabled(level)) return 0;
  if (lua_gettop(L) == 2 && lua_isnil(L, 2)) lua_settop(L, 1);
  const struct mw_log_field *fields = has_fields(L) ? read_fields(L) : NULL;
  mw_log(level, fields, "%s", fields ? mw_show_push(L, 1) : push_joined(L));
  return 0;
}

static int l_debug(lua_State *L) { return write_line(L, MW_LOG_DEBUG); }
static int l_info(lua_State *L) { return write_line(L, MW_LOG_INFO); }
static int l_warn(lua_State *L) { return write_line(L, MW_LOG_WARN); }
static int l_error(lua_State *L) { return write_line(L, MW_LOG_ERROR); }

void mw_bind_open_log(lua_State *L, struct mw_program *program) {
  static const luaL_Reg functions[] = {
      {"debug", l_debug}, {"info", l_info}, {"warn", l_warn}, {"error", l_error}, {NULL, NULL}};
  lua_newtable(L);
  mw_bind_functions(L, program, functions);
  lua_setfield(L, -2, "log");
}
