/* mw.store: typed collections in the store, and transactions over them. docs/store.md is the contract. */
#include "bind/store/store.h"

#include <ctype.h>

#include "bind/base/openers.h"
#include "bind/base/options.h"
#include "bind/message/packed.h"

/* ---- mw.store.collection ---- */

/* Returns the string option `name` of the table at 1, or `otherwise` if it is absent. It is required if `otherwise` is
 * NULL. */
static const char *string_option(lua_State *L, const char *name, const char *otherwise) {
  int type = mw_bind_get_option(L, 1, name);
  if (type == LUA_TNIL && otherwise) return otherwise;
  if (type != LUA_TSTRING) {
    luaL_error(L, "mw.store.collection: %s: expected string, got %s", name, luaL_typename(L, -1));
  }
  return lua_tostring(L, -1);
}

static void check_name(lua_State *L, const char *name) {
  size_t len = strlen(name);
  bool good = len > 0 && len <= MW_COLLECTION_NAME_MAX && len == lua_rawlen(L, -1);
  for (size_t i = 0; good && i < len; i++) good = isalnum((unsigned char)name[i]) || strchr("_-.", name[i]);
  if (!good) {
    luaL_error(L, "mw.store.collection: name: expected 1 to %d letters, digits and _ - . , got \"%s\"",
               MW_COLLECTION_NAME_MAX, name);
  }
}

static const struct mw_field *find_key(lua_State *L, const struct mw_message_type *type, const char *collection,
                                       const char *name) {
  const struct mw_field *field = mw_field_by_name(type, mw_slice_str(name));
  if (!field) {
    luaL_error(L, "collection %s: %s has no field %s to be the key", collection, type->full_name, name);
    return NULL;
  }
  if (!mw_store_key_allowed(field)) {
    luaL_error(L, "collection %s: %s.%s cannot be the key: expected a string or integer field, got %s%s", collection,
               type->full_name, name, field->repeated ? "repeated " : "", mw_field_type_name(field));
  }
  return field;
}

/* Scripts may share a collection if they declare the same message and key. Upvalue 2: name -> "message by key". */
static void declare(lua_State *L, const struct mw_collection *collection) {
  lua_pushfstring(L, "%s by %s", collection->type->full_name, collection->key->name);
  if (lua_getfield(L, lua_upvalueindex(2), collection->name) == LUA_TSTRING && !lua_rawequal(L, -1, -2)) {
    luaL_error(L, "collection %s: holds %s elsewhere, and %s here", collection->name, lua_tostring(L, -1),
               lua_tostring(L, -2));
  }
  lua_pop(L, 1);
  lua_setfield(L, lua_upvalueindex(2), collection->name);
}

static int l_collection(lua_State *L) {
  static const char *const allowed[] = {"name", "message", "key", NULL};
  struct mw_program *program = mw_bind_program(L);
  luaL_checktype(L, 1, LUA_TTABLE);
  mw_bind_check_options(L, 1, "mw.store.collection", allowed);
  lua_settop(L, 1);
  const char *name = string_option(L, "name", NULL);
  check_name(L, name);
  const char *message = string_option(L, "message", NULL);
  const char *key = string_option(L, "key", "id");
  const struct mw_message_type *type = mw_pool_message(program->pool, message);
  if (!type) return luaL_error(L, "collection %s: the schema has no message %s", name, message);

  struct mw_collection *collection = lua_newuserdatauv(L, sizeof *collection, 1);
  *collection = (struct mw_collection){.program = program, .type = type, .value = MW_BUF_INIT};
  luaL_setmetatable(L, MW_COLLECTION);
  lua_pushvalue(L, lua_upvalueindex(1)); /* the program, which may be retired */
  lua_setiuservalue(L, -2, 1);
  strcpy(collection->name, name);
  collection->key = find_key(L, type, name, key);
  declare(L, collection);
  return 1;
}

/* ---- reading ---- */

/* collection:get(key, {packed=}): returns the message, or nil if there is none, or nil and a status if the read
 * failed. */
static int l_get(lua_State *L) {
  static const char *const allowed[] = {"packed", NULL};
  struct mw_collection *collection = mw_collection_check(L, 1);
  bool packed = mw_bind_check_options(L, 3, "get", allowed) && mw_packed_option(L, 3, "get");
  struct mw_store_key key;
  struct mw_store_entry entry;
  int rc = mw_store_key_check(L, 2, collection, &key) ? mw_collection_read(collection, &key, &entry) : MW_ENOTFOUND;
  if (rc == MW_ENOTFOUND) {
    lua_pushnil(L);
    return 1;
  }
  if (rc != 0) return mw_store_fail_at(L, collection, rc, mw_store_key_slice(&key));
  mw_collection_push(L, collection, entry.value, packed);
  return 1;
}

/* ---- metamethods ---- */

static int l_tostring(lua_State *L) {
  struct mw_collection *collection = mw_collection_check(L, 1);
  lua_pushfstring(L, "collection %s of %s by %s", collection->name, collection->type->full_name, collection->key->name);
  return 1;
}

static int l_gc(lua_State *L) {
  mw_buf_fini(&mw_collection_check(L, 1)->value);
  return 0;
}

/* ---- tables ---- */

static const luaL_Reg reads[] = {{"get", l_get}, {NULL, NULL}};

static const luaL_Reg metamethods[] = {{"__tostring", l_tostring}, {"__gc", l_gc}, {NULL, NULL}};

static void make_collection_type(lua_State *L) {
  lua_newtable(L);
  luaL_setfuncs(L, reads, 0);
  luaL_setfuncs(L, mw_collection_writes, 0);
  luaL_setfuncs(L, mw_collection_scans, 0);
  luaL_setfuncs(L, mw_collection_watches, 0);
  mw_bind_make_type(L, MW_COLLECTION, metamethods);
  lua_pop(L, 1);
}

void mw_bind_open_store(lua_State *L, struct mw_program *program) {
  if (luaL_getmetatable(L, MW_COLLECTION) == LUA_TNIL) make_collection_type(L);
  lua_pop(L, 1);
  mw_store_hold_types(L, program->host);
  mw_store_scan_types(L);
  mw_store_watch_types(L);
  mw_store_transaction_types(L);
  lua_newtable(L);
  mw_program_push(L, program);
  lua_newtable(L);
  lua_pushcclosure(L, l_collection, 2);
  lua_setfield(L, -2, "collection");
  mw_program_push(L, program);
  lua_pushcclosure(L, mw_store_transaction, 1);
  lua_setfield(L, -2, "transaction");
  lua_setfield(L, -2, "store");
}
