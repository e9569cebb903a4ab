/* mw.store's inside, shared by the store_*.c files: collections, their keys, and writes that a fiber waits for.
 *
 * A collection's keys in the store are its name, a zero byte (which no name has), and the message's key: the bytes of a
 * string, or an integer as eight bytes, big-endian, with the sign turned over, so that bytes sort as numbers do. */
#ifndef MW_BIND_STORE_H
#define MW_BIND_STORE_H

#include "bind/bind.h"

#define MW_COLLECTION "moonwire.Collection"

enum {
  MW_COLLECTION_NAME_MAX = 64, /* bytes */
  MW_STORE_ATTEMPTS = 1000,    /* of an optimistic change before it gives up */
  MW_STORE_PATIENCE = 3        /* attempts that are lost before the next is hurried: mw_store_txn_hurry() */
};

/* The userdata of a collection. Borrows from its program, whose scripts alone can reach it. */
struct mw_collection {
  struct mw_program *program;
  const struct mw_message_type *type;
  const struct mw_field *key;
  struct mw_buf value; /* what was read last, kept for reuse */
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

/* Reads `key` into collection->value. Returns as mw_store_get(). */
int mw_collection_read(struct mw_collection *collection, const struct mw_store_key *key, struct mw_store_entry *out);

/* The same as mw_store_get_newest(). */
int mw_collection_read_newest(struct mw_collection *collection, const struct mw_store_key *key,
                              struct mw_store_entry *out, struct mw_store_origin *origin);

/* Pushes the message that `bytes` hold; raises DATA_LOSS when they are not of the collection's type. */
void mw_collection_push(lua_State *L, struct mw_collection *collection, struct mw_slice bytes);

/* Packs the message table at `arg` into a string, pushed, that `bytes` is a view of, and finds its key. Raises when the
 * table is no such message. Returns false, with nil and a status pushed instead, when its key cannot be one. */
bool mw_collection_pack(lua_State *L, struct mw_collection *collection, int arg, struct mw_slice *bytes,
                        struct mw_store_key *key);

/* When what is written with the options table at `arg` ({ttl = seconds}) expires; 0 for never. Raises on others. */
int64_t mw_collection_expiry(lua_State *L, int arg, const char *what);

/* Pushes nil and the status for an MW_E* of the store, with `text`, or NULL for the code's own words. The status has no
 * path of the server. Logs nothing: the store logs commits that fail. */
int mw_store_fail(lua_State *L, const struct mw_collection *collection, int code, const char *text);

/* The same for a snapshot that cannot be opened, from an mw_err, which is freed. Logs its text as it is. */
int mw_store_fail_err(lua_State *L, int code, struct mw_err *err);

/* Pushes nil and the status for an MW_E* met while the record of `key` was read, and logs it. `key` has no data when no
 * record is known. */
int mw_store_fail_at(lua_State *L, const struct mw_collection *collection, int code, struct mw_slice key);

/* Returns the iterator at 3, a userdata with __call, and the values by which `for` closes it. Raises a status if `rc` is
 * not 0; takes the words of `err`. */
int mw_collection_iterate(lua_State *L, int rc, struct mw_err *err);

extern const luaL_Reg mw_collection_writes[];     /* store_write.c */
extern const luaL_Reg mw_collection_scans[];      /* store_scan.c */
extern const luaL_Reg mw_collection_watches[];    /* store_watch.c */

/* ---- store_key.c ---- */

/* Whether messages can be stored by this field: a single string or integer. */
bool mw_store_key_allowed(const struct mw_field *field);
static inline bool mw_store_key_is_text(const struct mw_field *field) { return field->kind == MW_KIND_STRING; }

/* The prefix of all keys of a collection. */
void mw_store_key_start(const struct mw_collection *collection, struct mw_store_key *key);

/* The key that the Lua value at `arg` stands for; raises when it has the wrong type. Returns false when no message can
 * have it: empty or too long. */
bool mw_store_key_check(lua_State *L, int arg, const struct mw_collection *collection, struct mw_store_key *key);

/* The prefix of all keys that begin with the string at `arg`, or of all when it is nil. */
bool mw_store_key_prefix(lua_State *L, int arg, const struct mw_collection *collection, struct mw_store_key *key);

/* The key of a message. Returns false with words in `why` when it is unset, empty or too long. */
bool mw_store_key_of(const struct mw_collection *collection, const ProtobufCMessage *message, struct mw_store_key *key,
                     const char **why);

/* Pushes the Lua value of a key in the store. */
void mw_store_key_push(lua_State *L, const struct mw_collection *collection, struct mw_slice key);

/* ---- store_wait.c: a fiber that waits for the store ----
 * What was begun completes also when the fiber is killed; its result is then dropped. */

struct mw_store_wait;

/* Pushes a wait, at first for nothing. Raises without memory. */
struct mw_store_wait *mw_store_wait_new(lua_State *L, struct mw_fiber *fiber);

/* The wait at `index`. */
struct mw_store_wait *mw_store_wait_check(lua_State *L, int index);

/* The `done` of an operation of the store and, as its argument, one more reference to `wait`. */
void mw_store_wait_done(void *arg, const struct mw_store_result *result);
struct mw_store_wait *mw_store_wait_ref(struct mw_store_wait *wait);
void mw_store_wait_unref(struct mw_store_wait *wait);

/* Commits `txn`, which is taken, and suspends; `k` runs with the wait, which stays on the stack, as its context. */
int mw_store_wait_commit(lua_State *L, struct mw_store_wait *wait, struct mw_store *store, struct mw_store_txn *txn,
                         lua_KFunction k);

/* Where the state comes from that the fiber's change depends on; the wait clears it in the end. */
struct mw_store_origin *mw_store_wait_origin(struct mw_store_wait *wait);

/* Makes the wait at `index` a to-be-closed variable when its state is not durable. An error that leaves the function then
 * waits until it is, or is replaced by ABORTED: it may be all that others will know of that state. */
void mw_store_wait_guard(lua_State *L, int index);

/* Pops the wait at `index`, if there is one, and all above it. For lua_settop() alone may go on with a stack that has moved
 * meanwhile, in Lua 5.4.4, where it closes a variable. */
void mw_store_wait_drop(lua_State *L, int index);

/* Commits `txn`, which is taken. Returns false when it lost already: what it follows has changed. */
bool mw_store_wait_begin(struct mw_store_wait *wait, struct mw_store *store, struct mw_store_txn *txn);

/* Suspends until the state is durable that `wait` has the origin of: the result is MW_ECONFLICT when it will never be. Must not be
 * called when it is. Returns nil and a status without memory. */
int mw_store_wait_confirm(lua_State *L, struct mw_store_wait *wait, struct mw_store *store, lua_KFunction k);

/* Suspends until an operation that was begun with mw_store_wait_done() has its result. */
int mw_store_wait_yield(lua_State *L, struct mw_store_wait *wait, lua_KFunction k);

const struct mw_store_result *mw_store_wait_result(const struct mw_store_wait *wait);

/* ---- store_transaction.c ---- */

/* mw.store.transaction(f), with the program as its upvalue. */
int mw_store_transaction(lua_State *L);
void mw_store_transaction_types(lua_State *L);
void mw_store_scan_types(lua_State *L);
void mw_store_watch_types(lua_State *L);

/* ---- store_hold.c: snapshots that scripts hold open ----
 * Whoever waits, or may never come back, reads from a snapshot that the worker can close ahead of him. */

struct mw_store_hold {
  struct mw_list link;                /* in the worker's list, oldest first */
  struct mw_list client_link;         /* the same of its client */
  struct mw_store_snapshot *snapshot; /* NULL when it is not open */
  void (*let_go)(struct mw_store_hold *hold); /* copies what is borrowed from it, which the worker will close; or NULL */
  const char *ended;                  /* why the worker closed it; NULL when it did not */
  struct mw_store_holds *holds;
  const char *name;                   /* what it is of, for people */
  int64_t opened;                     /* mw_clock_mono() */
  uint64_t fiber, call;               /* of whom: serial and id; 0 for none */
  uint64_t client;                    /* a hash: of the call's connection, or a job; 0 while a script is loaded */
};

/* Opens a snapshot for the running fiber. `name` is borrowed while it is open. Returns as mw_store_snapshot_open(). */
int mw_store_hold_open(lua_State *L, struct mw_store *store, struct mw_store_hold *hold, const char *name,
                       struct mw_err *err);

/* Closes it, unless it is closed. */
void mw_store_hold_close(struct mw_store_hold *hold);

/* Pushes nil and ABORTED, with the reason why the worker closed it. */
int mw_store_hold_fail(lua_State *L, const struct mw_collection *collection, const struct mw_store_hold *hold);

/* Runs `show` for each, oldest first. */
void mw_bind_list_snapshots(const struct mw_vm *vm, void (*show)(void *arg, const struct mw_store_hold *hold),
                            void *arg);

/* The changes that the watches of a worker have not taken yet. */
struct mw_store_queues {
  struct mw_list list; /* struct watch.link */
  size_t bytes;        /* of all */
};
struct mw_store_queues *mw_store_queues_of(const struct mw_vm *vm);

/* Once in a state, before any snapshot. Borrows `host`. */
void mw_store_hold_types(lua_State *L, const struct mw_host *host);

#endif
