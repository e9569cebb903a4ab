/* The Lua module `moonwire`, one opener per file of this folder, and the conventions that the bindings share.
 *
 * An opener gets the module table at the top of the stack and adds its part: functions whose first upvalue is the
 * program, as a light userdata. Metatables are shared by all programs of a state: mw_bind_push_type().
 *
 * A wrong argument raises (luaL_argerror and friends); what can fail at run time returns nil and a status. */
#ifndef MW_BIND_BIND_H
#define MW_BIND_BIND_H

#include "bind/host.h"
#include "rpc/status.h"
#include "schema/message.h"
#include "script/fiber.h"

/* The program whose module table this C function came from. */
static inline struct mw_program *mw_bind_program(lua_State *L) {
  return (struct mw_program *)lua_touserdata(L, lua_upvalueindex(1));
}

/* Adds functions to the table at the top, each with the program as its first upvalue. */
void mw_bind_functions(lua_State *L, struct mw_program *program, const luaL_Reg *functions);

/* Pushes the metatable `name` ("moonwire.Type") of objects with these methods and metamethods, either NULL for none.
 * Scripts neither reach it nor replace it: its __metatable is the name.
 * Reading a name that is no method raises; a type whose objects are tables takes the metatable off its table of methods.
 * It is made once for a state, and registered only when it is complete: memory may end in between. The metamethods
 * have the table of methods as their first upvalue; it is the __index unless that is one of them. */
void mw_bind_push_type(lua_State *L, const char *name, const luaL_Reg *methods, const luaL_Reg *metamethods);

/* Makes and registers such a metatable of the table of methods, or nil, at the top of the stack, which it replaces. */
void mw_bind_make_type(lua_State *L, const char *name, const luaL_Reg *metamethods);

/* The userdata of type `type` ("moonwire.Topic") at index 1, the object of a method. Raises for another value; a call with a dot
 * in place of a colon is named as the cause. */
void *mw_bind_check_self(lua_State *L, const char *type);

/* ---- options.c: tables of options, read raw: no metamethod of a script runs ----
 * A binding reads its options before it takes any pointer that Lua code could make invalid. */

/* Raises unless at `arg`, an absolute index, there is nothing, or a table whose keys are all among the `allowed`,
 * NULL-ended. Returns whether there is a table. `what` is the function, for the error. */
bool mw_bind_check_options(lua_State *L, int arg, const char *what, const char *const *allowed);

/* Pushes the option `name` of the table at `arg`; nil when there is no table. Returns its type. */
int mw_bind_get_option(lua_State *L, int arg, const char *name);

/* Pushes the module table of a program, made by all openers below. */
void mw_bind_open(lua_State *L, struct mw_program *program);

/* For vm->push_cut: pushes the status that a call or job which was cut (script/budget.h) ends with. */
void mw_bind_push_cut(lua_State *L, enum mw_cut why, const char *words, const char *place, const char *traceback);

void mw_bind_open_service(lua_State *L, struct mw_program *program);      /* service.c: mw.service */
void mw_bind_open_intercept(lua_State *L, struct mw_program *program);    /* intercept.c: mw.intercept */
void mw_bind_open_status(lua_State *L, struct mw_program *program);       /* status.c: mw.status */
void mw_bind_open_message(lua_State *L, struct mw_program *program);      /* message.c: mw.message and others */
void mw_bind_open_any(lua_State *L, struct mw_program *program);          /* any.c: mw.any */
void mw_bind_open_u64(lua_State *L, struct mw_program *program);          /* u64.c: mw.u64 */
void mw_bind_open_base64(lua_State *L, struct mw_program *program);       /* base64.c: mw.base64 */
void mw_bind_open_sleep(lua_State *L, struct mw_program *program);        /* sleep.c: mw.sleep */
void mw_bind_open_job(lua_State *L, struct mw_program *program);          /* job.c: mw.spawn, mw.every */
void mw_bind_open_live(lua_State *L, struct mw_program *program);         /* live.c: mw.live */
void mw_bind_open_state(lua_State *L, struct mw_program *program);        /* state.c: mw.state */
void mw_bind_open_topic(lua_State *L, struct mw_program *program);        /* topic.c: mw.topic */
void mw_bind_open_store(lua_State *L, struct mw_program *program);        /* store.c: mw.store */
void mw_bind_open_client(lua_State *L, struct mw_program *program);       /* client.c: mw.client */
void mw_bind_open_fs(lua_State *L, struct mw_program *program);           /* fs.c: mw.fs */
void mw_bind_open_log(lua_State *L, struct mw_program *program);          /* log.c: mw.log */
void mw_bind_open_metrics(lua_State *L, struct mw_program *program);      /* metrics.c: mw.metrics */
void mw_bind_open_json(lua_State *L, struct mw_program *program);         /* json.c: mw.json */
void mw_bind_open_time(lua_State *L, struct mw_program *program);         /* time.c: mw.time */
void mw_bind_open_env(lua_State *L, struct mw_program *program);          /* env.c: mw.env */
void mw_bind_open_host(lua_State *L, struct mw_program *program);         /* host_info.c: mw.host */

/* ---- service.c: the handlers of a program ---- */

/* After the scripts are loaded: puts every handler, and every service that a script has asked for, into program->router.
 * Returns 0 or MW_ENOMEM. */
int mw_bind_route(struct mw_program *program, struct mw_err *err);

/* Makes a program with the module `moonwire`; see mw_program_new(). */
int mw_bind_program_new(struct mw_program **out, struct mw_vm *vm, const struct mw_host *host, struct mw_pool *pool,
                        uint64_t generation, struct mw_err *err);

/* The program has become vm->newest: live modules are now its own, and the states that it has asked for are in force. */
void mw_bind_adopted(struct mw_program *program);
void mw_bind_adopt_live(lua_State *L, struct mw_program *program); /* live.c's part */
void mw_bind_adopt_state(lua_State *L);                            /* state.c's part */

/* Lets go of the program's handlers, and retires it. Its jobs were stopped, and no call or fiber of it is live. */
void mw_bind_retire(struct mw_program *program);

/* ---- sleep.c ---- */

/* Checks a duration in seconds at `index` and returns it in nanoseconds. */
int64_t mw_bind_check_seconds(lua_State *L, int index);

/* ---- job.c ---- */

/* Starts what the scripts registered with mw.spawn and mw.every. */
void mw_bind_start_jobs(struct mw_program *program);

/* Kinds of jobs and spawned functions. */
enum {
  MW_JOBS_OF_CALLS = 1,   /* what calls have spawned, and what that has */
  MW_JOBS_OF_RUNS = 2,    /* runs of mw.every that are under way; what runs have spawned, while program->n_runs is not 0 */
  MW_JOBS_BACKGROUND = 4, /* the rest: what was registered while the program loaded, and what that has spawned */
  MW_JOBS_ALL = 7
};

/* Kills those of the program; they end as soon as what they wait for allows. */
void mw_bind_stop_jobs(struct mw_program *program, unsigned kinds);

/* Before `to` takes the place of `from`: its jobs take over the due times of the same jobs there, and wait for the end of
 * their runs. A job is the same by its name; else by its file, period and order; else by its file and order. */
void mw_bind_hand_over_jobs(struct mw_program *from, struct mw_program *to);

/* Abandons every fiber of the state (script/fiber.h), which then spawns no more. */
void mw_bind_abandon(struct mw_vm *vm);

/* A job or spawned function, for people. */
struct mw_bind_job {
  char name[96];     /* its name, or "FILE:LINE" where its function is defined */
  char place[256];   /* "FILE:LINE" where it waits; "" between two runs, and before the first */
  int64_t period;    /* nanoseconds; 0 for one that runs once */
  int64_t time;      /* mw_clock_mono(): when this run began, or between two runs when the next one will */
  bool ready;        /* it is due and waits for its turn */
  uint64_t before;   /* the generation whose run it waits for; 0 for none */
  uint64_t call;     /* that has spawned it; 0 for none */
};

/* Shows the first `most` jobs of the program to `show(arg, job)`, which runs no Lua. Returns how many jobs it has. */
size_t mw_bind_list_jobs(const struct mw_program *program, size_t most,
                         void (*show)(void *arg, const struct mw_bind_job *job), void *arg);

/* ---- call.c ---- */

/* Runs Lua functions as methods; a route's `arg` is a struct mw_bind_target. */
extern const struct mw_handler mw_bind_handler;

struct mw_bind_target {
  int function;     /* registry reference */
  bool takes_call;  /* it has a parameter for the call object; for one that has not, none is made */
  const char *path; /* of the method; lives as long as the Lua state */
  char place[];     /* "lua/tasks.lua:12", where the handler begins; the path of a method that C handles */
};

/* The same, for methods that C handles and interceptors wrap. */
extern const struct mw_handler mw_bind_builtin_handler;

/* Whether a Lua function, an interceptor at least, runs the route's calls. */
static inline bool mw_bind_handles(const struct mw_route *route) {
  return route->handler == &mw_bind_handler || route->handler == &mw_bind_builtin_handler;
}

/* The call that L serves, also in coroutines of the handler's own; NULL in jobs, and once it has ended. */
struct mw_call *mw_bind_current_call(lua_State *L);

/* Where a call that mw_bind_handler has is: "FILE:LINE" of the Lua code that waits, or words for what it waits for. */
void mw_bind_call_place(const struct mw_call *call, char *out, size_t size);

/* The same of a fiber. */
void mw_bind_fiber_place(const struct mw_fiber *fiber, char *out, size_t size);

/* What hangs on a call that is being served: an outbound call made for it. */
struct mw_bind_child {
  struct mw_list link; /* initialised by its owner, who takes it out when it is done */
  void (*cancel)(struct mw_bind_child *child); /* runs when the call is cancelled; runs no Lua */
};

/* Has `child` cancelled with the call that L serves. Returns that call, or NULL outside of calls. */
struct mw_call *mw_bind_adopt(lua_State *L, struct mw_bind_child *child);

/* ---- message.c: between Lua tables and messages ----
 * docs/messages.md is the contract. mw_bind_open_message() comes first. Tables are read and written raw: no metamethod
 * of a script runs. */

/* Pushes `message` as a table. Raises for lack of memory, by the budget, and RESOURCE_EXHAUSTED with the path of a map
 * whose keys collide in a Lua table of any size. Copies everything. */
void mw_bind_push_message(lua_State *L, struct mw_program *program, const struct mw_message_type *type,
                          const ProtobufCMessage *message);

/* Makes a message of the table at `index`. Strings are borrowed from Lua: pack before the table can change. Raises
 * only for lack of Lua memory and by the budget. Returns 0; MW_EINVAL with "tasks.Task.priority: expected tasks.Priority, got ...",
 * MW_ELIMIT (nested too deep) or MW_ENOMEM. */
int mw_bind_to_message(lua_State *L, int index, struct mw_program *program, const struct mw_message_type *type,
                       struct mw_arena *arena, ProtobufCMessage **out, struct mw_err *err);

/* Unpacks bytes with the vm's scratch arena and pushes the table. On failure pushes nothing and returns the error. */
int mw_bind_push_bytes(lua_State *L, struct mw_program *program, const struct mw_message_type *type,
                       struct mw_slice bytes, struct mw_err *err);

/* The program's type of a message table, by its metatable; NULL when it has none or the program has no such type. */
const struct mw_message_type *mw_bind_message_type(lua_State *L, int index, struct mw_program *program);

/* The message type that the string argument `arg` names; raises when there is none. */
const struct mw_message_type *mw_bind_check_message_name(lua_State *L, int arg, struct mw_program *program);

/* Lets go of what mw_bind_open_message() made; messages that scripts still hold stay whole. Never raises. */
void mw_bind_close_messages(struct mw_program *program);

/* mw.null, and whether the value at `index` is it. */
void mw_bind_push_null(lua_State *L);
bool mw_bind_is_null(lua_State *L, int index);

/* Marks the table at the top as a list, as mw.array() does, and whether the one at `index` is marked. */
void mw_bind_mark_array(lua_State *L);
bool mw_bind_is_array(lua_State *L, int index);

/* True for a table with weak references: at any allocation the collector may take values from it. */
bool mw_bind_is_weak(lua_State *L, int index);

/* ---- client.c ---- */

/* Pushes what mw.client() makes, on a channel of its own of `engine`. */
void mw_bind_push_client(lua_State *L, struct mw_program *program, struct mw_engine *engine,
                         const struct mw_channel_config *config);

/* ---- state.c ---- */

/* Forgets every state: the next program begins without. */
void mw_bind_forget_states(lua_State *L);

/* ---- debug_info.c ---- */

/* Adds a google.rpc.DebugInfo to the status at the top: the lines of `traceback`, which may be NULL, and what runs. */
void mw_bind_add_debug_info(lua_State *L, const char *traceback);

/* Puts a "?" for each byte of a text that belongs to no UTF-8 character: a status carries nothing else. */
void mw_bind_make_utf8(char *text);

/* ---- options.c: names ---- */

/* The string at `arg`. Raises for other values, and for a string with a zero byte, where C would end it. */
const char *mw_bind_check_name(lua_State *L, int arg);

/* ---- unknown.c ---- */

/* Raise "WHO: no service NAME in the schema" and the nearest name, or all. `word` is the method's own part of `name`. */
int mw_bind_no_service(lua_State *L, const char *who, const struct mw_pool *pool, const char *name);
int mw_bind_no_method(lua_State *L, const char *who, const struct mw_service_type *service, const char *name,
                      const char *word);

/* ---- status.c ---- */

/* Pushes a status object: code (its name), message, and details when there are any. It is the call's own, or that of a
 * handler: raised, it ends the call as it is. */
void mw_bind_push_status(lua_State *L, const struct mw_status *status);

/* The same for a failure: the status of a function that a script has called, such as an outbound call. A handler that
 * raises it ends its call with INTERNAL. */
void mw_bind_push_failure(lua_State *L, const struct mw_status *status);

/* Whether the value at `index` is a failure. */
bool mw_bind_is_failure(lua_State *L, int index);

/* Raises the failure at the top, in functions without a second result. A code that is an outcome, such as ABORTED, ends the
 * call as it is; DATA_LOSS, UNAVAILABLE and INTERNAL end it with INTERNAL, as raised failures do. */
int mw_bind_raise_status(lua_State *L);

/* Pushes nil and a failure: `return mw_bind_fail(L, MW_CODE_NOT_FOUND, "...")`. */
int mw_bind_fail(lua_State *L, enum mw_code code, const char *fmt, ...) MW_PRINTF(3, 4);

/* The same from an mw_err, whose words are taken and freed. */
int mw_bind_fail_err(lua_State *L, enum mw_code code, struct mw_err *err);

/* Pushes the words of `err`, which is freed also when there is no memory for them. */
void mw_bind_push_err(lua_State *L, struct mw_err *err);

/* Raises an error with the words of `err`, which is freed, and the position of the calling script. For MW_ENOMEM it is
 * mw_budget_refuse()'s. */
int mw_bind_raise_err(lua_State *L, struct mw_err *err);

/* Reads the status object at `index` as a view that lives as long as the object stays on the stack. Returns whether it
 * is one. */
bool mw_bind_to_status(lua_State *L, int index, struct mw_status *out);

#endif
