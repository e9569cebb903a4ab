/* mw.log: lines of the server's log. Who is speaking (generation, worker, call) is added by the fiber's context. */
#include <stdlib.h>
#include <string.h>

#include "bind/bind.h"

enum { MAX_FIELDS = 64 };

/* Pushes the value at `index` as text. The log takes C strings: a zero byte becomes \0. */
static const char *push_text(lua_State *L, int index) {
  size_t len;
  const char *text = luaL_tolstring(L, index, &len);
  if (strlen(text) == len) return text;
  unsigned steps = 0;
  luaL_Buffer out;
  luaL_buffinit(L, &out);
  for (size_t i = 0; i < len; i++) {
    mw_budget_tick(L, &steps);
    if (text[i] == '\0') {
      luaL_addlstring(&out, "\\0", 2);
    } else {
      luaL_addchar(&out, text[i]);
    }
  }
  luaL_pushresult(&out);
  lua_remove(L, -2);
  return lua_tostring(L, -1);
}

static int by_key(const void *a, const void *b) {
  return strcmp(((const struct mw_log_field *)a)->key, ((const struct mw_log_field *)b)->key);
}

/* Pushes the keys and values of the table at index 2, in pairs. Returns how many pairs. */
static size_t push_pairs(lua_State *L) {
  size_t n = 0;
  luaL_checktype(L, 2, LUA_TTABLE);
  luaL_checkstack(L, 2 * MAX_FIELDS + 8, "log fields");
  for (lua_pushnil(L); lua_next(L, 2); lua_pushvalue(L, -2)) {
    if (lua_type(L, -2) != LUA_TSTRING) luaL_argerror(L, 2, "expected fields with names: {name = value}");
    if (n++ == MAX_FIELDS) luaL_argerror(L, 2, "expected at most 64 fields");
  }
  return n;
}

/* The fields of the table at index 2, sorted, with an end mark; keys and texts stay on the stack. A value's __tostring
 * may change the table: it runs after the last pair was taken from it. */
static const struct mw_log_field *read_fields(lua_State *L) {
  struct mw_log_field *fields = lua_newuserdatauv(L, (MAX_FIELDS + 1) * sizeof *fields, 0);
  int first = lua_gettop(L) + 1;
  size_t n = push_pairs(L);
  for (size_t i = 0; i < n; i++) {
    int key = first + 2 * (int)i;
    fields[i] = (struct mw_log_field){lua_tostring(L, key), push_text(L, key + 1)};
    lua_replace(L, key + 1);
  }
  fields[n].key = NULL;
  qsort(fields, n, sizeof *fields, by_key);
  return fields;
}

static int write_line(lua_State *L, enum mw_log_level level) {
  luaL_checkany(L, 1);
  if (!mw_log_enabled(level)) return 0;
  lua_settop(L, 2);
  const struct mw_log_field *fields = lua_isnil(L, 2) ? NULL : read_fields(L);
  mw_log(level, fields, "%s", push_text(L, 1));
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
