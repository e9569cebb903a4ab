/* The internals of mw.store, which the store_*.c files share: collections, their keys, and writes that a fiber waits
 * for.
 *
 * A key of a collection in the store is the collection's name, a zero byte (which no name contains), and the message's
 * key: the bytes of a string, or an integer as eight bytes, big-endian, with the sign bit inverted, so that bytes sort
 * as numbers do. */
#ifndef MW_BIND_STORE_STORE_H
#define MW_BIND_STORE_STORE_H

#include "bind/base/bind.h"

#define MW_COLLECTION "moonwire.Collection"

enum {
  MW_COLLECTION_NAME_MAX = 64, /* bytes */
  MW_STORE_ATTEMPTS = 1000,    /* attempts of an optimistic change before it fails */
  MW_STORE_HURRY_AFTER = 3     /* failed attempts before the next is hurried: mw_store_txn_prioritise() */
};

/* The userdata of a collection. Borrows from its program; only that program's scripts have a reference. */
struct mw_collection {
  struct mw_program *program;
  const struct mw_message_type *type;
  const struct mw_field *key;
  struct mw_buf value; /* the last read value, kept for reuse */
  char name[MW_COLLECTION_NAME_MAX + 1];
};

/* A key in the store, on the C stack. */
struct mw_store_key {
  size_t len;
  uint8_t bytes[MW_STORE_KEY_MAX];
};

static inline struct mw_slice mw_store_key_slice(const struct mw_store_key *key) {
  return mw_slice(key->bytes, key->len);
}

static inline struct mw_store *mw_collection_store(const struct mw_collection *collection) {
  return collection->program->host->store;
}

/* ---- store_collection.c ---- */

struct mw_collection *mw_collection_check(lua_State *L, int arg);

/* Reads `key` into collection->value. Returns the codes of mw_store_get(). */
int mw_collection_read(struct mw_collection *collection, const struct mw_store_key *key, struct mw_store_entry *out);

/* The same with mw_store_get_newest(). */
int mw_collection_read_newest(struct mw_collection *collection, const struct mw_store_key *key,
                              struct mw_store_entry *out, struct mw_store_origin *origin);

/* Pushes the message in `bytes`, as a table or packed. Raises DATA_LOSS if they are not of the collection's type. */
void mw_collection_push(lua_State *L, struct mw_collection *collection, struct mw_slice bytes, bool packed);

/* Raises DATA_LOSS unless the stored bytes are a message of the collection's type. */
void mw_collection_check_bytes(lua_State *L, struct mw_collection *collection, struct mw_slice bytes);

/* Pushes the message that was written from the value at `arg`: that value if it is packed, else a table. */
void mw_collection_push_written(lua_State *L, struct mw_collection *collection, int arg, struct mw_slice bytes);

/* Encodes the message at `arg`, and finds the key. Pushes the string or packed message that `bytes` borrows. Raises if
 * the message does not fit the type. If the key is not valid, returns false and pushes nil and a status instead. */
bool mw_collection_pack(lua_State *L, struct mw_collection *collection, int arg, struct mw_slice *bytes,
                        struct mw_store_key *key);

/* Returns the expiry of a record that is written with the options table at `arg` ({ttl = seconds}); 0 for never. Raises
 * for other options. */
int64_t mw_collection_expiry(lua_State *L, int arg, const char *what);

/* Pushes nil and the status for an MW_E* of the store, with `text`, or the code's own words if that is NULL. The status
 * contains no path of the server. Logs nothing, because the store logs failed commits. */
int mw_store_fail(lua_State *L, const struct mw_collection *collection, int code, const char *text);

/* The same for a snapshot that cannot be opened. Frees `err` and logs its text unchanged. */
int mw_store_fail_err(lua_State *L, int code, struct mw_err *err);

/* Pushes nil and the status for an MW_E* of a read of `key`, and logs it. key.data is NULL if no record is known. */
int mw_store_fail_at(lua_State *L, const struct mw_collection *collection, int code, struct mw_slice key);

/* Returns the iterator at 3, a userdata with __call, and the values by which `for` closes it. If `rc` is not 0, raises
 * a status with the words of `err`, which is freed. */
int mw_collection_iterate(lua_State *L, int rc, struct mw_err *err);

extern const luaL_Reg mw_collection_writes[];  /* store_write.c */
extern const luaL_Reg mw_collection_scans[];   /* store_scan.c */
extern const luaL_Reg mw_collection_watches[]; /* store_watch.c */

/* ---- store_key.c ---- */

/* True if a message can be stored by this field: a single string or integer. */
bool mw_store_key_allowed(const struct mw_field *field);
static inline bool mw_store_key_is_text(const struct mw_field *field) { return field->kind == MW_KIND_STRING; }

/* The prefix of all keys of a collection. */
void mw_store_key_start(const struct mw_collection *collection, struct mw_store_key *key);

/* Converts the Lua value at `arg` to a key. Raises for a wrong type. Returns false if no message can have the key,
 * because it is empty or too long. */
bool mw_store_key_check(lua_State *L, int arg, const struct mw_collection *collection, struct mw_store_key *key);

/* Makes the prefix of the keys that begin with the string at `arg`, or of all keys if that is nil. */
bool mw_store_key_prefix(lua_State *L, int arg, const struct mw_collection *collection, struct mw_store_key *key);

/* Makes the key from the value of the key's field, as in memory; NULL if the field is unset. If it is unset, empty or
 * too long, returns false with words in `why`. */
bool mw_store_key_of(const struct mw_collection *collection, const void *value, struct mw_store_key *key,
                     const char **why);

/* Pushes the Lua value of a key in the store. */
void mw_store_key_push(lua_State *L, const struct mw_collection *collection, struct mw_slice key);

/* ---- store_wait.c: a fiber that waits for the store ----
 * An operation that has begun completes even if the fiber is killed; its result is then dropped. */

struct mw_store_wait;

/* Pushes a wait without an operation. Raises for lack of memory. */
struct mw_store_wait *mw_store_wait_new(lua_State *L, struct mw_fiber *fiber);

/* The wait at `index`. */
struct mw_store_wait *mw_store_wait_check(lua_State *L, int index);

/* The `done` of a store's operation. Its argument is one reference to `wait`, which it releases. */
void mw_store_wait_done(void *arg, const struct mw_store_result *result);
struct mw_store_wait *mw_store_wait_ref(struct mw_store_wait *wait);
void mw_store_wait_unref(struct mw_store_wait *wait);

/* Commits `txn`, which it takes, and suspends. `k` runs with the wait, which stays on the stack, as its context. */
int mw_store_wait_commit(lua_State *L, struct mw_store_wait *wait, struct mw_store *store, struct mw_store_txn *txn,
                         lua_KFunction k);

/* The origin of the state on which the fiber's change depends. The wait clears it at its end. */
struct mw_store_origin *mw_store_wait_origin(struct mw_store_wait *wait);

/* If the state is not durable, makes the wait at `index` a to-be-closed variable. An error that leaves the function
 * then waits until the state is durable, because the error may reveal it. If that fails, ABORTED replaces the error. */
void mw_store_wait_guard(lua_State *L, int index);

/* Pops the wait at `index`, if there is one, and all values above. lua_settop() alone is not safe in Lua 5.4.4: where
 * it closes a variable, the stack may move meanwhile. */
void mw_store_wait_drop(lua_State *L, int index);

/* Commits `txn`, which it takes. Returns false if it has already lost, because the state that it follows has
 * changed. */
bool mw_store_wait_begin(struct mw_store_wait *wait, struct mw_store *store, struct mw_store_txn *txn);

/* Suspends until the state in the wait's origin is durable. The result is MW_ECONFLICT if it never will be. Must not be
 * called for a durable state. Returns nil and a status for lack of memory. */
int mw_store_wait_confirm(lua_State *L, struct mw_store_wait *wait, struct mw_store *store, lua_KFunction k);

/* Suspends until an operation that was begun with mw_store_wait_done() has a result. */
int mw_store_wait_yield(lua_State *L, struct mw_store_wait *wait, lua_KFunction k);

const struct mw_store_result *mw_store_wait_result(const struct mw_store_wait *wait);

/* ---- store_transaction.c ---- */

/* mw.store.transaction(f), with the program as its upvalue. */
int mw_store_transaction(lua_State *L);
void mw_store_transaction_types(lua_State *L);
void mw_store_scan_types(lua_State *L);
void mw_store_watch_types(lua_State *L);

/* ---- store_hold.c: snapshots that scripts hold open ----
 * A script that waits may never continue. Therefore the worker can close its snapshot. */

struct mw_store_hold {
  struct mw_list link;                        /* in the worker's list, oldest first */
  struct mw_list client_link;                 /* in the client's list, oldest first */
  struct mw_store_snapshot *snapshot;         /* NULL if it is not open */
  void (*detach)(struct mw_store_hold *hold); /* copies data borrowed from the closing snapshot; or NULL */
  const char *ended;                          /* the reason why the worker closed it, or NULL */
  struct mw_store_holds *holds;
  const char *name;     /* name of its user, for display */
  int64_t opened;       /* mw_clock_mono() */
  uint64_t fiber, call; /* serial and id of the owners, or 0 */
  uint64_t client;      /* a hash of the call's connection, or a job; 0 for a loading script */
};

/* Opens a snapshot for the running fiber. Borrows `name` while it is open. Returns the codes of
 * mw_store_snapshot_open(). */
int mw_store_hold_open(lua_State *L, struct mw_store *store, struct mw_store_hold *hold, const char *name,
                       struct mw_err *err);

/* Closes it if it is open. */
void mw_store_hold_close(struct mw_store_hold *hold);

/* Pushes nil and ABORTED, with the reason why the worker closed the snapshot. */
int mw_store_hold_fail(lua_State *L, const struct mw_collection *collection, const struct mw_store_hold *hold);

/* Runs `show` for each, oldest first. */
void mw_bind_list_snapshots(const struct mw_vm *vm, void (*show)(void *arg, const struct mw_store_hold *hold),
                            void *arg);

/* Changes that wait in the queues of a worker's watches. */
struct mw_store_queues {
  struct mw_list list; /* struct watch.link */
  size_t bytes;        /* of all queues */
};
struct mw_store_queues *mw_store_queues_of(const struct mw_vm *vm);

/* Call it once for a state, before any snapshot. Borrows `host`. */
void mw_store_hold_types(lua_State *L, const struct mw_host *host);

#endif
