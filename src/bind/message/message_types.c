#include "bind/message/message_types.h"

#include <string.h>

#include "bind/message/message.h"

#define MESSAGES "moonwire.messages"

/* Keys that scripts cannot make. In the registry: the unknown fields. In a metatable: the state, and the userdata that
 * owns it. */
static const char unknowns_key, state_key, owner_key;

static int collect(lua_State *L) {
  struct mw_messages *messages = lua_touserdata(L, 1);
  mw_arena_fini(&messages->arena);
  mw_pool_unref(messages->pool);
  messages->pool = NULL;
  return 0;
}

static struct mw_messages *new_messages(lua_State *L, struct mw_pool *pool) {
  static const luaL_Reg metamethods[] = {{"__gc", collect}, {NULL, NULL}};
  struct mw_messages *messages = lua_newuserdatauv(L, sizeof *messages, 1);
  *messages = (struct mw_messages){.ref = LUA_NOREF, .packed_ref = LUA_NOREF};
  mw_arena_init(&messages->arena, SIZE_MAX);
  mw_bind_push_type(L, MESSAGES, NULL, metamethods);
  lua_setmetatable(L, -2);
  messages->pool = mw_pool_ref(pool);
  return messages;
}

static void *allocate(lua_State *L, struct mw_messages *messages, size_t count, size_t size) {
  void *piece = mw_arena_calloc(&messages->arena, count ? count : 1, size);
  if (!piece) luaL_error(L, "not enough memory");
  return piece;
}

static void index_init(lua_State *L, struct mw_messages *messages, struct mw_name_index *index, size_t n_names) {
  index->bits = 1;
  while ((size_t)1 << index->bits < n_names * 2) index->bits++;
  index->slots = allocate(L, messages, (size_t)1 << index->bits, sizeof *index->slots);
}

static void index_add(struct mw_name_index *index, const void *name, unsigned position) {
  if (mw_name_index_find(index, name) >= 0) return;
  unsigned mask = (1u << index->bits) - 1;
  unsigned i = mw_name_index_home(index, name);
  while (index->slots[i].name) i = (i + 1) & mask;
  index->slots[i] = (struct mw_name_slot){name, position};
}

/* Stores the string as atom `atom` of the table at the top, and adds it to the index. */
static void add_name(lua_State *L, struct mw_name_index *index, const char *name, unsigned position, int atom) {
  lua_pushstring(L, name);
  index_add(index, lua_topointer(L, -1), position);
  lua_rawseti(L, -2, atom);
}

/* Adds the type's names to the atoms at the top. Returns the next free atom. */
static int add_message_names(lua_State *L, struct mw_messages *messages, const struct mw_message_type *type, int atom) {
  struct mw_message_state *state = &messages->types[type->index];
  *state = (struct mw_message_state){
      .type = type, .owner = messages, .metatable_atom = atom, .name_atom = atom + 1, .unpack = -1};
  index_init(L, messages, &state->names, type->n_fields);
  for (unsigned i = 0; i < type->n_fields; i++) {
    add_name(L, &state->names, type->fields[i].name, i, state->name_atom + (int)i);
    state->has_required |= type->fields[i].required;
    if (strcmp(type->fields[i].name, "unpack") == 0) state->unpack = (int)i;
  }
  return state->name_atom + (int)type->n_fields;
}

/* Makes an array from small numbers, which nearly all enums use, to atoms. */
static void add_small_numbers(lua_State *L, struct mw_messages *messages, struct mw_enum_state *state) {
  enum { SMALL = 256 };
  const struct mw_enum_type *type = state->type;
  for (size_t i = 0; i < type->n_values; i++) {
    int32_t number = type->values[i].number;
    if (number >= state->n_atom_of && number < SMALL) state->n_atom_of = number + 1;
  }
  state->atom_of = allocate(L, messages, (size_t)state->n_atom_of, sizeof *state->atom_of);
  for (size_t i = 0; i < type->n_values; i++) {
    int32_t number = type->values[i].number;
    bool small = number >= 0 && number < state->n_atom_of;
    if (small && state->atom_of[number] == 0) state->atom_of[number] = state->name_atom + (int)i;
  }
}

static int add_enum_names(lua_State *L, struct mw_messages *messages, const struct mw_enum_type *type, int atom) {
  struct mw_enum_state *state = &messages->enums[type->index];
  *state = (struct mw_enum_state){.type = type, .name_atom = atom};
  index_init(L, messages, &state->names, type->n_values);
  for (unsigned i = 0; i < type->n_values; i++) {
    add_name(L, &state->names, type->values[i].name, i, state->name_atom + (int)i);
  }
  add_small_numbers(L, messages, state);
  return atom + (int)type->n_values;
}

/* Pushes the metatable of a type. The atoms are at the top, the state's userdata at `owner`. */
static void push_metatable(lua_State *L, struct mw_message_state *state, int owner, mw_message_fill_fn *fill) {
  int atoms = lua_gettop(L);
  lua_createtable(L, 0, 6);
  fill(L, state, owner, atoms);
  lua_pushlightuserdata(L, state);
  lua_rawsetp(L, -2, &state_key);
  lua_pushvalue(L, owner);
  lua_rawsetp(L, -2, &owner_key);
}

static int count_atoms(const struct mw_pool *pool) {
  size_t n = mw_pool_message_count(pool);
  for (size_t i = 0; i < mw_pool_message_count(pool); i++) n += mw_pool_message_at(pool, i)->n_fields;
  for (size_t i = 0; i < mw_pool_enum_count(pool); i++) n += mw_pool_enum_at(pool, i)->n_values;
  return (int)n;
}

static void add_names(lua_State *L, struct mw_messages *messages) {
  const struct mw_pool *pool = messages->pool;
  int atom = 1;
  for (size_t i = 0; i < mw_pool_message_count(pool); i++) {
    atom = add_message_names(L, messages, mw_pool_message_at(pool, i), atom);
  }
  for (size_t i = 0; i < mw_pool_enum_count(pool); i++) {
    atom = add_enum_names(L, messages, mw_pool_enum_at(pool, i), atom);
  }
}

static void add_metatables(lua_State *L, struct mw_messages *messages, int owner, mw_message_fill_fn *fill) {
  for (size_t i = 0; i < mw_pool_message_count(messages->pool); i++) {
    struct mw_message_state *state = &messages->types[i];
    push_metatable(L, state, owner, fill);
    state->metatable = lua_topointer(L, -1);
    lua_rawseti(L, -2, state->metatable_atom);
  }
}

void mw_messages_open(lua_State *L, struct mw_program *program, mw_message_fill_fn *fill) {
  struct mw_pool *pool = program->pool;
  struct mw_messages *messages = new_messages(L, pool);
  int owner = lua_gettop(L);
  messages->types = allocate(L, messages, mw_pool_message_count(pool), sizeof *messages->types);
  messages->enums = allocate(L, messages, mw_pool_enum_count(pool), sizeof *messages->enums);
  lua_createtable(L, count_atoms(pool), 0);
  add_names(L, messages);
  add_metatables(L, messages, owner, fill);
  lua_pushvalue(L, -1);
  lua_setiuservalue(L, owner, 1);
  messages->ref = luaL_ref(L, LUA_REGISTRYINDEX);
  program->messages = messages;
  lua_settop(L, owner);
}

void mw_bind_close_messages(struct mw_program *program) {
  struct mw_messages *messages = mw_messages_of(program);
  if (!messages) return;
  program->messages = NULL;
  luaL_unref(program->vm->L, LUA_REGISTRYINDEX, messages->ref);
  luaL_unref(program->vm->L, LUA_REGISTRYINDEX, messages->packed_ref);
}

const struct mw_message_state *mw_message_state_at(lua_State *L, int index) {
  if (!lua_istable(L, index) || !lua_getmetatable(L, index)) return NULL;
  lua_rawgetp(L, -1, &state_key);
  const struct mw_message_state *state = lua_touserdata(L, -1);
  lua_pop(L, 2);
  return state;
}

void mw_messages_push_sibling(lua_State *L, int index, const char *name) {
  const struct mw_messages *messages = mw_message_state_at(L, index)->owner;
  lua_getmetatable(L, index);
  lua_rawgetp(L, -1, &owner_key);
  lua_getiuservalue(L, -1, 1);
  lua_rawgeti(L, -1, messages->types[mw_pool_message(messages->pool, name)->index].metatable_atom);
  lua_replace(L, -4);
  lua_pop(L, 2);
}

void mw_messages_push_unknowns(lua_State *L) {
  if (lua_rawgetp(L, LUA_REGISTRYINDEX, &unknowns_key) == LUA_TTABLE) return;
  lua_pop(L, 1);
  lua_newtable(L);
  lua_createtable(L, 0, 1);
  lua_pushliteral(L, "k");
  lua_setfield(L, -2, "__mode");
  lua_setmetatable(L, -2);
  lua_pushvalue(L, -1);
  lua_rawsetp(L, LUA_REGISTRYINDEX, &unknowns_key);
}
