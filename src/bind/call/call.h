/* A call on the side of its Lua handler: private to the files that bind it. call.c runs it, call_object.c is its Lua
 * API.
 *
 *   struct mw_call (the engine's) --state--> struct mw_bind_call (in the call's arena) --fiber--> the coroutine
 *                                                   ^
 *                              userdata "moonwire.Call" holds a pointer, cleared when the call ends
 *
 * A script may keep the object after the call has ended, or use it in another fiber (mw.spawn). Therefore every use
 * goes through the userdata, and every wait on the call is a `struct mw_bind_waiter` that the end of the call wakes. */
#ifndef MW_BIND_CALL_CALL_H
#define MW_BIND_CALL_CALL_H

#include "bind/base/bind.h"
#include "observe/trace.h"

#define MW_BIND_CALL "moonwire.Call"

enum mw_bind_arrival { MW_BIND_NOTHING, MW_BIND_MESSAGE, MW_BIND_END };

/* A fiber that waits in call:send or call:receive. Lives in a userdata on its coroutine's stack. */
struct mw_bind_waiter {
  struct mw_list link;       /* in the call's `senders` or `resuming`, or in no list */
  struct mw_bind_call *call; /* NULL after the call has ended */
  struct mw_fiber *fiber;
  bool raising; /* for call:messages(): raises if the call was cancelled */
  bool packed;  /* pushes the message packed */
  enum mw_bind_arrival arrived;
  struct mw_slice bytes; /* the message's; borrowed while the event runs */
};

/* The call object. The stack of the handler's fiber holds it, so that mw_bind_call.object is valid until the call ends.
 * A script may keep it longer than the schema lives. */
struct mw_bind_object {
  struct mw_bind_call *call; /* NULL after the call has ended */
  const char *path;          /* "/tasks.TaskService/CreateTask"; lives as long as the Lua state */
  bool client_streaming, server_streaming;
};

/* Records that the call has ended: an event resumes fibers, and each may end the call. Lives on the stack of the
 * event. */
struct mw_bind_end_check {
  bool ended;
  struct mw_bind_end_check *outer; /* that of the event which contains this one */
};

struct mw_bind_call {
  struct mw_call *call;
  struct mw_program *program;
  const struct mw_method_type *method;
  int function;                    /* registry reference of the handler */
  struct mw_fiber *fiber;          /* NULL before it starts */
  struct mw_bind_object *object;   /* NULL before it starts, and when the handler takes none */
  struct mw_slice request;         /* for a method with one request; borrowed while the event runs */
  struct mw_bind_waiter *receiver; /* the fiber that waits in call:receive, or NULL */
  struct mw_buf unread;            /* a message that arrived after its receiver was killed */
  bool has_unread;
  struct mw_list senders;              /* fibers that wait in call:send */
  struct mw_list resuming;             /* fibers of ended waits, which go on when their turn comes */
  struct mw_list children;             /* struct mw_bind_child.link: outbound calls made for this call */
  struct mw_status end;                /* the reason of the cancellation */
  char trace_id[MW_TRACE_ID_LEN + 1];  /* empty until mw_bind_call_trace_id() */
  struct mw_bind_end_check *end_check; /* the innermost event that checks for the call's end, or NULL */
};

/* ---- call_context.c ---- */

/* The call whose handler L runs, also in coroutines that the handler has made, or NULL. */
struct mw_bind_call *mw_bind_running(lua_State *L);

/* results.c: checks the results of a handler, at `index` and after it. Returns words for the log if they are wrong,
 * else NULL. Then `*status` is the status with which the call ends, OK for a reply. The reply itself is not checked. */
const char *mw_bind_check_results(lua_State *L, const struct mw_method_type *method, int index,
                                  struct mw_status *status);

/* The call object at index 1. Raises for another value. */
struct mw_bind_object *mw_bind_check_object(lua_State *L);

/* Pushes nil and the reason of the call's end; `call` may be NULL after the end. */
int mw_bind_fail_ended(lua_State *L, struct mw_bind_call *call);

/* Pushes a waiter of the call as a userdata. mw_bind_stop_sending() removes it from `senders`, for mw_fiber_wait(). */
struct mw_bind_waiter *mw_bind_push_waiter(lua_State *L, struct mw_bind_call *call, struct mw_fiber *fiber);
void mw_bind_stop_sending(void *waiter);

/* Stops a wait that ends without an error. The waiter moves to `resuming`, where the end of the call finds it until its
 * fiber goes on. */
void mw_bind_stop_quietly(void *waiter);

/* Waits. If the call ends, the wait of its handler's fiber returns the reason as results. If another fiber is killed,
 * the call goes on, and the fiber's wait raises. */
int mw_bind_wait(lua_State *L, struct mw_bind_waiter *waiter, void (*cancel)(void *arg), void (*cancel_own)(void *arg),
                 lua_KFunction k);

/* call_send.c: call:send(message, options), call:send_all(source). */
int mw_bind_call_send(lua_State *L);
int mw_bind_call_send_all(lua_State *L);

/* The caller's trace id. Without one: NULL, or if `own`, an id of the call's own, which is made once. */
const char *mw_bind_call_trace_id(struct mw_bind_call *call, bool own);

/* call_object.c: pushes a new call object and stores it in `call`. */
void mw_bind_push_call(lua_State *L, struct mw_bind_call *call);

#endif
