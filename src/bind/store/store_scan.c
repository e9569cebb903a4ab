/* collection:each and count: traverse one snapshot. */
#include "bind/base/options.h"
#include "bind/base/status.h"
#include "bind/message/packed.h"
#include "bind/store/store.h"
#include "bind/store/store_where.h"

#define SCAN "moonwire.Scan"

struct scan {
  struct mw_packed_source source;
  struct mw_collection *collection; /* in the first user value */
  struct mw_store_hold hold;
  struct mw_store_key prefix;
  struct mw_slice at; /* the current key; borrowed from the snapshot, or from `start` */
  struct mw_store_key start;
  struct mw_filter filter;
  lua_Integer left; /* messages that remain within the limit */
  unsigned steps;   /* towards the next check of the budget */
  bool reverse;
  bool filtered;
  bool renews; /* continues on another snapshot if the worker closes this one */
};

static bool next_bytes(lua_State *L, int index, struct mw_slice *bytes);

/* Runs for each message of a loop: the fast path reads no metatable. */
static struct scan *check_scan(lua_State *L, int arg) {
  struct scan *scan = lua_touserdata(L, arg);
  bool sized = scan && lua_rawlen(L, arg) == sizeof *scan;
  return sized && scan->source.next == next_bytes ? scan : luaL_checkudata(L, arg, SCAN);
}

static void close_scan(struct scan *scan) {
  mw_store_hold_close(&scan->hold);
  mw_filter_fini(&scan->filter);
  scan->left = 0;
}

/* Runs as __close and as __gc. */
static int l_close(lua_State *L) {
  close_scan(check_scan(L, 1));
  return 0;
}

static void detach(struct mw_store_hold *hold) {
  struct scan *scan = MW_CONTAINER(hold, struct scan, hold);
  if (!scan->at.data || scan->at.data == scan->start.bytes) return;
  scan->start.len = scan->at.len;
  memcpy(scan->start.bytes, scan->at.data, scan->at.len);
  scan->at = mw_store_key_slice(&scan->start);
}

/* Returns the codes of mw_store_snapshot_open(). */
static int open_snapshot(lua_State *L, struct scan *scan, struct mw_err *err) {
  scan->hold.detach = detach;
  return mw_store_hold_open(L, mw_collection_store(scan->collection), &scan->hold, scan->collection->name, err);
}

/* Moves to the next message that meets the conditions. Returns the codes of mw_store_snapshot_next(), except
 * MW_EBUSY. */
static int advance(lua_State *L, struct scan *scan, struct mw_store_entry *entry) {
  if (!scan->hold.snapshot || scan->left == 0) return MW_ENOTFOUND;
  struct mw_slice prefix = mw_store_key_slice(&scan->prefix);
  for (;;) {
    int rc = mw_store_snapshot_next(scan->hold.snapshot, prefix, scan->at, scan->reverse, entry);
    if (rc != 0 && rc != MW_EBUSY) return rc;
    scan->at = entry->key;
    if (rc == MW_EBUSY) {
      mw_budget_check(L);
    } else if (!scan->filtered || mw_filter_matches(&scan->filter, entry->value)) {
      scan->left--;
      return 0;
    } else {
      mw_budget_bytes(L, &scan->steps, entry->value.len);
    }
  }
}

/* ---- options ---- */

static lua_Integer limit_option(lua_State *L, int arg, const char *what) {
  if (mw_bind_get_option(L, arg, "limit") == LUA_TNIL) return LUA_MAXINTEGER;
  int exact;
  lua_Integer limit = lua_tointegerx(L, -1, &exact);
  if (!exact || limit < 0) {
    luaL_error(L, "%s: limit: expected an integer from 0 on, got %s", what, luaL_tolstring(L, -1, NULL));
  }
  return limit;
}

/* Reads the start. An empty or overlong key, which no message has, is still a position between messages. */
static void after_option(lua_State *L, int arg, struct scan *scan) {
  if (mw_bind_get_option(L, arg, "after") == LUA_TNIL) return;
  int index = lua_gettop(L);
  bool text = mw_store_key_is_text(scan->collection->key);
  if (text ? lua_type(L, index) != LUA_TSTRING : !lua_isinteger(L, index)) {
    luaL_error(L, "each: after: expected %s, got %s", text ? "string" : "integer", luaL_typename(L, index));
  }
  if (!mw_store_key_check(L, index, scan->collection, &scan->start) && lua_rawlen(L, index) > 0) {
    luaL_error(L, "each: after: expected a key, got a string longer than any");
  }
  scan->at = mw_store_key_slice(&scan->start);
}

/* Pushes a scan with the options at 2. Its snapshot is not open yet. Returns false if no key can have the prefix. */
static bool push_scan(lua_State *L, const char *what, const char *const *allowed, struct scan **out) {
  struct mw_collection *collection = mw_collection_check(L, 1);
  mw_bind_check_options(L, 2, what, allowed);
  lua_settop(L, 2);
  struct scan *scan = lua_newuserdatauv(L, sizeof *scan, 1);
  *scan = (struct scan){
      .source = {&mw_packed_source_tag, NULL, next_bytes}, .collection = collection, .left = LUA_MAXINTEGER};
  mw_filter_init(&scan->filter, &collection->program->vm->memory);
  luaL_setmetatable(L, SCAN);
  lua_pushvalue(L, 1);
  lua_setiuservalue(L, 3, 1);
  *out = scan;
  scan->left = limit_option(L, 2, what);
  scan->filtered = mw_store_where(L, 2, what, collection, &scan->filter);
  after_option(L, 2, scan);
  mw_bind_get_option(L, 2, "reverse");
  scan->reverse = lua_toboolean(L, -1);
  mw_bind_get_option(L, 2, "prefix");
  bool possible = mw_store_key_prefix(L, lua_gettop(L), collection, &scan->prefix);
  if (!possible) scan->left = 0;
  lua_settop(L, 3);
  return possible;
}

/* ---- each ---- */

/* After the worker has closed the snapshot: opens another one, or raises. */
static void renew(lua_State *L, struct scan *scan) {
  if (!scan->renews) {
    mw_store_hold_fail(L, scan->collection, &scan->hold);
    mw_bind_raise_status(L);
  }
  struct mw_err err = MW_ERR_INIT;
  int rc = open_snapshot(L, scan, &err);
  if (rc == 0) return;
  mw_store_fail_err(L, rc, &err);
  mw_bind_raise_status(L);
}

/* Takes the next entry. Returns false at the end. Raises a failure, because a loop cannot return it. */
static bool take(lua_State *L, struct scan *scan, struct mw_store_entry *entry) {
  if (scan->hold.ended && scan->left > 0) renew(L, scan);
  entry->key = mw_slice(NULL, 0);
  int rc = advance(L, scan, entry);
  if (rc == 0) return true;
  if (rc != MW_ENOTFOUND) {
    mw_store_fail_at(L, scan->collection, rc, entry->key);
    mw_bind_raise_status(L);
  }
  close_scan(scan);
  return false;
}

/* scan() */
static int l_next(lua_State *L) {
  struct scan *scan = check_scan(L, 1);
  struct mw_store_entry entry;
  if (take(L, scan, &entry)) {
    mw_collection_push(L, scan->collection, entry.value, scan->source.type != NULL);
    if (scan->left == 0) mw_store_hold_close(&scan->hold);
  } else {
    lua_pushnil(L);
  }
  return 1;
}

/* The next of a packed source. */
static bool next_bytes(lua_State *L, int index, struct mw_slice *bytes) {
  struct scan *scan = lua_touserdata(L, index);
  struct mw_store_entry entry;
  if (!take(L, scan, &entry)) return false;
  mw_collection_check_bytes(L, scan->collection, entry.value);
  *bytes = entry.value;
  return true;
}

/* collection:each{where=, prefix=, after=, limit=, reverse=, snapshot=, packed=} */
static int l_each(lua_State *L) {
  static const char *const allowed[] = {"where", "prefix", "after", "limit", "reverse", "snapshot", "packed", NULL};
  struct scan *scan;
  push_scan(L, "each", allowed, &scan);
  if (mw_packed_option(L, 2, "each")) scan->source.type = scan->collection->type;
  scan->renews = mw_bind_get_option(L, 2, "snapshot") != LUA_TNIL && !lua_toboolean(L, -1);
  lua_pop(L, 1);
  struct mw_err err = MW_ERR_INIT;
  int rc = open_snapshot(L, scan, &err);
  return mw_collection_iterate(L, rc, &err);
}

/* ---- count ---- */

static int l_count(lua_State *L) {
  static const char *const allowed[] = {"where", "prefix", NULL};
  struct scan *scan;
  lua_Integer count = 0;
  unsigned steps = 0;
  if (push_scan(L, "count", allowed, &scan)) {
    struct mw_err err = MW_ERR_INIT;
    int rc = open_snapshot(L, scan, &err);
    mw_err_fini(&err);
    struct mw_store_entry entry = {.key = {NULL, 0}};
    while (rc == 0 && (rc = advance(L, scan, &entry)) == 0) {
      mw_budget_tick(L, &steps);
      count++;
    }
    int n_failed = rc == MW_ENOTFOUND ? 0 : mw_store_fail_at(L, scan->collection, rc, entry.key);
    mw_store_hold_close(&scan->hold);
    if (n_failed > 0) return n_failed;
  }
  lua_pushinteger(L, count);
  return 1;
}

void mw_store_scan_types(lua_State *L) {
  static const luaL_Reg metamethods[] = {{"__call", l_next}, {"__gc", l_close}, {"__close", l_close}, {NULL, NULL}};
  mw_bind_push_type(L, SCAN, NULL, metamethods);
  lua_pop(L, 1);
}

const luaL_Reg mw_collection_scans[] = {{"each", l_each}, {"count", l_count}, {NULL, NULL}};
