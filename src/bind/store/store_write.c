/* collection:insert, put, update, delete, next_id: operations that wait until the change is on disk.
 *
 * No function raises between making a transaction and committing it, so that none leaks. */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>

#include "bind/base/status.h"
#include "bind/message/packed.h"
#include "bind/store/store.h"

/* Makes a transaction that puts `bytes`, or deletes if bytes.data is NULL. With `origin`, it succeeds only if the key
 * is unchanged since then. Returns NULL without memory. */
static struct mw_store_txn *change_txn(const struct mw_store_key *key, struct mw_slice bytes, int64_t expires,
                                       const struct mw_store_origin *origin) {
  struct mw_store_txn *txn = mw_store_txn_new();
  if (!txn) return NULL;
  struct mw_slice at = mw_store_key_slice(key);
  int rc = origin ? mw_store_txn_follow(txn, at, origin) : 0;
  if (rc == 0) rc = bytes.data ? mw_store_txn_put(txn, at, bytes, expires) : mw_store_txn_delete(txn, at);
  if (rc == 0) return txn;
  mw_store_txn_free(txn);
  return NULL;
}

/* ---- insert and put ---- */

/* Stack: 1 collection, 2 message, 3 options, 4 the wait, 5 the bytes. */
static int after_write(lua_State *L, int status, lua_KContext context) {
  const struct mw_store_result *result = mw_store_wait_result((struct mw_store_wait *)context);
  struct mw_collection *collection = mw_collection_check(L, 1);
  if (result->code == 0) {
    size_t len = 0;
    const char *bytes = lua_tolstring(L, 5, &len);
    mw_collection_push_written(L, collection, 2, mw_slice(bytes, len));
    return 1;
  }
  if (result->code != MW_ECONFLICT) return mw_store_fail(L, collection, result->code, result->text);
  struct mw_slice bytes;
  struct mw_store_key stored;
  if (!mw_collection_pack(L, collection, 2, &bytes, &stored)) return 2;
  mw_store_key_push(L, collection, mw_store_key_slice(&stored));
  const char *key = luaL_tolstring(L, -1, NULL);
  return mw_bind_fail(L, MW_CODE_ALREADY_EXISTS, "%s: %s exists already", collection->name, key);
}

static int write_message(lua_State *L, const char *what, bool insert) {
  struct mw_collection *collection = mw_collection_check(L, 1);
  struct mw_fiber *fiber = mw_fiber_check(L, what);
  int64_t expires = mw_collection_expiry(L, 3, what);
  lua_settop(L, 3);
  struct mw_store_wait *wait = mw_store_wait_new(L, fiber);
  struct mw_slice bytes;
  struct mw_store_key key;
  if (!mw_collection_pack(L, collection, 2, &bytes, &key)) return 2;
  struct mw_store_txn *txn = change_txn(&key, bytes, expires, NULL);
  if (txn && insert && mw_store_txn_compare(txn, mw_store_key_slice(&key), MW_STORE_ABSENT) != 0) {
    mw_store_txn_free(txn);
    txn = NULL;
  }
  if (!txn) return mw_store_fail(L, collection, MW_ENOMEM, NULL);
  return mw_store_wait_commit(L, wait, mw_collection_store(collection), txn, after_write);
}

static int l_insert(lua_State *L) { return write_message(L, "insert", true); }

static int l_put(lua_State *L) { return write_message(L, "put", false); }

/* ---- update ----
 * A chain of updates of one key shares a commit: each continues from the newest queued change, and its function runs
 * again at once if another worker was faster. If a function writes nothing, because it returned nothing or raised, the
 * update still waits until the state that the function has read is durable.
 *
 * Stack: 1 collection, 2 key, 3 function, 4 options, 5 number of attempts, 6 expiry, 7 the wait, 8 and 9 the function's
 * results, then the values of an attempt. */

enum { UPDATE_WAIT = 7, AGAIN = -1 };

static int attempt_update(lua_State *L);

/* Counts an attempt in the number at `index`. If there were too many, returns false and pushes nil and a status. */
static bool count_attempt(lua_State *L, const struct mw_collection *collection, int index) {
  lua_Integer attempts = lua_tointeger(L, index);
  lua_pushinteger(L, attempts + 1);
  lua_replace(L, index);
  if (attempts < MW_STORE_ATTEMPTS) return true;
  mw_bind_fail(L, MW_CODE_ABORTED, "%s: the key kept changing, in %d attempts", collection->name, MW_STORE_ATTEMPTS);
  return false;
}

/* Begins to commit `txn`, which may be NULL without memory. The number of attempts is at `index`. Returns false if it
 * has already lost. */
static bool begin_change(lua_State *L, struct mw_store_wait *wait, struct mw_store_txn *txn, int index) {
  if (lua_tointeger(L, index) > MW_STORE_HURRY_AFTER) mw_store_txn_prioritise(txn);
  return mw_store_wait_begin(wait, mw_collection_store(mw_collection_check(L, 1)), txn);
}

static int after_update(lua_State *L, int status, lua_KContext context) {
  const struct mw_store_result *result = mw_store_wait_result((struct mw_store_wait *)context);
  if (result->code == MW_ECONFLICT) return attempt_update(L);
  struct mw_collection *collection = mw_collection_check(L, 1);
  if (result->code != 0) return mw_store_fail(L, collection, result->code, result->text);
  size_t len = 0;
  const char *bytes = lua_tolstring(L, -1, &len);
  mw_collection_push_written(L, collection, 8, mw_slice(bytes, len));
  return 1;
}

static int after_nothing(lua_State *L, int status, lua_KContext context) {
  const struct mw_store_result *result = mw_store_wait_result((struct mw_store_wait *)context);
  if (result->code == MW_ECONFLICT) return attempt_update(L);
  return result->code == 0 ? 2 : mw_store_fail(L, mw_collection_check(L, 1), result->code, result->text);
}

/* Returns the two values at the top when the state that they depend on is durable. */
static int return_unwritten(lua_State *L, struct mw_store_wait *wait) {
  if (!mw_store_wait_origin(wait)->txn) return 2;
  return mw_store_wait_confirm(L, wait, mw_collection_store(mw_collection_check(L, 1)), after_nothing);
}

/* Raises if the function has changed the key. */
static void check_same_key(lua_State *L, const struct mw_collection *collection, const struct mw_store_key *new_key,
                           struct mw_store_key *key) {
  mw_store_key_check(L, 2, collection, key);
  if (mw_slice_eq(mw_store_key_slice(key), mw_store_key_slice(new_key))) return;
  luaL_error(L, "update: the function changed the key, %s.%s", collection->type->full_name, collection->key->name);
}

/* Runs after the function has returned. Returns AGAIN if another writer was faster. */
static int commit_update(lua_State *L, struct mw_store_wait *wait) {
  struct mw_collection *collection = mw_collection_check(L, 1);
  if (!lua_toboolean(L, 8)) return return_unwritten(L, wait); /* cancelled: nil, and the function's status if any */
  if (!lua_istable(L, 8) && !mw_packed_at(L, 8)) {
    return luaL_error(L, "update: the function returned a %s, not a message", luaL_typename(L, 8));
  }
  mw_fiber_check(L, "update");
  struct mw_store_key key, new_key;
  struct mw_slice bytes;
  if (!mw_collection_pack(L, collection, 8, &bytes, &new_key)) return return_unwritten(L, wait);
  check_same_key(L, collection, &new_key, &key);
  struct mw_store_txn *txn = change_txn(&key, bytes, lua_tointeger(L, 6), mw_store_wait_origin(wait));
  if (!txn) return mw_store_fail(L, collection, MW_ENOMEM, NULL);
  return begin_change(L, wait, txn, 5) ? mw_store_wait_yield(L, wait, after_update) : AGAIN;
}

static int after_function(lua_State *L, int status, lua_KContext context) {
  int n = commit_update(L, (struct mw_store_wait *)context);
  return n == AGAIN ? attempt_update(L) : n;
}

/* Reads the message and calls the function with it. Returns the results of commit_update(). */
static int update_once(lua_State *L) {
  struct mw_collection *collection = mw_collection_check(L, 1);
  mw_store_wait_drop(L, UPDATE_WAIT);
  if (!count_attempt(L, collection, 5)) return 2;
  int64_t expires = mw_collection_expiry(L, 4, "update");
  struct mw_store_wait *wait = mw_store_wait_new(L, mw_fiber_check(L, "update"));
  struct mw_store_key key;
  struct mw_store_entry entry = {.expires = 0};
  int rc = MW_ENOTFOUND;
  if (mw_store_key_check(L, 2, collection, &key)) {
    rc = mw_collection_read_newest(collection, &key, &entry, mw_store_wait_origin(wait));
  }
  if (rc == MW_ENOTFOUND) {
    const char *name = luaL_tolstring(L, 2, NULL);
    mw_bind_fail(L, MW_CODE_NOT_FOUND, "%s: there is no %s", collection->name, name);
    return return_unwritten(L, wait);
  }
  if (rc != 0) return mw_store_fail_at(L, collection, rc, mw_store_key_slice(&key));
  mw_store_wait_guard(L, UPDATE_WAIT);
  lua_pushinteger(L, expires != 0 ? expires : entry.expires);
  lua_replace(L, 6);
  lua_pushvalue(L, 3);
  mw_collection_push(L, collection, entry.value, false);
  lua_callk(L, 1, 2, (lua_KContext)wait, after_function);
  return commit_update(L, wait);
}

static int attempt_update(lua_State *L) {
  int n;
  do n = update_once(L);
  while (n == AGAIN);
  return n;
}

static int l_update(lua_State *L) {
  mw_collection_check(L, 1);
  luaL_checkany(L, 2);
  luaL_checktype(L, 3, LUA_TFUNCTION);
  mw_fiber_check(L, "update");
  lua_settop(L, 4);
  for (int i = 0; i < 2; i++) lua_pushinteger(L, 0);
  return attempt_update(L);
}

/* ---- delete ----
 * Stack: 1 collection, 2 key, 3 number of attempts, 4 the wait. */

static int attempt_delete(lua_State *L);

static int after_delete(lua_State *L, int status, lua_KContext context) {
  const struct mw_store_result *result = mw_store_wait_result((struct mw_store_wait *)context);
  if (result->code == MW_ECONFLICT) return attempt_delete(L);
  if (result->code != 0) return mw_store_fail(L, mw_collection_check(L, 1), result->code, result->text);
  lua_pushboolean(L, true);
  return 1;
}

static int after_absence(lua_State *L, int status, lua_KContext context) {
  const struct mw_store_result *result = mw_store_wait_result((struct mw_store_wait *)context);
  if (result->code == MW_ECONFLICT) return attempt_delete(L);
  if (result->code != 0) return mw_store_fail(L, mw_collection_check(L, 1), result->code, result->text);
  lua_pushboolean(L, false);
  return 1;
}

/* Compares revisions, so that only one of two concurrent deletes returns true. A damaged record, whose revision cannot
 * be read, is deleted without a comparison. Returns AGAIN if another writer was faster. */
static int delete_once(lua_State *L) {
  struct mw_collection *collection = mw_collection_check(L, 1);
  struct mw_fiber *fiber = mw_fiber_check(L, "delete");
  lua_settop(L, 3);
  if (!count_attempt(L, collection, 3)) return 2;
  struct mw_store_wait *wait = mw_store_wait_new(L, fiber);
  struct mw_store_origin *origin = mw_store_wait_origin(wait);
  struct mw_store *store = mw_collection_store(collection);
  struct mw_store_key key;
  struct mw_store_entry entry;
  int rc = MW_ENOTFOUND;
  if (mw_store_key_check(L, 2, collection, &key)) rc = mw_collection_read_newest(collection, &key, &entry, origin);
  if (rc == MW_ENOTFOUND && origin->txn) return mw_store_wait_confirm(L, wait, store, after_absence);
  if (rc == MW_ENOTFOUND) {
    lua_pushboolean(L, false);
    return 1;
  }
  if (rc != 0 && rc != MW_EDATA) return mw_store_fail_at(L, collection, rc, mw_store_key_slice(&key));
  struct mw_store_txn *txn = change_txn(&key, mw_slice(NULL, 0), 0, rc == 0 ? origin : NULL);
  if (!txn) return mw_store_fail(L, collection, MW_ENOMEM, NULL);
  return begin_change(L, wait, txn, 3) ? mw_store_wait_yield(L, wait, after_delete) : AGAIN;
}

static int attempt_delete(lua_State *L) {
  int n;
  do n = delete_once(L);
  while (n == AGAIN);
  return n;
}

static int l_delete(lua_State *L) {
  mw_collection_check(L, 1);
  luaL_checkany(L, 2);
  lua_settop(L, 2);
  lua_pushinteger(L, 0);
  return attempt_delete(L);
}

/* ---- next_id ---- */

enum { MAX_WIDTH = 99 };

/* Checks a format such as "task-%04d". Returns the width of its conversion, and the text after it in `rest`. Raises for
 * other formats. */
static int parse_format(lua_State *L, const char *format, const char **rest) {
  const char *at = strchr(format, '%');
  const char *p = at ? at + 1 : "";
  bool zeros = *p == '0';
  int width = 0;
  for (; isdigit((unsigned char)*p) && width <= MAX_WIDTH; p++) width = width * 10 + (*p - '0');
  if (*p != 'd' || width > MAX_WIDTH || (width > 0 && !zeros) || strchr(p, '%')) {
    luaL_error(L, "next_id: expected a format with one %%d or %%0Nd (N up to %d), such as \"task-%%04d\", got \"%s\"",
               MAX_WIDTH, format);
  }
  *rest = p + 1;
  return width;
}

/* Pushes the number in the format at 2, or as an integer if that is nil. */
static int push_id(lua_State *L, uint64_t number) {
  if (lua_isnil(L, 2)) {
    lua_pushinteger(L, (lua_Integer)number);
    return 1;
  }
  const char *format = lua_tostring(L, 2), *rest;
  int width = parse_format(L, format, &rest);
  char digits[MAX_WIDTH + 1];
  snprintf(digits, sizeof digits, "%0*llu", width, (unsigned long long)number);
  lua_pushlstring(L, format, (size_t)(strchr(format, '%') - format));
  lua_pushstring(L, digits);
  lua_pushstring(L, rest);
  lua_concat(L, 3);
  return 1;
}

static int after_next_id(lua_State *L, int status, lua_KContext context) {
  const struct mw_store_result *result = mw_store_wait_result((struct mw_store_wait *)context);
  if (result->code == 0) return push_id(L, result->revision);
  return mw_store_fail(L, mw_collection_check(L, 1), result->code, result->text);
}

/* Stack: 1 collection, 2 format or nil, 3 the wait. */
static int l_next_id(lua_State *L) {
  struct mw_collection *collection = mw_collection_check(L, 1);
  const char *rest;
  lua_settop(L, 2);
  if (!lua_isnil(L, 2)) parse_format(L, luaL_checkstring(L, 2), &rest);
  struct mw_fiber *fiber = mw_fiber_check(L, "next_id");
  struct mw_store_wait *wait = mw_store_wait_new(L, fiber);
  struct mw_slice name = mw_slice_str(collection->name);
  uint64_t number;
  int rc = mw_store_sequence_next(mw_collection_store(collection), name, &number, fiber->vm->loop, mw_store_wait_done,
                                  mw_store_wait_ref(wait));
  if (rc == MW_EBUSY) return mw_store_wait_yield(L, wait, after_next_id);
  mw_store_wait_unref(wait);
  return rc == 0 ? push_id(L, number) : mw_store_fail(L, collection, rc, NULL);
}

const luaL_Reg mw_collection_writes[] = {{"insert", l_insert}, {"put", l_put},         {"update", l_update},
                                         {"delete", l_delete}, {"next_id", l_next_id}, {NULL, NULL}};
