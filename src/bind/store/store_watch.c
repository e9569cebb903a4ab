/* collection:watch: an iterator over changes, and before them, if wanted, over the existing messages.
 *
 * The watch begins at the revision of the snapshot from which the existing messages are read, so that no change is
 * missed or repeated. Changes are copied into a queue as they arrive. If the queue of a slow loop overflows, the loop
 * gets an error, because it cannot continue without a gap. If the queues of a worker together exceed WORKER_BYTES, the
 * longest is dropped. */
#include <stdlib.h>

#include "bind/base/options.h"
#include "bind/base/status.h"
#include "bind/message/packed.h"
#include "bind/store/store.h"

#define WATCH "moonwire.Watch"

enum { QUEUE_MAX = 16384, QUEUE_BYTES = 16 << 20, WORKER_BYTES = 64 << 20 };

struct change {
  struct change *next;
  bool put;
  size_t key_len, value_len;
  uint8_t bytes[]; /* the key, then the value */
};

struct watch {
  struct mw_list link;              /* in queues->list until it is closed */
  struct mw_store_queues *queues;   /* queues of the worker */
  struct mw_collection *collection; /* in the user value */
  struct mw_store_key prefix;
  struct mw_store_hold hold;    /* snapshot of the existing messages, while they are read */
  struct mw_slice at;           /* the last key that was read from it */
  struct mw_store_watch *watch; /* NULL after it was closed */
  struct change *first, **last;
  size_t count, bytes;
  bool overflowed;        /* changes were lost */
  bool packed;            /* pushes messages packed */
  struct mw_fiber *fiber; /* waits for a change, or NULL */
};

static struct watch *check_watch(lua_State *L) { return mw_bind_check_self(L, WATCH); }

/* ---- the queue ---- */

static bool append(struct watch *w, const struct mw_store_event *event) {
  size_t size = sizeof(struct change) + event->key.len + event->value.len;
  if (w->count == QUEUE_MAX || w->bytes + size > QUEUE_BYTES) return false;
  struct change *change = malloc(size);
  if (!change) return false;
  *change = (struct change){.put = event->value.data, .key_len = event->key.len, .value_len = event->value.len};
  memcpy(change->bytes, event->key.data, event->key.len);
  if (event->value.len > 0) memcpy(change->bytes + event->key.len, event->value.data, event->value.len);
  *w->last = change;
  w->last = &change->next;
  w->count++;
  w->bytes += size;
  w->queues->bytes += size;
  return true;
}

static void drop_first(struct watch *w) {
  struct change *change = w->first;
  w->first = change->next;
  if (!w->first) w->last = &w->first;
  size_t size = sizeof *change + change->key_len + change->value_len;
  w->count--;
  w->bytes -= size;
  w->queues->bytes -= size;
  free(change);
}

/* All queues together exceed their bound: drops the longest. */
static void drop_longest(struct mw_store_queues *queues) {
  struct watch *longest = NULL;
  for (struct mw_list *link = queues->list.next; link != &queues->list; link = link->next) {
    struct watch *w = MW_CONTAINER(link, struct watch, link);
    if (!longest || w->bytes > longest->bytes) longest = w;
  }
  longest->overflowed = true;
  while (longest->first) drop_first(longest);
}

/* Receives a change. If the fiber is queued for its turn, returns false, and further changes wait in the store. */
static bool on_event(void *arg, const struct mw_store_event *event) {
  struct watch *w = arg;
  if (w->overflowed) return true;
  if (!event || !append(w, event)) w->overflowed = true;
  if (w->queues->bytes > WORKER_BYTES) drop_longest(w->queues);
  return !w->fiber || mw_fiber_wake(w->fiber); /* `w` may be freed if the fiber has run */
}

static int l_close(lua_State *L) {
  struct watch *w = check_watch(L);
  mw_store_watch_close(w->watch);
  mw_store_hold_close(&w->hold);
  w->watch = NULL;
  mw_list_remove(&w->link);
  while (w->first) drop_first(w);
  if (w->fiber) mw_fiber_wake(w->fiber); /* next_change() then raises */
  return 0;
}

/* No fiber waits: it would hold the watch. */
static int l_gc(lua_State *L) {
  check_watch(L)->fiber = NULL;
  return l_close(L);
}

/* ---- the iterator ---- */

/* Pushes {type=, key=, message=}. Makes the message before the memory of `value` is released. */
static int push_event(lua_State *L, struct watch *w, struct mw_slice key, bool put, struct mw_slice value) {
  lua_createtable(L, 0, 3);
  lua_pushstring(L, put ? "put" : "delete");
  lua_setfield(L, -2, "type");
  mw_store_key_push(L, w->collection, key);
  lua_setfield(L, -2, "key");
  if (put) {
    mw_collection_push(L, w->collection, value, w->packed);
    lua_setfield(L, -2, "message");
  }
  return 1;
}

/* Pushes the next existing message. Returns false at the end. */
static bool push_existing(lua_State *L, struct watch *w) {
  struct mw_store_entry entry;
  int rc;
  while ((rc = mw_store_snapshot_next(w->hold.snapshot, mw_store_key_slice(&w->prefix), w->at, false, &entry)) ==
         MW_EBUSY) {
    w->at = entry.key;
    mw_budget_check(L);
  }
  if (rc == 0) {
    w->at = entry.key;
    push_event(L, w, entry.key, true, entry.value);
    return true;
  }
  if (rc != MW_ENOTFOUND) {
    mw_store_fail_at(L, w->collection, rc, entry.key);
    return mw_bind_raise_status(L);
  }
  mw_store_hold_close(&w->hold);
  return false;
}

static void stop_waiting(void *arg) {
  struct watch *w = arg;
  w->fiber = NULL;
  if (w->watch) mw_store_watch_go_on(w->watch);
}

static int after_wait(lua_State *L, int status, lua_KContext context);

/* Stack: 1 the watch. */
static int next_change(lua_State *L, struct watch *w) {
  if (!w->watch) return luaL_error(L, "watch: it is closed");
  if (w->first) {
    struct change *change = w->first;
    struct mw_slice key = mw_slice(change->bytes, change->key_len);
    push_event(L, w, key, change->put, mw_slice(change->bytes + change->key_len, change->value_len));
    drop_first(w);
    return 1;
  }
  if (w->overflowed) {
    mw_bind_fail(L, MW_CODE_ABORTED, "%s: the watch fell behind and lost changes: begin again", w->collection->name);
    return mw_bind_raise_status(L);
  }
  struct mw_fiber *fiber = mw_fiber_check(L, "watch");
  if (w->fiber) return luaL_error(L, "watch: another coroutine waits for its next change already");
  w->fiber = fiber;
  return mw_fiber_wait(L, fiber, stop_waiting, w, after_wait, 0);
}

static int after_wait(lua_State *L, int status, lua_KContext context) {
  struct watch *w = check_watch(L);
  stop_waiting(w);
  return next_change(L, w);
}

/* watch() */
static int l_next(lua_State *L) {
  struct watch *w = check_watch(L);
  lua_settop(L, 1);
  if (w->watch && w->hold.ended) {
    mw_store_hold_fail(L, w->collection, &w->hold);
    return mw_bind_raise_status(L);
  }
  if (w->hold.snapshot && push_existing(L, w)) return 1;
  return next_change(L, w);
}

/* ---- collection:watch ---- */

static int start(lua_State *L, struct watch *w, struct mw_loop *loop, bool existing, struct mw_err *err) {
  struct mw_store *store = mw_collection_store(w->collection);
  int rc = mw_store_hold_open(L, store, &w->hold, w->collection->name, err);
  if (rc != 0) return rc;
  uint64_t revision = mw_store_snapshot_revision(w->hold.snapshot);
  rc = mw_store_watch_open(store, mw_store_key_slice(&w->prefix), revision, loop, on_event, w, &w->watch);
  if (rc != 0) return mw_err_set(err, rc, "out of memory");
  if (!existing) mw_store_hold_close(&w->hold);
  return 0;
}

/* collection:watch{prefix=, existing=, packed=} */
static int l_watch(lua_State *L) {
  static const char *const allowed[] = {"prefix", "existing", "packed", NULL};
  struct mw_collection *collection = mw_collection_check(L, 1);
  mw_bind_check_options(L, 2, "watch", allowed);
  lua_settop(L, 2);
  struct watch *w = lua_newuserdatauv(L, sizeof *w, 1);
  *w = (struct watch){.collection = collection};
  w->packed = mw_packed_option(L, 2, "watch");
  w->last = &w->first;
  w->queues = mw_store_queues_of(mw_vm_of(L));
  mw_list_push(&w->queues->list, &w->link);
  luaL_setmetatable(L, WATCH);
  lua_pushvalue(L, 1);
  lua_setiuservalue(L, 3, 1);
  mw_bind_get_option(L, 2, "existing");
  bool existing = lua_toboolean(L, -1);
  mw_bind_get_option(L, 2, "prefix");
  if (!mw_store_key_prefix(L, lua_gettop(L), collection, &w->prefix)) {
    return luaL_error(L, "watch: prefix: longer than any key");
  }
  struct mw_err err = MW_ERR_INIT;
  int rc = start(L, w, collection->program->vm->loop, existing, &err);
  return mw_collection_iterate(L, rc, &err);
}

void mw_store_watch_types(lua_State *L) {
  static const luaL_Reg metamethods[] = {{"__call", l_next}, {"__gc", l_gc}, {"__close", l_close}, {NULL, NULL}};
  mw_bind_push_type(L, WATCH, NULL, metamethods);
  lua_pop(L, 1);
}

const luaL_Reg mw_collection_watches[] = {{"watch", l_watch}, {NULL, NULL}};
