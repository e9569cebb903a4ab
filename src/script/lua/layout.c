#include "script/lua/layout.h"

#include <lauxlib.h>
#include <limits.h>
#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

/* lstate.h, CallInfo of a Lua function. The running instruction is the one before `next_instruction`. */
struct call {
  void *function, *top;
  struct call *previous, *next;
  const uint32_t *next_instruction;
};

/* lobject.h, Proto and LClosure. */
struct prototype {
  void *next;
  uint8_t type, marked, n_parameters, is_vararg, n_registers;
  int32_t n_upvalues, n_constants, n_code, n_line_info, n_prototypes, n_locals, n_line_places, first_line, last_line;
  void *constants;
  const uint32_t *code;
};

struct closure {
  void *next;
  uint8_t type, marked, n_upvalues;
  void *gray_list;
  const struct prototype *prototype;
};

/* lopcodes.h: instructions that assign to a field. Bits 7 to 14 are the register or upvalue of the table. */
enum { SET_UPVALUE = 15, SET_ANY = 16, SET_INTEGER = 17, SET_FIELD = 18 };

/* ltable.c, l_hashfloat() */
static uint64_t place_of_float(uint64_t key, unsigned bits) {
  double number, scaled;
  int exponent;
  memcpy(&number, &key, sizeof number);
  scaled = frexp(number, &exponent) * -(double)INT_MIN;
  if (!(scaled >= -0x1p63 && scaled < 0x1p63)) return 0;
  unsigned hash = (unsigned)exponent + (unsigned)(int64_t)scaled;
  return mw_place_of_integer(hash <= INT_MAX ? hash : ~hash, bits);
}

bool mw_lua_place(const struct mw_lua_node *node, unsigned bits, uint64_t *place) {
  if ((node->value_tag & MW_LUA_TYPE) == LUA_TNIL) return false;
  if (node->key_tag == MW_LUA_INTEGER) {
    *place = mw_place_of_integer(node->key, bits);
  } else if (node->key_tag == MW_LUA_FLOAT) {
    *place = place_of_float(node->key, bits);
  } else {
    return false;
  }
  return true;
}

/* ---- the growing table ---- */

enum { CHAIN = 2000 }; /* length of a chain of __newindex; Lua's own limit */

static const char newindex; /* its address is the registry key of the text "__newindex" */

void mw_layout_open(lua_State *L) {
  lua_pushliteral(L, "__newindex");
  lua_rawsetp(L, LUA_REGISTRYINDEX, &newindex);
}

/* Replaces the value at the top by the one that an assignment reaches through __newindex. */
static void follow(lua_State *L) {
  for (int i = 0; i < CHAIN && lua_getmetatable(L, -1); i++) {
    lua_rawgetp(L, LUA_REGISTRYINDEX, &newindex);
    bool goes_on = lua_rawget(L, -2) == LUA_TTABLE || lua_type(L, -1) == LUA_TUSERDATA;
    if (!goes_on) {
      lua_pop(L, 2);
      return;
    }
    lua_replace(L, -3);
    lua_pop(L, 1);
  }
}

/* Tries the value at the top, which may be the table, and pops it. `without_free_node`: accept only a table without a
 * free node. */
static bool try_value(lua_State *L, const struct mw_table_search *search, bool without_free_node, bool same_size) {
  follow(L);
  const struct mw_lua_table *table = lua_istable(L, -1) ? lua_topointer(L, -1) : NULL;
  bool may_be = table && table->bits + 1u >= search->bits && (!without_free_node || table->last_free == table->nodes) &&
                (!same_size || table->bits == search->bits);
  bool accepted = may_be && search->accepts(search, L, table);
  lua_pop(L, 1);
  return accepted;
}

/* Tries all values of a frame. Its function is at the top. */
static bool try_frame(lua_State *L, const lua_Debug *frame, const struct mw_table_search *search,
                      bool without_free_node, bool same_size) {
  for (int i = 1; lua_getupvalue(L, -1, i); i++) {
    if (try_value(L, search, without_free_node, same_size)) return true;
  }
  int n = lua_gettop(L) - 1; /* without the function */
  for (int i = 1; i <= n && lua_getlocal(L, frame, i); i++) {
    if (try_value(L, search, without_free_node, same_size)) return true;
  }
  return false;
}

/* Returns the newest instruction that may raise, of the Lua function at the top; before the first, returns 0, which
 * cannot raise. */
static uint32_t find_instruction(lua_State *L, const lua_Debug *frame) {
  const struct closure *closure = lua_topointer(L, -1);
  const uint32_t *code = closure->prototype->code,
                 *next = ((const struct call *)(const void *)frame->i_ci)->next_instruction;
  return next > code && next <= code + closure->prototype->n_code ? next[-1] : 0;
}

/* Tries the Lua function at the top. If it assigns to a field, the instruction names the table. Otherwise it ends a
 * constructor whose elements need a larger array, with as many nodes as before. */
static bool try_instruction(lua_State *L, const lua_Debug *frame, const struct mw_table_search *search) {
  uint32_t instruction = find_instruction(L, frame);
  int number = (int)(instruction >> 7 & 0xff) + 1;
  switch (instruction & 0x7f) {
    case SET_UPVALUE: return lua_getupvalue(L, -1, number) && try_value(L, search, false, false);
    case SET_ANY:
    case SET_INTEGER:
    case SET_FIELD: return lua_getlocal(L, frame, number) && try_value(L, search, false, false);
    default: return search->bits > 0 && try_frame(L, frame, search, false, true);
  }
}

/* Runs within an allocation: allocates and raises nothing. Lua guarantees five stack slots above the top; this uses
 * four. */
bool mw_table_search(lua_State *L, const struct mw_table_search *search) {
  lua_Debug frame;
  if (!lua_getstack(L, 0, &frame)) return false;
  int top = lua_gettop(L);
  lua_getinfo(L, "f", &frame);
  bool found = !lua_iscfunction(L, -1) ? try_instruction(L, &frame, search)
                                       : search->bits > 0 && try_frame(L, &frame, search, true, false);
  lua_settop(L, top);
  return found;
}

/* ---- test of the layout ---- */

static bool as_described;

enum { TRIED_BITS = 3, TRIED_SIZE = sizeof(struct mw_lua_node) << TRIED_BITS };

/* A state whose allocator stores the newest array of 2^TRIED_BITS nodes. When an array of twice the size is allocated,
 * it searches for the table of the first. */
struct trial {
  lua_State *L;
  const struct mw_lua_node *nodes;
  int searched, found;
};

static bool has_noted(const struct mw_table_search *search, lua_State *L, const struct mw_lua_table *table) {
  const struct trial *trial = search->arg;
  return table->nodes == trial->nodes && table->bits == TRIED_BITS && table->last_free == table->nodes;
}

static void *note(void *arg, void *block, size_t old_size, size_t new_size) {
  struct trial *trial = arg;
  (void)old_size;
  if (new_size == 0) {
    free(block);
    return NULL;
  }
  if (!block && trial->L && new_size == 2 * TRIED_SIZE) {
    struct mw_table_search search = {TRIED_BITS + 1, has_noted, trial};
    trial->searched++;
    trial->found += mw_table_search(trial->L, &search);
  }
  void *out = realloc(block, new_size);
  if (!block && out && new_size == TRIED_SIZE) trial->nodes = out;
  return out;
}

/* True if the key at the top of the stack, put into an empty table, is at the place that mw_lua_place() gives. */
static bool is_in_place(lua_State *L, const struct trial *trial) {
  uint64_t place;
  lua_createtable(L, 0, 1 << TRIED_BITS);
  const struct mw_lua_node *nodes = trial->nodes;
  if (!nodes) return false;
  for (int i = 0; i < 1 << TRIED_BITS; i++) {
    if (nodes[i].key_tag != LUA_TNIL) return false;
  }
  lua_insert(L, -2);
  lua_pushboolean(L, 1);
  lua_rawset(L, -3);
  for (int i = 0; i < 1 << TRIED_BITS; i++) {
    const struct mw_lua_node *node = &nodes[i];
    if (node->key_tag != LUA_TNIL) return mw_lua_place(node, TRIED_BITS, &place) && place == (uint64_t)i;
  }
  return false;
}

/* Runs `code`, which makes a table grow. True if the search has found that table. */
static bool is_found(lua_State *L, struct trial *trial, const char *code, bool through_newindex) {
  if (luaL_loadstring(L, code) != LUA_OK) return false;
  lua_createtable(L, 0, 1 << TRIED_BITS);
  if (through_newindex) {
    lua_newtable(L);
    lua_newtable(L);
    lua_rotate(L, -3, -1); /* table, metatable; the value is below */
    lua_setfield(L, -2, "__newindex");
    lua_setmetatable(L, -2);
  }
  trial->searched = trial->found = 0;
  trial->L = L;
  lua_call(L, 1, 0);
  trial->L = NULL;
  return trial->searched == 1 && trial->found == 1;
}

static int raw_fill(lua_State *L) {
  for (int i = 0; i <= 1 << TRIED_BITS; i++) {
    lua_pushnumber(L, i + 0.5);
    lua_pushboolean(L, 1);
    lua_rawset(L, 1);
  }
  return 0;
}

static int try_keys(lua_State *L) {
  static const lua_Integer integers[] = {1, 6, 7, 1000003, -1, LUA_MININTEGER, LUA_MAXINTEGER - 2};
  static const lua_Number floats[] = {0.5, -0.1, 1e300, 3.14159, HUGE_VAL};
  static const char *const codes[] = {
      "local t = ... for i = 1, 9 do t[i + 0.5] = i end",
      "local t = ... for i = 1, 8 do t[i + 100] = i end t[250] = 1",
      "local t = ... for i = 1, 8 do t[i + 100] = i end t.field = 1",
      "local t = ... local function f() t.field = 1 end for i = 1, 8 do t[i + 100] = i end f()",
      "local t = ... for i = 1, 8 do t[i + 100] = i end fill(t)",
  };
  struct trial *trial = lua_touserdata(L, 1);
  mw_layout_open(L);
  lua_register(L, "fill", raw_fill);
  for (size_t i = 0; i < sizeof integers / sizeof *integers; i++) {
    lua_pushinteger(L, integers[i]);
    if (!is_in_place(L, trial)) return 0;
  }
  for (size_t i = 0; i < sizeof floats / sizeof *floats; i++) {
    lua_pushnumber(L, floats[i]);
    if (!is_in_place(L, trial)) return 0;
  }
  for (size_t i = 0; i < sizeof codes / sizeof *codes; i++) {
    if (!is_found(L, trial, codes[i], false)) return 0;
  }
  if (!is_found(L, trial, codes[0], true)) return 0;
  as_described = true;
  return 0;
}

static void probe_layout(void) {
  struct trial trial = {0};
  lua_State *L = lua_newstate(note, &trial);
  if (!L) return;
  lua_gc(L, LUA_GCSTOP);
  lua_pushcfunction(L, try_keys);
  lua_pushlightuserdata(L, &trial);
  lua_pcall(L, 1, 0, 0);
  trial.L = NULL;
  lua_close(L);
}

bool mw_layout_is_known(void) {
  static pthread_once_t tried = PTHREAD_ONCE_INIT;
  pthread_once(&tried, probe_layout);
  return as_described;
}
