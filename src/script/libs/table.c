/* Replacements of `table` functions that loop over a length, which a metamethod may make arbitrary. They are Lua's own
 * functions within the budget. */
#include <lauxlib.h>
#include <limits.h>

#include "script/libs/libs.h"
#include "script/state/budget.h"

/* Uses of a function's table. A value of another type needs the metamethods for them. */
enum { READS = 1, WRITES = 2, MEASURES = 4 };

static bool has_metamethod(lua_State *L, int index, const char *name) {
  if (luaL_getmetafield(L, index, name) == LUA_TNIL) return false;
  lua_pop(L, 1);
  return true;
}

static void check_table(lua_State *L, int arg, int uses) {
  if (lua_istable(L, arg)) return;
  bool like_one = (!(uses & READS) || has_metamethod(L, arg, "__index")) &&
                  (!(uses & WRITES) || has_metamethod(L, arg, "__newindex")) &&
                  (!(uses & MEASURES) || has_metamethod(L, arg, "__len"));
  if (!like_one) luaL_checktype(L, arg, LUA_TTABLE);
}

static lua_Integer check_length(lua_State *L, int arg, int uses) {
  check_table(L, arg, uses | MEASURES);
  return luaL_len(L, arg);
}

/* to[at] = from[i] */
static void copy(lua_State *L, int from, lua_Integer i, int to, lua_Integer at) {
  lua_geti(L, from, i);
  lua_seti(L, to, at);
}

/* ---- insert, remove, move ---- */

static int l_insert(lua_State *L) {
  unsigned steps = 0;
  lua_Integer end = (lua_Integer)((lua_Unsigned)check_length(L, 1, READS | WRITES) + 1), at = end;
  int n_args = lua_gettop(L);
  if (n_args != 2 && n_args != 3) return luaL_error(L, "wrong number of arguments to 'insert'");
  if (n_args == 3) {
    at = luaL_checkinteger(L, 2);
    luaL_argcheck(L, (lua_Unsigned)at - 1 < (lua_Unsigned)end, 2, "position out of bounds");
  }
  for (lua_Integer i = end; i > at; i--) {
    mw_budget_turn(L, &steps);
    copy(L, 1, i - 1, 1, i);
  }
  lua_seti(L, 1, at);
  return 0;
}

static int l_remove(lua_State *L) {
  unsigned steps = 0;
  lua_Integer len = check_length(L, 1, READS | WRITES);
  lua_Integer at = luaL_optinteger(L, 2, len);
  luaL_argcheck(L, at == len || (lua_Unsigned)at - 1 <= (lua_Unsigned)len, 2, "position out of bounds");
  lua_geti(L, 1, at);
  for (; at < len; at++) {
    mw_budget_turn(L, &steps);
    copy(L, 1, at + 1, 1, at);
  }
  lua_pushnil(L);
  lua_seti(L, 1, at);
  return 1;
}

static int l_move(lua_State *L) {
  unsigned steps = 0;
  lua_Integer first = luaL_checkinteger(L, 2), last = luaL_checkinteger(L, 3), at = luaL_checkinteger(L, 4);
  int to = lua_isnoneornil(L, 5) ? 1 : 5;
  check_table(L, 1, READS);
  check_table(L, to, WRITES);
  if (last >= first) {
    luaL_argcheck(L, first > 0 || last < LUA_MAXINTEGER + first, 3, "too many elements to move");
    lua_Integer n = last - first + 1;
    luaL_argcheck(L, at <= LUA_MAXINTEGER - n + 1, 4, "destination wrap around");
    bool apart = at > last || at <= first || (to != 1 && !lua_compare(L, 1, to, LUA_OPEQ));
    for (lua_Integer i = 0; i < n; i++) {
      lua_Integer offset = apart ? i : n - 1 - i;
      mw_budget_turn(L, &steps);
      copy(L, 1, first + offset, to, at + offset);
    }
  }
  lua_pushvalue(L, to);
  return 1;
}

/* ---- unpack ---- */

static int l_unpack(lua_State *L) {
  unsigned steps = 0;
  lua_Integer first = luaL_optinteger(L, 2, 1);
  lua_Integer last = luaL_opt(L, luaL_checkinteger, 3, luaL_len(L, 1));
  if (first > last) return 0;
  lua_Unsigned n = (lua_Unsigned)last - (lua_Unsigned)first;
  if (n >= INT_MAX || !lua_checkstack(L, (int)++n)) return luaL_error(L, "too many results to unpack");
  for (; first < last; first++) {
    mw_budget_turn(L, &steps);
    lua_geti(L, 1, first);
  }
  lua_geti(L, 1, last); /* last, because `first` must not exceed the greatest integer */
  return (int)n;
}

/* ---- concat ---- */

static void add_element(lua_State *L, luaL_Buffer *out, lua_Integer i, unsigned *steps) {
  mw_budget_turn(L, steps);
  lua_geti(L, 1, i);
  mw_budget_bytes(L, steps, lua_rawlen(L, -1));
  if (!lua_isstring(L, -1)) {
    luaL_error(L, "invalid value (%s) at index %I in table for 'concat'", luaL_typename(L, -1), (LUAI_UACINT)i);
  }
  luaL_addvalue(out);
}

static int l_concat(lua_State *L) {
  unsigned steps = 0;
  size_t between_len;
  lua_Integer len = check_length(L, 1, READS);
  const char *between = luaL_optlstring(L, 2, "", &between_len);
  lua_Integer i = luaL_optinteger(L, 3, 1), last = luaL_optinteger(L, 4, len);
  luaL_Buffer out;
  luaL_buffinit(L, &out);
  for (; i < last; i++) {
    add_element(L, &out, i, &steps);
    luaL_addlstring(&out, between, between_len);
  }
  if (i == last) add_element(L, &out, i, &steps);
  luaL_pushresult(&out);
  return 1;
}

/* ---- sort: quicksort, the smaller part first, so that its depth is at most the bits of the length ---- */

/* True if the value at `a` comes before the value at `b`, by the function at 2 if there is one. */
static bool comes_before(lua_State *L, int a, int b, unsigned *steps) {
  mw_budget_turn(L, steps);
  mw_budget_bytes(L, steps, lua_type(L, a) == LUA_TSTRING ? lua_rawlen(L, a) : 0);
  if (lua_isnil(L, 2)) return lua_compare(L, a, b, LUA_OPLT);
  lua_pushvalue(L, 2);
  lua_pushvalue(L, a - 1);
  lua_pushvalue(L, b - 2);
  lua_call(L, 2, 1);
  bool before = lua_toboolean(L, -1);
  lua_pop(L, 1);
  return before;
}

/* t[i], t[j] = the values at the top and below it */
static void set_pair(lua_State *L, lua_Integer i, lua_Integer j) {
  lua_seti(L, 1, i);
  lua_seti(L, 1, j);
}

/* Swaps t[i] and t[j] unless they are in order. */
static void order(lua_State *L, lua_Integer i, lua_Integer j, unsigned *steps) {
  lua_geti(L, 1, i);
  lua_geti(L, 1, j);
  if (comes_before(L, -1, -2, steps)) {
    set_pair(L, i, j);
  } else {
    lua_pop(L, 2);
  }
}

/* Partitions t[low] to t[high] around the middle element. There are at least four, and the first, middle and last are
 * in order. Returns the new position of the middle element. */
static lua_Integer part(lua_State *L, lua_Integer low, lua_Integer high, unsigned *steps) {
  lua_Integer middle = low + (high - low) / 2, i = low, j = high - 1;
  lua_geti(L, 1, middle);
  lua_pushvalue(L, -1);
  lua_geti(L, 1, high - 1);
  set_pair(L, middle, high - 1); /* moves the pivot out of the way; a copy stays on the stack */
  for (;;) {
    while (lua_geti(L, 1, ++i), comes_before(L, -1, -2, steps)) {
      if (i == high - 1) luaL_error(L, "invalid order function for sorting");
      lua_pop(L, 1);
    }
    while (lua_geti(L, 1, --j), comes_before(L, -3, -1, steps)) {
      if (j < i) luaL_error(L, "invalid order function for sorting");
      lua_pop(L, 1);
    }
    if (j < i) break;
    set_pair(L, i, j);
  }
  lua_pop(L, 3);
  lua_geti(L, 1, high - 1);
  lua_geti(L, 1, i);
  set_pair(L, high - 1, i);
  return i;
}

static void sort(lua_State *L, lua_Integer low, lua_Integer high, unsigned *steps) {
  while (low < high) {
    lua_Integer middle = low + (high - low) / 2;
    order(L, low, high, steps);
    if (high - low == 1) return;
    order(L, low, middle, steps);
    order(L, middle, high, steps);
    if (high - low == 2) return;
    lua_Integer at = part(L, low, high, steps);
    if (at - low < high - at) {
      sort(L, low, at - 1, steps);
      low = at + 1;
    } else {
      sort(L, at + 1, high, steps);
      high = at - 1;
    }
  }
}

static int l_sort(lua_State *L) {
  unsigned steps = 0;
  lua_Integer len = check_length(L, 1, READS | WRITES);
  if (len < 2) return 0;
  luaL_argcheck(L, len < INT_MAX, 1, "array too big");
  if (!lua_isnoneornil(L, 2)) luaL_checktype(L, 2, LUA_TFUNCTION);
  lua_settop(L, 2);
  luaL_checkstack(L, 40, "");
  sort(L, 1, len, &steps);
  return 0;
}

void mw_libs_replace_table(lua_State *L) {
  static const luaL_Reg functions[] = {{"insert", l_insert}, {"remove", l_remove}, {"move", l_move},
                                       {"concat", l_concat}, {"sort", l_sort},     {"unpack", l_unpack},
                                       {NULL, NULL}};
  lua_getglobal(L, "table");
  luaL_setfuncs(L, functions, 0);
  lua_pop(L, 1);
}
