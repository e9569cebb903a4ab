/* mw.store.transaction(f): reads one state, writes all or nothing.
 *
 * The commit compares every key that f has read. If another writer has changed one, f runs again. f reads back its own
 * writes.
 *
 * The first attempt reads from a snapshot. If it loses to a queued transaction, the next attempts read the newest
 * queued state (store.h), so that transactions of one key share a commit. Each of their reads checks that all reads
 * still are of one state; if not, an error leaves f, which begins again. If f returns without writing, its results wait
 * until everything that it has read is durable. After an error the transaction waits as well; then f runs on a
 * snapshot, to raise the error from there. After MOST_NEWEST attempts all attempts read from snapshots. */
#include "bind/base/options.h"
#include "bind/base/status.h"
#include "bind/message/packed.h"
#include "bind/store/store.h"

#define TRANSACTION "moonwire.Transaction"

/* User values: 1 the keys that were read; 2 the writes: key -> bytes, or false for a delete. */
struct transaction {
  struct mw_store_hold hold;
  struct mw_store_txn *txn; /* NULL after it was committed or closed */
  struct mw_store *store;
  struct mw_store_origin origin; /* of the current read */
  bool writes;
  bool newest; /* reads the queued state */
  bool stale;  /* its reads are no longer of one state: it begins again */
};

enum { READS = 1, WRITES = 2 };

enum { MOST_NEWEST = 16 };

/* ---- lifetime ---- */

static int l_close(lua_State *L) {
  struct transaction *tx = luaL_checkudata(L, 1, TRANSACTION);
  mw_store_hold_close(&tx->hold);
  mw_store_txn_free(tx->txn);
  mw_store_origin_clear(&tx->origin);
  tx->txn = NULL;
  return 0;
}

static struct transaction *push_transaction(lua_State *L, struct mw_store *store, bool newest) {
  struct transaction *tx = lua_newuserdatauv(L, sizeof *tx, 2);
  *tx = (struct transaction){.store = store, .newest = newest};
  luaL_setmetatable(L, TRANSACTION);
  for (int i = READS; i <= WRITES; i++) {
    lua_newtable(L);
    lua_setiuservalue(L, -2, i);
  }
  struct mw_err err = MW_ERR_INIT;
  int rc = newest ? 0 : mw_store_hold_open(L, store, &tx->hold, "a transaction", &err);
  if (rc == 0) tx->txn = mw_store_txn_new();
  if (tx->txn) return tx;
  if (rc == 0) mw_err_set(&err, MW_ENOMEM, "out of memory");
  mw_store_fail_err(L, rc == 0 ? MW_ENOMEM : rc, &err);
  mw_bind_raise_status(L);
  return NULL;
}

static struct transaction *check_transaction(lua_State *L) {
  struct transaction *tx = mw_bind_check_self(L, TRANSACTION);
  if (!tx->txn) luaL_error(L, "the transaction is over: use tx only within its function");
  return tx;
}

static void check(lua_State *L, int rc) {
  if (rc == 0) return;
  mw_store_fail(L, NULL, rc, NULL);
  mw_bind_raise_status(L);
}

/* ---- reading ---- */

static void push_key(lua_State *L, const struct mw_store_key *key) {
  lua_pushlstring(L, (const char *)key->bytes, key->len);
}

/* If this transaction has written `key`, pushes the bytes, or false for a delete, and returns true. Otherwise pushes
 * nothing. */
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

static int compare(struct transaction *tx, const struct mw_store_key *key, uint64_t revision) {
  struct mw_slice slice = mw_store_key_slice(key);
  return tx->newest ? mw_store_txn_follow(tx->txn, slice, &tx->origin) : mw_store_txn_compare(tx->txn, slice, revision);
}

/* Adds `key`, once, to those that the commit compares. */
static void note_read(lua_State *L, struct transaction *tx, const struct mw_store_key *key, uint64_t revision) {
  lua_getiuservalue(L, 1, READS);
  push_key(L, key);
  if (lua_rawget(L, -2) == LUA_TNIL) {
    check(L, compare(tx, key, revision));
    push_key(L, key);
    lua_pushboolean(L, true);
    lua_rawset(L, -4);
  }
  lua_pop(L, 2);
}

/* Returns the codes of mw_store_snapshot_get(). Pushes a value that keeps entry->value alive. */
static int read_snapshot(lua_State *L, struct transaction *tx, const struct mw_store_key *key,
                         struct mw_store_entry *entry) {
  if (tx->hold.ended) {
    mw_store_hold_fail(L, NULL, &tx->hold);
    mw_bind_raise_status(L);
  }
  lua_pushnil(L); /* the snapshot keeps it alive */
  return mw_store_snapshot_get(tx->hold.snapshot, mw_store_key_slice(key), entry);
}

/* The same for the queued state. */
static int read_newest(lua_State *L, struct transaction *tx, struct mw_collection *collection,
                       const struct mw_store_key *key, struct mw_store_entry *entry) {
  mw_store_origin_clear(&tx->origin);
  int rc = mw_collection_read_newest(collection, key, entry, &tx->origin);
  if (rc != 0) {
    lua_pushnil(L);
    return rc;
  }
  const char *copy = lua_pushlstring(L, (const char *)entry->value.data, entry->value.len);
  entry->value = mw_slice(copy, entry->value.len);
  return 0;
}

static void check_current(lua_State *L, struct transaction *tx) {
  if (!tx->newest) return;
  tx->stale = tx->stale || !mw_store_txn_is_current(tx->store, tx->txn);
  if (tx->stale) luaL_error(L, "the transaction begins again: its reads have changed");
}

/* Reads a key with this transaction's own writes. Pushes one value that keeps `bytes` alive. Returns true if the key
 * exists. */
static bool read_key(lua_State *L, struct transaction *tx, struct mw_collection *collection,
                     const struct mw_store_key *key, struct mw_slice *bytes) {
  if (push_written(L, key)) {
    size_t len = 0;
    const char *text = lua_isstring(L, -1) ? lua_tolstring(L, -1, &len) : NULL;
    *bytes = mw_slice(text, len);
    return text != NULL;
  }
  struct mw_store_entry entry = {.revision = MW_STORE_ABSENT};
  int rc = tx->newest ? read_newest(L, tx, collection, key, &entry) : read_snapshot(L, tx, key, &entry);
  if (rc != 0 && rc != MW_ENOTFOUND) {
    mw_store_fail_at(L, collection, rc, mw_store_key_slice(key));
    mw_bind_raise_status(L);
  }
  note_read(L, tx, key, entry.revision);
  check_current(L, tx);
  *bytes = entry.value;
  return rc == 0;
}

/* ---- tx:get, insert, put, delete ---- */

static int l_get(lua_State *L) {
  static const char *const allowed[] = {"packed", NULL};
  struct transaction *tx = check_transaction(L);
  struct mw_collection *collection = mw_collection_check(L, 2);
  bool packed = mw_bind_check_options(L, 4, "tx:get", allowed) && mw_packed_option(L, 4, "tx:get");
  struct mw_store_key key;
  struct mw_slice bytes;
  if (mw_store_key_check(L, 3, collection, &key) && read_key(L, tx, collection, &key, &bytes)) {
    mw_collection_push(L, collection, bytes, packed);
  } else {
    lua_pushnil(L);
  }
  return 1;
}

/* Packs the message at 3. Raises for an invalid key, because a transaction must not leave out a write. */
static struct mw_slice pack(lua_State *L, struct mw_collection *collection, struct mw_store_key *key) {
  struct mw_slice bytes;
  if (!mw_collection_pack(L, collection, 3, &bytes, key)) mw_bind_raise_status(L);
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
    return mw_bind_raise_status(L);
  }
  check(L, mw_store_txn_put(tx->txn, mw_store_key_slice(&key), bytes, expires));
  tx->writes = true;
  set_written(L, &key, bytes);
  mw_collection_push_written(L, collection, 3, bytes);
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
 * Stack: 1 function, 2 number of attempts, 3 tx (a to-be-closed variable), then the function's results. */

enum { TX = 3 };

/* Results of a function after which another attempt follows. */
enum { AGAIN_NEWEST = -1, AGAIN_DURABLE = -2 };

static int attempt(lua_State *L, bool newest);

static int return_results(lua_State *L) {
  if (lua_gettop(L) > TX) return lua_gettop(L) - TX;
  lua_pushboolean(L, true);
  return 1;
}

/* The wait is below the results, at TX + 1. */
static int after_commit(lua_State *L, int status, lua_KContext context) {
  const struct mw_store_result *result = mw_store_wait_result((struct mw_store_wait *)context);
  if (result->code == MW_ECONFLICT) return attempt(L, true);
  if (result->code != 0) return mw_store_fail(L, NULL, result->code, result->text);
  lua_remove(L, TX + 1);
  return return_results(L);
}

static int after_error(lua_State *L, int status, lua_KContext context) { return attempt(L, false); }

/* Commits `txn` and continues with `k`. */
static int begin(lua_State *L, struct mw_store_txn *txn, lua_KFunction k) {
  struct transaction *tx = lua_touserdata(L, TX);
  struct mw_store_wait *wait = mw_store_wait_check(L, TX + 1);
  mw_store_hold_close(&tx->hold);
  return mw_store_wait_begin(wait, tx->store, txn) ? mw_store_wait_yield(L, wait, k) : AGAIN_NEWEST;
}

static void push_wait(lua_State *L) {
  mw_store_wait_new(L, mw_fiber_check(L, "mw.store.transaction"));
  lua_insert(L, TX + 1);
}

/* Continues with `k` when everything that was read is durable. If it is already, returns `otherwise`. */
static int confirm(lua_State *L, struct transaction *tx, lua_KFunction k, int otherwise) {
  if (!tx->newest || !tx->txn) return otherwise;
  push_wait(L);
  struct mw_store_txn *txn = mw_store_txn_awaiting(tx->txn);
  if (!txn) return mw_store_fail(L, NULL, MW_ENOMEM, NULL);
  if (!mw_store_txn_is_empty(txn)) return begin(L, txn, k);
  mw_store_txn_free(txn);
  lua_remove(L, TX + 1);
  return otherwise;
}

/* Runs after the function has returned or, if it read the queued state, raised. */
static int finish(lua_State *L, int status) {
  struct transaction *tx = luaL_checkudata(L, TX, TRANSACTION);
  if (status != LUA_OK && (mw_budget_settle(L, status) || mw_fiber_is_kill_error(L, -1))) return lua_error(L);
  if (tx->stale) return AGAIN_NEWEST;
  if (status != LUA_OK) return confirm(L, tx, after_error, AGAIN_DURABLE);
  bool cancelled = lua_gettop(L) > TX && !lua_toboolean(L, TX + 1);
  if (cancelled || !tx->writes) {
    int n = confirm(L, tx, after_commit, 0);
    return n == 0 ? return_results(L) : n;
  }
  if (!tx->txn) return luaL_error(L, "mw.store.transaction: tx was closed before its function returned");
  push_wait(L);
  struct mw_store_txn *txn = tx->txn;
  tx->txn = NULL;
  return begin(L, txn, after_commit);
}

static int after_function(lua_State *L, int status, lua_KContext context) {
  int n = finish(L, status == LUA_YIELD ? LUA_OK : status);
  return n < 0 ? attempt(L, n == AGAIN_NEWEST) : n;
}

/* Returns the results of finish(). */
static int try_once(lua_State *L, bool newest) {
  if (lua_gettop(L) >= TX) lua_closeslot(L, TX); /* lua_settop() is not safe here in Lua 5.4.4 */
  lua_settop(L, 2);
  lua_Integer attempts = lua_tointeger(L, 2);
  if (attempts == MW_STORE_ATTEMPTS) {
    return mw_bind_fail(L, MW_CODE_ABORTED, "the transaction lost to others in %d attempts", MW_STORE_ATTEMPTS);
  }
  lua_pushinteger(L, attempts + 1);
  lua_replace(L, 2);
  newest = newest && attempts < MOST_NEWEST;
  struct transaction *tx = push_transaction(L, mw_bind_program(L)->host->store, newest);
  lua_toclose(L, TX);
  if (attempts >= MW_STORE_HURRY_AFTER) mw_store_txn_prioritise(tx->txn);
  if (attempts < MOST_NEWEST) mw_store_txn_lose_early(tx->txn);
  lua_pushvalue(L, 1);
  lua_pushvalue(L, TX);
  if (newest) return finish(L, lua_pcallk(L, 1, LUA_MULTRET, 0, 0, after_function));
  lua_callk(L, 1, LUA_MULTRET, 0, after_function);
  return finish(L, LUA_OK);
}

static int attempt(lua_State *L, bool newest) {
  int n;
  while ((n = try_once(L, newest)) < 0) newest = n == AGAIN_NEWEST;
  return n;
}

int mw_store_transaction(lua_State *L) {
  luaL_checktype(L, 1, LUA_TFUNCTION);
  mw_fiber_check(L, "mw.store.transaction");
  lua_settop(L, 1);
  lua_pushinteger(L, 0);
  return attempt(L, false);
}

void mw_store_transaction_types(lua_State *L) {
  static const luaL_Reg methods[] = {
      {"get", l_get}, {"insert", l_insert}, {"put", l_put}, {"delete", l_delete}, {NULL, NULL}};
  static const luaL_Reg metamethods[] = {{"__gc", l_close}, {"__close", l_close}, {NULL, NULL}};
  mw_bind_push_type(L, TRANSACTION, methods, metamethods);
  lua_pop(L, 1);
}
