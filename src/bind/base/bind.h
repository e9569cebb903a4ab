/* The Lua module `moonwire`: one opener for each file of this folder, and the conventions that the bindings share.
 *
 * An opener gets the module table at the top of the stack and adds its functions. Their first upvalue is the program,
 * as a light userdata. All programs of a state share the metatables: mw_bind_push_type().
 *
 * A wrong argument raises (luaL_argerror and friends). A failure of run time returns nil and a status. */
#ifndef MW_BIND_BASE_BIND_H
#define MW_BIND_BASE_BIND_H

#include "bind/base/host.h"
#include "rpc/status.h"
#include "schema/wire/message.h"
#include "script/state/fiber.h"

/* The program of this C function, whose first upvalue it is. */
static inline struct mw_program *mw_bind_program(lua_State *L) {
  return (struct mw_program *)lua_touserdata(L, lua_upvalueindex(1));
}

/* Adds functions to the table at the top, each with the program as its first upvalue. */
void mw_bind_functions(lua_State *L, struct mw_program *program, const luaL_Reg *functions);

/* Pushes the metatable `name` ("moonwire.Type") of objects with these methods and metamethods; either may be NULL for
 * none. Scripts can neither reach nor replace it: its __metatable is the name.
 * Reading a name that is not a method raises. A type whose objects are tables removes the metatable from its table of
 * methods.
 * A state makes the metatable once, and registers it only when it is complete, because memory may run out before. The
 * first upvalue of the metamethods is the table of methods, which is also the __index unless the metamethods have
 * one. */
void mw_bind_push_type(lua_State *L, const char *name, const luaL_Reg *methods, const luaL_Reg *metamethods);

/* Makes and registers such a metatable. The top of the stack is the table of methods, or nil; the metatable replaces
 * it. */
void mw_bind_make_type(lua_State *L, const char *name, const luaL_Reg *metamethods);

/* Returns the userdata of type `type` ("moonwire.Topic") at index 1, the object of a method. Raises for another value.
 * If the method was called with a dot in place of a colon, the error names that as the cause. */
void *mw_bind_check_self(lua_State *L, const char *type);

/* ---- options.c: tables of options, read raw: no metamethod of a script runs ----
 * A binding reads its options before it takes any pointer that Lua code could make invalid. */

/* Raises unless the value at `arg`, an absolute index, is absent or a table whose keys are all in `allowed`, which ends
 * with NULL. Returns true if there is a table. The error names the function `what`. */
bool mw_bind_check_options(lua_State *L, int arg, const char *what, const char *const *allowed);

/* Pushes the option `name` of the table at `arg`, or nil if there is no table. Returns its type. */
int mw_bind_get_option(lua_State *L, int arg, const char *name);

/* Pushes the module table of a program. All openers below fill it. */
void mw_bind_open(lua_State *L, struct mw_program *program);

/* For vm->push_cut: pushes the status with which a cut call or job ends (script/state/budget.h). */
void mw_bind_push_cut(lua_State *L, enum mw_cut why, const char *words, const char *place, const char *traceback);

void mw_bind_open_service(lua_State *L, struct mw_program *program);   /* service.c: mw.service */
void mw_bind_open_intercept(lua_State *L, struct mw_program *program); /* intercept.c: mw.intercept */
void mw_bind_open_status(lua_State *L, struct mw_program *program);    /* status.c: mw.status */
void mw_bind_open_message(lua_State *L, struct mw_program *program);   /* message.c: mw.message and others */
void mw_bind_open_any(lua_State *L, struct mw_program *program);       /* any.c: mw.any */
void mw_bind_open_u64(lua_State *L, struct mw_program *program);       /* u64.c: mw.u64 */
void mw_bind_open_base64(lua_State *L, struct mw_program *program);    /* base64.c: mw.base64 */
void mw_bind_open_sleep(lua_State *L, struct mw_program *program);     /* sleep.c: mw.sleep */
void mw_bind_open_job(lua_State *L, struct mw_program *program);       /* job.c: mw.spawn, mw.every */
void mw_bind_open_live(lua_State *L, struct mw_program *program);      /* live.c: mw.live */
void mw_bind_open_state(lua_State *L, struct mw_program *program);     /* state.c: mw.state */
void mw_bind_open_topic(lua_State *L, struct mw_program *program);     /* topic.c: mw.topic */
void mw_bind_open_store(lua_State *L, struct mw_program *program);     /* store.c: mw.store */
void mw_bind_open_client(lua_State *L, struct mw_program *program);    /* client.c: mw.client */
void mw_bind_open_fs(lua_State *L, struct mw_program *program);        /* fs.c: mw.fs */
void mw_bind_open_log(lua_State *L, struct mw_program *program);       /* log.c: mw.log */
void mw_bind_open_metrics(lua_State *L, struct mw_program *program);   /* metrics.c: mw.metrics */
void mw_bind_open_json(lua_State *L, struct mw_program *program);      /* json.c: mw.json */
void mw_bind_open_time(lua_State *L, struct mw_program *program);      /* time.c: mw.time */
void mw_bind_open_env(lua_State *L, struct mw_program *program);       /* env.c: mw.env */
void mw_bind_open_host(lua_State *L, struct mw_program *program);      /* host_info.c: mw.host */

/* ---- service.c: the handlers of a program ---- */

/* Call it after the scripts are loaded. Puts every handler, and every service that a script has asked for, into
 * program->router. Returns 0 or MW_ENOMEM. */
int mw_bind_route(struct mw_program *program, struct mw_err *err);

/* Makes a program with the module `moonwire`. Errors and ownership as in mw_program_new(). */
int mw_bind_program_new(struct mw_program **out, struct mw_vm *vm, const struct mw_host *host, struct mw_pool *pool,
                        uint64_t generation, struct mw_err *err);

/* Call it after the program has become vm->newest. The live modules become its own, and the states that it has declared
 * come into force. */
void mw_bind_adopted(struct mw_program *program);
void mw_bind_adopt_live(lua_State *L, struct mw_program *program); /* the part of live.c */
void mw_bind_adopt_state(lua_State *L);                            /* the part of state.c */

/* Releases the program's handlers and retires the program. Its jobs are stopped, and none of its calls and fibers is
 * live. */
void mw_bind_retire(struct mw_program *program);

/* ---- sleep.c ---- */

/* Checks a duration in seconds at `index` and returns it in nanoseconds. */
int64_t mw_bind_check_seconds(lua_State *L, int index);

/* ---- job.c ---- */

/* Starts the functions that the scripts registered with mw.spawn and mw.every. */
void mw_bind_start_jobs(struct mw_program *program);

/* Kinds of jobs and spawned functions. */
enum {
  MW_JOBS_OF_CALLS = 1,   /* spawned by calls, directly or through a spawned function */
  MW_JOBS_OF_RUNS = 2,    /* live runs of mw.every; while program->n_runs is not 0, also functions that runs spawned */
  MW_JOBS_BACKGROUND = 4, /* the rest: registered while the program loaded, or spawned by such a job */
  MW_JOBS_ALL = 7
};

/* Kills the program's jobs of these kinds. Each ends as soon as its wait allows. */
void mw_bind_stop_jobs(struct mw_program *program, unsigned kinds);

/* Call it before `to` replaces `from`. A job of `to` takes the due time of the same job of `from`, and waits for the
 * end of that job's run. Jobs match by name; else by file, period and order; else by file and order. */
void mw_bind_hand_over_jobs(struct mw_program *from, struct mw_program *to);

/* Abandons every fiber of the state (script/state/fiber.h). The state spawns no more. */
void mw_bind_abandon(struct mw_vm *vm);

/* A job or spawned function, for display. */
struct mw_bind_job {
  char name[96];   /* its name, or "FILE:LINE" where its function is defined */
  char place[256]; /* "FILE:LINE" where it waits; "" between two runs and before the first */
  int64_t period;  /* nanoseconds; 0 for a function that runs once */
  int64_t time;    /* mw_clock_mono(): the start of this run, or between two runs the start of the next */
  bool ready;      /* due, and waiting for its turn */
  uint64_t before; /* the generation whose run it waits for, or 0 */
  uint64_t call;   /* the call that has spawned it, or 0 */
};

/* Calls `show(arg, job)`, which runs no Lua, for the first `most` jobs of the program. Returns the number of its
 * jobs. */
size_t mw_bind_list_jobs(const struct mw_program *program, size_t most,
                         void (*show)(void *arg, const struct mw_bind_job *job), void *arg);

/* ---- call.c ---- */

/* Runs Lua functions as methods; a route's `arg` is a struct mw_bind_target. */
extern const struct mw_handler mw_bind_handler;

struct mw_bind_target {
  int function;     /* registry reference */
  bool takes_call;  /* it has a parameter for the call object; without one, no object is made */
  const char *path; /* the method's path; lives as long as the Lua state */
  char place[];     /* "lua/tasks.lua:12", where the handler begins; for a method that C handles, its path */
};

/* Serves methods that C handles and interceptors wrap; `arg` as above. */
extern const struct mw_handler mw_bind_builtin_handler;

/* True if a Lua function, the handler or an interceptor, runs the route's calls. */
static inline bool mw_bind_handles(const struct mw_route *route) {
  return route->handler == &mw_bind_handler || route->handler == &mw_bind_builtin_handler;
}

/* The call that L serves, also in coroutines that the handler has made. NULL in jobs, and after the call has ended. */
struct mw_call *mw_bind_current_call(lua_State *L);

/* Writes the place of a call that mw_bind_handler serves: "FILE:LINE" of the Lua code that waits, or words if no Lua
 * code runs. */
void mw_bind_call_place(const struct mw_call *call, char *out, size_t size);

/* Writes the place of a fiber in the same way. */
void mw_bind_fiber_place(const struct mw_fiber *fiber, char *out, size_t size);

/* An outbound call that is made for a served call, and is cancelled with it. */
struct mw_bind_child {
  struct mw_list link;                         /* initialised by the owner, which removes it after the end */
  void (*cancel)(struct mw_bind_child *child); /* runs when the served call is cancelled; runs no Lua */
};

/* Links `child` to the call that L serves, so that it is cancelled with that call. Returns the call, or NULL outside of
 * calls. */
struct mw_call *mw_bind_link_child(lua_State *L, struct mw_bind_child *child);

/* ---- message.c: between Lua tables and messages ----
 * docs/messages.md is the contract. Call mw_bind_open_message() first. Tables are read and written raw: no metamethod
 * of a script runs. */

/* Pushes `message` as a table; copies everything. Raises for lack of memory and by the budget. Raises
 * RESOURCE_EXHAUSTED with the path of a map whose keys collide in a Lua table of any size. */
void mw_bind_push_message(lua_State *L, struct mw_program *program, const struct mw_message_type *type,
                          const ProtobufCMessage *message);

/* Makes a message from the table at `index`. Borrows strings from Lua: pack the message before the table can change.
 * Raises only for lack of Lua memory and by the budget. Returns 0, MW_EINVAL ("tasks.Task.priority: expected
 * tasks.Priority, got ..."), MW_ELIMIT (nested too deep) or MW_ENOMEM. */
int mw_bind_to_message(lua_State *L, int index, struct mw_program *program, const struct mw_message_type *type,
                       struct mw_arena *arena, ProtobufCMessage **out, struct mw_err *err);

/* Unpacks bytes with the vm's scratch arena and pushes the table. On failure returns the error and pushes nothing. */
int mw_bind_push_bytes(lua_State *L, struct mw_program *program, const struct mw_message_type *type,
                       struct mw_slice bytes, struct mw_err *err);

/* The program's type of a message, a table or packed. NULL for other values, and if the program lacks the type. */
const struct mw_message_type *mw_bind_message_type(lua_State *L, int index, struct mw_program *program);

/* The message type with the name in the string argument `arg`. Raises if there is none. */
const struct mw_message_type *mw_bind_check_message_name(lua_State *L, int arg, struct mw_program *program);

/* Releases the objects of mw_bind_open_message(). Messages that scripts still hold stay complete. Never raises. */
void mw_bind_close_messages(struct mw_program *program);

/* Push mw.null; return true if the value at `index` is mw.null. */
void mw_bind_push_null(lua_State *L);
bool mw_bind_is_null(lua_State *L, int index);

/* Mark the table at the top as a list, as mw.array() does; return true if the table at `index` is marked. */
void mw_bind_mark_array(lua_State *L);
bool mw_bind_is_array(lua_State *L, int index);

/* True for a table with weak references. The collector may remove its values at any allocation. */
bool mw_bind_is_weak(lua_State *L, int index);

/* ---- client.c ---- */

/* Pushes a client, as mw.client() does, on a channel of its own of `engine`. */
void mw_bind_push_client(lua_State *L, struct mw_program *program, struct mw_engine *engine,
                         const struct mw_channel_config *config);

/* ---- state.c ---- */

/* Forgets every state: the next program begins with none. */
void mw_bind_forget_states(lua_State *L);

/* ---- debug_info.c ---- */

/* Adds a google.rpc.DebugInfo to the status at the top: the lines of `traceback`, which may be NULL, and the
 * generation, worker and call. */
void mw_bind_add_debug_info(lua_State *L, const char *traceback);

/* Replaces each byte that belongs to no UTF-8 character by "?", because a status carries only UTF-8. */
void mw_bind_make_utf8(char *text);

/* ---- options.c: names ---- */

/* The string at `arg`. Raises for other values, and for a string with a zero byte, because C would end it there. */
const char *mw_bind_check_name(lua_State *L, int arg);

/* ---- unknown.c ---- */

/* Raise "WHO: no service NAME in the schema" with the nearest name, or with all names. `word` is the method's own part
 * of `name`. */
int mw_bind_no_service(lua_State *L, const char *who, const struct mw_pool *pool, const char *name);
int mw_bind_no_method(lua_State *L, const char *who, const struct mw_service_type *service, const char *name,
                      const char *word);

/* ---- status.c ---- */

/* Pushes a status object: code (its name), message, and details if there are any. The status is the call's own or the
 * handler's choice: a handler that raises it ends the call with this status. */
void mw_bind_push_status(lua_State *L, const struct mw_status *status);

/* Pushes a failure: the status of a function that a script has called, such as an outbound call. A handler that raises
 * it ends its call with INTERNAL. */
void mw_bind_push_failure(lua_State *L, const struct mw_status *status);

/* True if the value at `index` is a failure. */
bool mw_bind_is_failure(lua_State *L, int index);

/* Raises the failure at the top, for functions without a second result. If the code is an outcome, such as ABORTED, the
 * call ends with this status. DATA_LOSS, UNAVAILABLE and INTERNAL end it with INTERNAL, as raised failures do. */
int mw_bind_raise_status(lua_State *L);

/* Pushes nil and a failure: `return mw_bind_fail(L, MW_CODE_NOT_FOUND, "...")`. */
int mw_bind_fail(lua_State *L, enum mw_code code, const char *fmt, ...) MW_PRINTF(3, 4);

/* Pushes nil and a failure with the words of `err`, which is freed. */
int mw_bind_fail_err(lua_State *L, enum mw_code code, struct mw_err *err);

/* Pushes the words of `err`. Frees `err`, also when it raises for lack of memory. */
void mw_bind_push_err(lua_State *L, struct mw_err *err);

/* Raises an error with the position of the calling script and the words of `err`, which is freed. For MW_ENOMEM raises
 * the error of mw_budget_refuse(). */
int mw_bind_raise_err(lua_State *L, struct mw_err *err);

/* Reads the status object at `index` into a view, which is valid while the object stays on the stack. Returns false if
 * the value is no status object. */
bool mw_bind_to_status(lua_State *L, int index, struct mw_status *out);

#endif
