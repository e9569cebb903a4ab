#include "bind/store/store.h"

bool mw_store_key_allowed(const struct mw_field *field) {
  if (field->repeated) return false;
  switch (field->kind) {
    case MW_KIND_STRING:
    case MW_KIND_INT32:
    case MW_KIND_INT64:
    case MW_KIND_UINT32:
    case MW_KIND_UINT64:
    case MW_KIND_SINT32:
    case MW_KIND_SINT64:
    case MW_KIND_FIXED32:
    case MW_KIND_FIXED64:
    case MW_KIND_SFIXED32:
    case MW_KIND_SFIXED64: return true;
    default: return false;
  }
}

static bool is_unsigned(const struct mw_field *field) {
  return field->kind == MW_KIND_UINT64 || field->kind == MW_KIND_FIXED64;
}

void mw_store_key_start(const struct mw_collection *collection, struct mw_store_key *key) {
  key->len = strlen(collection->name) + 1;
  memcpy(key->bytes, collection->name, key->len);
}

/* Appends bytes. Returns false if the key gets too long. */
static bool add(struct mw_store_key *key, const void *bytes, size_t len) {
  if (len > sizeof key->bytes - key->len) return false;
  if (len > 0) memcpy(key->bytes + key->len, bytes, len);
  key->len += len;
  return true;
}

/* Appends eight bytes that sort as the numbers of the field's type do. */
static bool add_integer(struct mw_store_key *key, const struct mw_field *field, int64_t number) {
  uint64_t bits = (uint64_t)number;
  if (!is_unsigned(field)) bits ^= (uint64_t)1 << 63;
  uint8_t bytes[8];
  for (int i = 0; i < 8; i++) bytes[i] = (uint8_t)(bits >> (56 - 8 * i));
  return add(key, bytes, sizeof bytes);
}

bool mw_store_key_check(lua_State *L, int arg, const struct mw_collection *collection, struct mw_store_key *key) {
  mw_store_key_start(collection, key);
  if (!mw_store_key_is_text(collection->key)) return add_integer(key, collection->key, luaL_checkinteger(L, arg));
  luaL_argexpected(L, lua_type(L, arg) == LUA_TSTRING, arg, "string");
  size_t len;
  const char *text = lua_tolstring(L, arg, &len);
  return len > 0 && add(key, text, len);
}

bool mw_store_key_prefix(lua_State *L, int arg, const struct mw_collection *collection, struct mw_store_key *key) {
  mw_store_key_start(collection, key);
  if (lua_isnoneornil(L, arg)) return true;
  if (!mw_store_key_is_text(collection->key)) {
    luaL_error(L, "prefix: the key of %s is a number, which has no prefix", collection->name);
  }
  if (lua_type(L, arg) != LUA_TSTRING) luaL_error(L, "prefix: expected string, got %s", luaL_typename(L, arg));
  size_t len;
  const char *text = lua_tolstring(L, arg, &len);
  return add(key, text, len);
}

static int64_t read_integer(const struct mw_field *field, const void *value) {
  int32_t narrow;
  int64_t wide;
  switch (field->kind) {
    case MW_KIND_UINT32:
    case MW_KIND_FIXED32: memcpy(&narrow, value, sizeof narrow); return (uint32_t)narrow;
    case MW_KIND_INT32:
    case MW_KIND_SINT32:
    case MW_KIND_SFIXED32: memcpy(&narrow, value, sizeof narrow); return narrow;
    default: memcpy(&wide, value, sizeof wide); return wide;
  }
}

bool mw_store_key_of(const struct mw_collection *collection, const void *value, struct mw_store_key *key,
                     const char **why) {
  const struct mw_field *field = collection->key;
  mw_store_key_start(collection, key);
  if (!mw_store_key_is_text(field)) {
    *why = "is not set";
    if (!value && field->has_presence) return false;
    return add_integer(key, field, value ? read_integer(field, value) : 0);
  }
  *why = "is empty";
  const ProtobufCBinaryData *text = value;
  if (!text || text->len == 0) return false;
  *why = "is too long";
  return add(key, text->data, text->len);
}

void mw_store_key_push(lua_State *L, const struct mw_collection *collection, struct mw_slice key) {
  size_t start = strlen(collection->name) + 1;
  if (mw_store_key_is_text(collection->key)) {
    lua_pushlstring(L, (const char *)key.data + start, key.len - start);
    return;
  }
  uint64_t bits = 0;
  for (size_t i = start; i < key.len; i++) bits = bits << 8 | key.data[i];
  if (!is_unsigned(collection->key)) bits ^= (uint64_t)1 << 63;
  lua_pushinteger(L, (lua_Integer)bits);
}
