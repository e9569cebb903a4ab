#include "script/program/show.h"

#include <ctype.h>
#include <lauxlib.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "script/lua/traceback.h"
#include "script/state/budget.h"

enum { STRING_BYTES = 256 }; /* bytes of a string within a table */

struct shown {
  lua_State *L;
  char text[MW_SHOW_BYTES];
  size_t len;
  unsigned steps;
  const void *path[MW_SHOW_LEVELS]; /* the surrounding tables */
};

/* ---- text ---- */

static bool is_full(const struct shown *s) { return s->len == sizeof s->text; }

static void put(struct shown *s, const char *bytes, size_t len) {
  size_t room = sizeof s->text - s->len;
  if (len > room) len = room;
  memcpy(s->text + s->len, bytes, len);
  s->len += len;
}

static void put_str(struct shown *s, const char *text) { put(s, text, strlen(text)); }

static void put_quoted(struct shown *s, const char *bytes, size_t len) {
  size_t n = len < STRING_BYTES ? len : STRING_BYTES;
  put(s, "\"", 1);
  for (size_t i = 0; i < n; i++) {
    const char *escape = bytes[i] == '"' ? "\\\"" : bytes[i] == '\\' ? "\\\\" : bytes[i] == '\n' ? "\\n" : NULL;
    if (bytes[i] == '\0') escape = "\\0";
    if (escape) {
      put_str(s, escape);
    } else {
      put(s, &bytes[i], 1);
    }
  }
  put_str(s, n < len ? "...\"" : "\"");
}

/* ---- tables ---- */

static void put_value(struct shown *s, int index, unsigned level);

static bool is_name(const char *text, size_t len) {
  bool fine = len > 0 && len < 64 && !isdigit((unsigned char)text[0]);
  for (size_t i = 0; i < len && fine; i++) fine = isalnum((unsigned char)text[i]) || text[i] == '_';
  return fine;
}

struct key {
  const char *name; /* NULL if the key is no string */
  int index;        /* stack index */
};

/* Orders names alphabetically; other keys follow in the order of the table. */
static int compare_keys(const void *a, const void *b) {
  const struct key *x = a, *y = b;
  if (!x->name || !y->name) return x->name ? -1 : y->name ? 1 : x->index - y->index;
  return strcmp(x->name, y->name);
}

/* Pushes up to MW_SHOW_ENTRIES keys of the table that are not 1 to `n`. Returns their number, and sets `more` if there
 * are others. A __tostring may change the table; it runs after the traversal. */
static size_t push_keys(struct shown *s, int table, lua_Integer n, struct key *keys, bool *more) {
  lua_State *L = s->L;
  size_t count = 0;
  *more = false;
  mw_budget_spend(L, &s->steps, MW_BUDGET_WALK);
  for (lua_pushnil(L); lua_next(L, table);) {
    mw_budget_tick(L, &s->steps);
    lua_pop(L, 1);
    lua_Integer i = lua_isinteger(L, -1) ? lua_tointeger(L, -1) : 0;
    if (i >= 1 && i <= n) continue;
    if (count == MW_SHOW_ENTRIES) {
      lua_pop(L, 1);
      *more = true;
      break;
    }
    keys[count++] = (struct key){lua_type(L, -1) == LUA_TSTRING ? lua_tostring(L, -1) : NULL, lua_gettop(L)};
    lua_pushvalue(L, -1);
  }
  return count;
}

static void put_key(struct shown *s, int index, unsigned level) {
  size_t len;
  const char *name = lua_type(s->L, index) == LUA_TSTRING ? lua_tolstring(s->L, index, &len) : NULL;
  if (name && is_name(name, len)) {
    put(s, name, len);
  } else {
    put(s, "[", 1);
    put_value(s, index, level + 1);
    put(s, "]", 1);
  }
  put_str(s, " = ");
}

static void put_separator(struct shown *s, bool *first) {
  put_str(s, *first ? " " : ", ");
  *first = false;
}

static void put_entries(struct shown *s, int table, unsigned level) {
  lua_State *L = s->L;
  struct key keys[MW_SHOW_ENTRIES];
  lua_Integer n = (lua_Integer)lua_rawlen(L, table);
  bool first = true, more = n > MW_SHOW_ENTRIES;
  for (lua_Integer i = 1; i <= n && i <= MW_SHOW_ENTRIES && !is_full(s); i++) {
    put_separator(s, &first);
    lua_rawgeti(L, table, i);
    put_value(s, -1, level + 1);
    lua_pop(L, 1);
  }
  int top = lua_gettop(L);
  size_t count = more ? 0 : push_keys(s, table, n, keys, &more);
  qsort(keys, count, sizeof *keys, compare_keys);
  for (size_t i = 0; i < count && !is_full(s); i++) {
    put_separator(s, &first);
    put_key(s, keys[i].index, level);
    lua_pushvalue(L, keys[i].index);
    lua_rawget(L, table);
    put_value(s, -1, level + 1);
    lua_pop(L, 1);
  }
  lua_settop(L, top);
  if (more) put_separator(s, &first);
  if (more) put_str(s, "...");
  put_str(s, first ? "" : " ");
}

static void put_table(struct shown *s, int table, unsigned level) {
  const void *self = lua_topointer(s->L, table);
  bool within = level >= MW_SHOW_LEVELS;
  for (unsigned i = 0; i < level && !within; i++) within = s->path[i] == self;
  if (within) {
    put_str(s, "{...}");
    return;
  }
  s->path[level] = self;
  luaL_checkstack(s->L, MW_SHOW_ENTRIES + 8, "a table to show");
  put(s, "{", 1);
  put_entries(s, table, level);
  put(s, "}", 1);
}

/* ---- values ---- */

static void put_value(struct shown *s, int index, unsigned level) {
  lua_State *L = s->L;
  int top = lua_gettop(L);
  size_t len;
  index = lua_absindex(L, index);
  if (lua_type(L, index) == LUA_TSTRING) {
    const char *text = lua_tolstring(L, index, &len);
    put_quoted(s, text, len);
  } else if (lua_istable(L, index) && luaL_getmetafield(L, index, "__tostring") == LUA_TNIL) {
    put_table(s, index, level);
  } else {
    const char *text = luaL_tolstring(L, index, &len);
    put(s, text, len);
  }
  lua_settop(L, top);
}

/* Replaces the text at the top by one with "\0" for zero bytes. Returns it. */
static const char *replace_zeros(lua_State *L) {
  size_t len;
  const char *text = lua_tolstring(L, -1, &len);
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

const char *mw_show_push(lua_State *L, int index) {
  index = lua_absindex(L, index);
  if (!lua_istable(L, index) || luaL_getmetafield(L, index, "__tostring") != LUA_TNIL) {
    luaL_tolstring(L, index, NULL);
    if (lua_istable(L, index)) lua_remove(L, -2);
    return replace_zeros(L);
  }
  struct shown s = {.L = L, .len = 0};
  put_table(&s, index, 0);
  if (is_full(&s)) memcpy(s.text + sizeof s.text - 3, "...", 3);
  lua_pushlstring(L, s.text, s.len);
  return replace_zeros(L);
}

const char *mw_show_push_error(lua_State *L, int index) {
  char place[256];
  index = lua_absindex(L, index);
  const char *text = mw_show_push(L, index);
  if (lua_type(L, index) == LUA_TSTRING || !mw_place_find(L, place, sizeof place)) return text;
  lua_pushfstring(L, "%s: %s", place, text);
  lua_remove(L, -2);
  return lua_tostring(L, -1);
}
