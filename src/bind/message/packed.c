#include "bind/message/packed.h"

#include <string.h>

#include "bind/base/options.h"
#include "schema/wire/scan.h"
#include "schema/wire/wire.h"

const char mw_packed_tag, mw_packed_source_tag;

uint8_t *mw_packed_push_new(lua_State *L, int metatable, struct mw_messages *messages,
                            const struct mw_message_type *type, size_t len) {
  struct mw_packed *packed = lua_newuserdatauv(L, sizeof *packed + len, 0);
  uint8_t *bytes = (uint8_t *)(packed + 1);
  *packed = (struct mw_packed){&mw_packed_tag, messages, type, mw_slice(bytes, len)};
  lua_pushvalue(L, metatable);
  lua_setmetatable(L, -2);
  return bytes;
}

/* Required fields are found only in the unpacked message. */
static int check_required(lua_State *L, const struct mw_message_type *type, struct mw_slice bytes, struct mw_err *err) {
  ProtobufCMessage *unused;
  return mw_message_view(type, bytes, mw_vm_scratch(mw_vm_of(L)), &unused, err);
}

int mw_packed_validate(lua_State *L, const struct mw_message_type *type, struct mw_slice bytes, struct mw_err *err) {
  struct mw_scan unused;
  int rc = mw_scan(type, bytes, MW_WIRE_NUMBER_MAX, &unused, err);
  return rc == 0 && type->has_required ? check_required(L, type, bytes, err) : rc;
}

int mw_packed_push(lua_State *L, struct mw_program *program, const struct mw_message_type *type, struct mw_slice bytes,
                   struct mw_err *err) {
  struct mw_messages *messages = mw_messages_of(program);
  int rc = mw_packed_validate(L, type, bytes, err);
  if (rc != 0) return rc;
  luaL_checkstack(L, 3, NULL);
  lua_rawgeti(L, LUA_REGISTRYINDEX, messages->packed_ref);
  uint8_t *copy = mw_packed_push_new(L, lua_gettop(L), messages, type, bytes.len);
  if (bytes.len > 0) memcpy(copy, bytes.data, bytes.len);
  lua_remove(L, -2);
  return 0;
}

int mw_packed_check(lua_State *L, const struct mw_packed *packed, const struct mw_message_type *type,
                    struct mw_err *err) {
  if (packed->type == type) return 0;
  if (strcmp(packed->type->full_name, type->full_name) != 0) {
    return mw_err_set(err, MW_EINVAL, "%s: expected %s, got a packed %s", type->full_name, type->full_name,
                      packed->type->full_name);
  }
  return mw_packed_validate(L, type, packed->bytes, err); /* of another generation, whose schema may differ */
}

bool mw_packed_option(lua_State *L, int arg, const char *what) {
  if (lua_isnoneornil(L, arg)) return false;
  int type = mw_bind_get_option(L, arg, "packed");
  if (type != LUA_TNIL && type != LUA_TBOOLEAN) {
    luaL_error(L, "%s: packed: expected a boolean, got %s", what, luaL_typename(L, -1));
  }
  bool packed = lua_toboolean(L, -1);
  lua_pop(L, 1);
  return packed;
}

bool mw_packed_only_option(lua_State *L, const char *what) {
  static const char *const allowed[] = {"packed", NULL};
  return mw_bind_check_options(L, 2, what, allowed) && mw_packed_option(L, 2, what);
}

bool mw_packed_receive_option(lua_State *L, const struct mw_message_type *type, const char *what) {
  switch (type->wellknown) {
    case MW_WKT_STRUCT:
    case MW_WKT_VALUE:
    case MW_WKT_LIST_VALUE: return false; /* their messages look like options */
    default: break;
  }
  if (!lua_istable(L, 2) || mw_message_state_at(L, 2)) return false;
  return mw_packed_only_option(L, what);
}
