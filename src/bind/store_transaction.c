/* mw.store.transaction(f): reads from one snapshot, writes all or nothing.
 *
 * Every key that f reads is compared when the transaction is committed; when one was changed by another meanwhile, f
 * runs again on a new snapshot. What f writes it also reads back. */
#include "bind/store.h"

#define TRANSACTION "moonwire.Transaction"

/* User values: 1 the keys that were read, 2 what was written: key -> bytes, or false for a delete. */
struct transaction {
  struct mw_store_hold hold;
  struct mw_store_txn *txn; /* NULL once handed over or closed */
  bool writes;
};

enum { READS = 1, WRITES = 2 };

/* ---- lifetime ---- */

static int l_close(lua_State *L) {
  struct transaction *tx = luaL_checkudata(L, 1, TRANSACTION);
  mw_store_hold_close(&tx->hold);
  mw_store_txn_free(tx->txn);
  tx->txn = NULL;
  return 0;
}

static void push_transaction(lua_State *L, struct mw_store *store) {
  struct transaction *tx = lua_newuserdatauv(L, sizeof *tx, 2);
  *tx = (struct transaction){0};
  luaL_setmetatable(L, TRANSACTION);
  for (int i = READS; i <= WRITES; i++) {
    lua_newtable(L);
    lua_setiuservalue(L, -2, i);
  }
  struct mw_err err = MW_ERR_INIT;
  int rc = mw_store_hold_open(L, store, &tx->hold, "a transaction", &err);
  if (rc == 0) tx->txn = mw_store_txn_new();
  if (tx->txn) return;
  if (rc == 0) mw_err_set(&err, MW_ENOMEM, "out of memory");
  mw_store_fail_err(L, rc == 0 ? MW_ENOMEM : rc, &err);
  lua_error(L);
}

static struct transaction *check_transaction(lua_State *L) {
  struct transaction *tx = luaL_checkudata(L, 1, TRANSACTION);
  if (!tx->txn) luaL_error(L, "the transaction is over: use tx only within its function");
  return tx;
}

static void check(lua_State *L, int rc) {
  if (rc == 0) return;
  mw_store_fail(L, NULL, rc, NULL);
  lua_error(L);
}

/* ---- reading ---- */

static void push_key(lua_State *L, const struct mw_store_key *key) {
  lua_pushlstring(L, (const char *)key->bytes, key->len);
}

/* Whether this transaction has written `key`; then pushes the bytes, or false. Else pushes nothing. */
static bool push_written(lua_State *L, const struct mw_store_key *key) {
  lua_getiuservalue(L, 1, WRITES);
  push_key(L, key);
  bool written = lua_rawget(L, -2) != LUA_TNIL;
  lua_remove(L, -2);
  if (!written) lua_pop(L, 1);
  return written;
}

static void set_written(lua_State *L, const struct mw_store_key *key, struct mw_slice bytes) {
  lua_getiuservalue(L, 1, WRITES);
  push_key(L, key);
  if (bytes.data) lua_pushlstring(L, (const char *)bytes.data, bytes.len);
  else lua_pushboolean(L, false);
  lua_rawset(L, -3);
  lua_pop(L, 1);
}

/* Has `key` compared at the commit, once. */
static void note_read(lua_State *L, struct transaction *tx, const struct mw_store_key *key, uint64_t revision) {
  lua_getiuservalue(L, 1, READS);
  push_key(L, key);
  if (lua_rawget(L, -2) == LUA_TNIL) {
    check(L, mw_store_txn_compare(tx->txn, mw_store_key_slice(key), revision));
    push_key(L, key);
    lua_pushboolean(L, true);
    lua_rawset(L, -4);
  }
  lua_pop(L, 2);
}

/* Reads a key as this transaction sees it: pushes one value that keeps `bytes` alive, and returns whether it exists. */
static bool read_key(lua_State *L, struct transaction *tx, const struct mw_collection *collection,
                     const struct mw_store_key *key, struct mw_slice *bytes) {
  if (push_written(L, key)) {
    size_t len = 0;
    const char *text = lua_isstring(L, -1) ? lua_tolstring(L, -1, &len) : NULL;
    *bytes = mw_slice(text, len);
    return text != NULL;
  }
  if (tx->hold.ended) {
    mw_store_hold_fail(L, NULL, &tx->hold);
    lua_error(L);
  }
  struct mw_store_entry entry = {.revision = MW_STORE_ABSENT};
  int rc = mw_store_snapshot_get(tx->hold.snapshot, mw_store_key_slice(key), &entry);
  if (rc != 0 && rc != MW_ENOTFOUND) {
    mw_store_fail_at(L, collection, rc, mw_store_key_slice(key));
    lua_error(L);
  }
  note_read(L, tx, key, entry.revision);
  lua_pushnil(L); /* the snapshot keeps them alive */
  *bytes = entry.value;
  return rc == 0;
}

/* ---- tx:get, insert, put, delete ---- */

static int l_get(lua_State *L) {
  struct transaction *tx = check_transaction(L);
  struct mw_collection *collection = mw_collection_check(L, 2);
  struct mw_store_key key;
  struct mw_slice bytes;
  if (mw_store_key_check(L, 3, collection, &key) && read_key(L, tx, collection, &key, &bytes)) {
    mw_collection_push(L, collection, bytes);
  } else {
    lua_pushnil(L);
  }
  return 1;
}

/* Packs the message at 3; a key that cannot be one is raised, since nothing may be left out of a transaction. */
static struct mw_slice pack(lua_State *L, struct mw_collection *collection, struct mw_store_key *key) {
  struct mw_slice bytes;
  if (!mw_collection_pack(L, collection, 3, &bytes, key)) lua_error(L);
  return bytes;
}

static int write_message(lua_State *L, const char *what, bool insert) {
  struct transaction *tx = check_transaction(L);
  struct mw_collection *collection = mw_collection_check(L, 2);
  int64_t expires = mw_collection_expiry(L, 4, what);
  lua_settop(L, 4);
  struct mw_store_key key;
  struct mw_slice bytes = pack(L, collection, &key), old;
  if (insert && read_key(L, tx, collection, &key, &old)) {
    mw_store_key_push(L, collection, mw_store_key_slice(&key));
    const char *name = luaL_tolstring(L, -1, NULL);
    mw_bind_fail(L, MW_CODE_ALREADY_EXISTS, "%s: %s exists already", collection->name, name);
    return lua_error(L);
  }
  check(L, mw_store_txn_put(tx->txn, mw_store_key_slice(&key), bytes, expires));
  tx->writes = true;
  set_written(L, &key, bytes);
  mw_collection_push(L, collection, bytes);
  return 1;
}

static int l_insert(lua_State *L) { return write_message(L, "tx:insert", true); }
static int l_put(lua_State *L) { return write_message(L, "tx:put", false); }

static int l_delete(lua_State *L) {
  struct transaction *tx = check_transaction(L);
  struct mw_collection *collection = mw_collection_check(L, 2);
  struct mw_store_key key;
  struct mw_slice old;
  bool there = mw_store_key_check(L, 3, collection, &key) && read_key(L, tx, collection, &key, &old);
  if (there) {
    check(L, mw_store_txn_delete(tx->txn, mw_store_key_slice(&key)));
    tx->writes = true;
    set_written(L, &key, mw_slice(NULL, 0));
  }
  lua_pushboolean(L, there);
  return 1;
}

/* ---- the transaction as a whole ----
 * Stack: 1 function, 2 how many attempts were made, 3 tx (a to-be-closed variable), then the function's results. */

enum { TX = 3 };

static int attempt(lua_State *L);

static int return_results(lua_State *L) {
  if (lua_gettop(L) > TX) return lua_gettop(L) - TX;
  lua_pushboolean(L, true);
  return 1;
}

/* The wait was put below the results, at TX + 1. */
static int after_commit(lua_State *L, int status, lua_KContext context) {
  const struct mw_store_result *result = mw_store_wait_result((struct mw_store_wait *)context);
  if (result->code == MW_ECONFLICT) return attempt(L);
  if (result->code != 0) return mw_store_fail(L, NULL, result->code, result->text);
  lua_remove(L, TX + 1);
  return return_results(L);
}

static int commit(lua_State *L, int status, lua_KContext context) {
  struct transaction *tx = luaL_checkudata(L, TX, TRANSACTION);
  bool cancelled = lua_gettop(L) > TX && !lua_toboolean(L, TX + 1);
  if (cancelled || !tx->writes) return return_results(L);
  if (!tx->txn) return luaL_error(L, "mw.store.transaction: tx was closed before its function returned");
  struct mw_fiber *fiber = mw_fiber_check(L, "mw.store.transaction");
  struct mw_store_wait *wait = mw_store_wait_new(L, fiber);
  lua_insert(L, TX + 1);
  struct mw_store_txn *txn = tx->txn;
  tx->txn = NULL;
  mw_store_hold_close(&tx->hold);
  return mw_store_wait_commit(L, wait, mw_bind_program(L)->host->store, txn, after_commit);
}

static int attempt(lua_State *L) {
  if (lua_gettop(L) >= TX) lua_closeslot(L, TX); /* lua_settop() may go on with a stack that has moved, in Lua 5.4.4 */
  lua_settop(L, 2);
  lua_Integer attempts = lua_tointeger(L, 2);
  if (attempts == MW_STORE_ATTEMPTS) {
    return mw_bind_fail(L, MW_CODE_ABORTED, "the transaction met others in %d attempts", MW_STORE_ATTEMPTS);
  }
  lua_pushinteger(L, attempts + 1);
  lua_replace(L, 2);
  push_transaction(L, mw_bind_program(L)->host->store);
  lua_toclose(L, TX);
  struct transaction *tx = lua_touserdata(L, TX);
  if (attempts >= MW_STORE_PATIENCE) mw_store_txn_hurry(tx->txn);
  lua_pushvalue(L, 1);
  lua_pushvalue(L, TX);
  lua_callk(L, 1, LUA_MULTRET, 0, commit);
  return commit(L, LUA_OK, 0);
}

int mw_store_transaction(lua_State *L) {
  luaL_checktype(L, 1, LUA_TFUNCTION);
  mw_fiber_check(L, "mw.store.transaction");
  lua_settop(L, 1);
  lua_pushinteger(L, 0);
  return attempt(L);
}

void mw_store_transaction_types(lua_State *L) {
  static const luaL_Reg methods[] = {
      {"get", l_get}, {"insert", l_insert}, {"put", l_put}, {"delete", l_delete}, {NULL, NULL}};
  static const luaL_Reg metamethods[] = {{"__gc", l_close}, {"__close", l_close}, {NULL, NULL}};
  mw_bind_push_type(L, TRANSACTION, methods, metamethods);
  lua_pop(L, 1);
}
