#include <math.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "bind/base/debug_info.h"
#include "bind/base/options.h"
#include "bind/base/status.h"
#include "bind/message/decode.h"
#include "bind/message/encode.h"
#include "bind/message/packed.h"
#include "bind/store/store.h"
#include "schema/wire/field.h"

enum { VALUE_KEPT = 64 << 10 }; /* bytes of the read buffer that are kept at most for the next read */

struct mw_collection *mw_collection_check(lua_State *L, int arg) {
  return arg == 1 ? mw_bind_check_self(L, MW_COLLECTION) : luaL_checkudata(L, arg, MW_COLLECTION);
}

static struct mw_buf *empty_value(struct mw_collection *collection) {
  if (collection->value.cap > VALUE_KEPT) mw_buf_fini(&collection->value);
  mw_buf_clear(&collection->value);
  return &collection->value;
}

int mw_collection_read(struct mw_collection *collection, const struct mw_store_key *key, struct mw_store_entry *out) {
  return mw_store_get(mw_collection_store(collection), mw_store_key_slice(key), empty_value(collection), out);
}

int mw_collection_read_newest(struct mw_collection *collection, const struct mw_store_key *key,
                              struct mw_store_entry *out, struct mw_store_origin *origin) {
  struct mw_store *store = mw_collection_store(collection);
  return mw_store_get_newest(store, mw_store_key_slice(key), empty_value(collection), out, origin);
}

static void raise_wrong_bytes(lua_State *L, const struct mw_collection *collection, struct mw_err *err) {
  mw_err_wrap(err, "the store's collection %s", collection->name);
  mw_bind_fail_err(L, MW_CODE_DATA_LOSS, err);
  mw_bind_raise_status(L);
}

void mw_collection_push(lua_State *L, struct mw_collection *collection, struct mw_slice bytes, bool packed) {
  struct mw_err err = MW_ERR_INIT;
  int rc = mw_bind_decode(L, collection->program, collection->type, bytes, packed, &err);
  if (rc != 0) raise_wrong_bytes(L, collection, &err);
}

void mw_collection_check_bytes(lua_State *L, struct mw_collection *collection, struct mw_slice bytes) {
  struct mw_err err = MW_ERR_INIT;
  if (mw_packed_validate(L, collection->type, bytes, &err) != 0) raise_wrong_bytes(L, collection, &err);
}

void mw_collection_push_written(lua_State *L, struct mw_collection *collection, int arg, struct mw_slice bytes) {
  if (mw_packed_at(L, arg)) {
    lua_pushvalue(L, arg);
  } else {
    mw_collection_push(L, collection, bytes, false); /* with defaults, and values in their canonical form */
  }
}

int mw_collection_iterate(lua_State *L, int rc, struct mw_err *err) {
  if (rc != 0) {
    mw_store_fail_err(L, rc, err);
    return mw_bind_raise_status(L);
  }
  lua_settop(L, 3);
  lua_pushnil(L);
  lua_pushnil(L);
  lua_pushvalue(L, 3);
  return 4;
}

/* Finds the value of the key's field. `slot` has room for a value that is found in bytes. */
static const void *find_key_value(const struct mw_collection *collection, const struct mw_encoded *message,
                                  void *slot) {
  const struct mw_field *field = collection->key;
  if (message->message) {
    return mw_field_is_set(message->message, field) ? mw_field_value(message->message, field) : NULL;
  }
  struct mw_wire_field f;
  if (!mw_wire_find(collection->type, field, mw_slice(message->bytes, message->size), &f)) return NULL;
  mw_wire_decode(field->kind, &f, slot);
  return slot;
}

bool mw_collection_pack(lua_State *L, struct mw_collection *collection, int arg, struct mw_slice *bytes,
                        struct mw_store_key *key) {
  struct mw_err err = MW_ERR_INIT;
  struct mw_encoded message;
  union {
    uint64_t number;
    ProtobufCBinaryData text;
  } slot;
  const char *why;
  if (!mw_packed_at(L, arg)) luaL_checktype(L, arg, LUA_TTABLE);
  int rc = mw_bind_encode(L, arg, collection->program, collection->type, &message, &err);
  if (rc != 0) mw_bind_raise_err(L, &err);
  if (!mw_store_key_of(collection, find_key_value(collection, &message, &slot), key, &why)) {
    mw_bind_fail(L, MW_CODE_INVALID_ARGUMENT, "%s.%s, the key, %s", collection->type->full_name, collection->key->name,
                 why);
    return false;
  }
  if (!message.message) {
    lua_pushvalue(L, arg);
    *bytes = mw_slice(message.bytes, message.size);
    return true;
  }
  luaL_Buffer buffer;
  mw_encoded_write(&message, (uint8_t *)luaL_buffinitsize(L, &buffer, message.size));
  luaL_pushresultsize(&buffer, message.size);
  *bytes = mw_slice(lua_tostring(L, -1), message.size);
  return true;
}

int64_t mw_collection_expiry(lua_State *L, int arg, const char *what) {
  static const char *const allowed[] = {"ttl", NULL};
  mw_bind_check_options(L, arg, what, allowed);
  if (mw_bind_get_option(L, arg, "ttl") == LUA_TNIL) {
    lua_pop(L, 1);
    return 0;
  }
  lua_Number seconds = lua_tonumber(L, -1);
  if (lua_type(L, -1) != LUA_TNUMBER || !(seconds > 0 && seconds <= 1e9)) {
    luaL_error(L, "%s: ttl: expected seconds above 0, at most 1e9, got %s", what, luaL_tolstring(L, -1, NULL));
  }
  lua_pop(L, 1);
  return mw_time_add(mw_clock_wall(), (int64_t)ceil(seconds * MW_NS_PER_S));
}

static enum mw_code code_of(int code) {
  switch (code) {
    case MW_EFULL:
    case MW_ELIMIT:
    case MW_ENOMEM: return MW_CODE_RESOURCE_EXHAUSTED;
    case MW_ECONFLICT: return MW_CODE_ABORTED;
    case MW_EIO: return MW_CODE_UNAVAILABLE;
    case MW_EDATA: return MW_CODE_DATA_LOSS;
    default: return MW_CODE_INTERNAL;
  }
}

/* Logs the reason of a failed read, at most once a second. */
static void log_failure(const struct mw_collection *collection, const char *text) {
  static _Atomic int64_t last;
  int64_t now = mw_clock_real(), before = atomic_load(&last);
  if (before != 0 && now < before + MW_NS_PER_S) return;
  if (!atomic_compare_exchange_strong(&last, &before, now)) return;
  const char *name = collection ? collection->name : "store";
  mw_log(MW_LOG_ERROR, NULL, "a read of the store failed: %s: %s", name, text);
}

/* Copies the words without the path of the data folder, and without any path before MW_STORE_FILE. */
static void copy_without_paths(char *out, size_t size, const char *text, const char *data_dir) {
  const char *file = strstr(text, "/" MW_STORE_FILE ": ");
  size_t len = data_dir ? strlen(data_dir) : 0, used = 0;
  for (const char *c = file ? file + 1 : text; *c && used + 1 < size; c++) {
    if (len > 0 && strncmp(c, data_dir, len) == 0 && c[len] == '/') {
      c += len;
    } else {
      out[used++] = *c;
    }
  }
  out[used] = '\0';
}

int mw_store_fail(lua_State *L, const struct mw_collection *collection, int code, const char *text) {
  char shown[MW_STORE_KEY_MAX + 256];
  const struct mw_program *program = mw_fiber_program(L);
  if (!text || !text[0]) text = mw_err_name(code);
  copy_without_paths(shown, sizeof shown, text, program ? program->host->data_dir : NULL);
  mw_bind_make_utf8(shown);
  return mw_bind_fail(L, code_of(code), "%s: %s", collection ? collection->name : "store", shown);
}

int mw_store_fail_err(lua_State *L, int code, struct mw_err *err) {
  char text[512]; /* pushing may raise, and `err` would leak */
  snprintf(text, sizeof text, "%s", mw_err_text(err));
  mw_err_fini(err);
  log_failure(NULL, text);
  return mw_store_fail(L, NULL, code, text);
}

int mw_store_fail_at(lua_State *L, const struct mw_collection *collection, int code, struct mw_slice key) {
  const char *text = mw_err_name(code);
  if (code == MW_EDATA && key.data) {
    mw_store_key_push(L, collection, key);
    text = lua_pushfstring(L, "the record of %s is damaged: delete it or put it anew, or restore a backup",
                           luaL_tolstring(L, -1, NULL));
  } else if (code == MW_EDATA) {
    text = "a page of the store is damaged: run `moonwire store check`, restore a backup";
  }
  log_failure(collection, text);
  return mw_store_fail(L, collection, code, text);
}
