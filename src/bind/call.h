/* A call as its Lua handler has it: private to the files that bind it (call.c runs it, call_object.c is its face).
 *
 *   struct mw_call (the engine's) --state--> struct mw_bind_call (in the call's arena) --fiber--> the coroutine
 *                                                   ^
 *                              userdata "moonwire.Call" holds a pointer, cleared when the call ends
 *
 * A script may keep the object after the call has ended, or use it from another fiber (mw.spawn): every use goes
 * through the userdata, and every wait on the call is a `struct mw_bind_waiter` that the end of the call wakes. */
#ifndef MW_BIND_CALL_H
#define MW_BIND_CALL_H

#include "bind/bind.h"
#include "observe/trace.h"

#define MW_BIND_CALL "moonwire.Call"

enum mw_bind_arrival { MW_BIND_NOTHING, MW_BIND_MESSAGE, MW_BIND_END };

/* A fiber that waits in call:send or call:receive. Lives in a userdata on its coroutine's stack. */
struct mw_bind_waiter {
  struct mw_list link;       /* in the call's `senders` or `woken`, or alone */
  struct mw_bind_call *call; /* NULL once the call has ended */
  struct mw_fiber *fiber;
  bool raising;              /* call:messages(): a dirty end raises */
  enum mw_bind_arrival arrived;
  struct mw_slice bytes;     /* of the message; borrowed while the event runs */
};

/* The call object. The stack of the handler's fiber holds it, so that mw_bind_call.object is valid until the call ends. A
 * script may keep it longer than the schema lives. */
struct mw_bind_object {
  struct mw_bind_call *call; /* NULL once it has ended */
  const char *path;          /* "/tasks.TaskService/CreateTask"; lives as long as the Lua state */
  bool client_streaming, server_streaming;
};

/* Events resume fibers, and any of them may end the call: lives on the stack of the event. */
struct mw_bind_watch {
  bool ended;
  struct mw_bind_watch *outer; /* of the event around this one */
};

struct mw_bind_call {
  struct mw_call *call;
  struct mw_program *program;
  const struct mw_method_type *method;
  int function;                    /* registry reference of the handler */
  struct mw_fiber *fiber;          /* NULL before it starts */
  struct mw_bind_object *object;   /* NULL before it starts, and when the handler takes none */
  struct mw_slice request;         /* of a method whose request is not streamed; borrowed while the event runs */
  struct mw_bind_waiter *receiver; /* who waits in call:receive, or NULL */
  struct mw_buf unread;            /* the message that arrived after its receiver was killed */
  bool has_unread;
  struct mw_list senders;          /* who waits in call:send */
  struct mw_list woken;            /* who waited so, or in call:receive, and goes on when its turn comes */
  struct mw_list children;         /* struct mw_bind_child.link: outbound calls made for it */
  struct mw_status end;            /* why the call was cancelled */
  char trace_id[MW_TRACE_ID_LEN + 1]; /* empty until mw_bind_call_trace_id() */
  struct mw_bind_watch *watch;     /* who asks whether the call has ended; NULL for nobody */
};

/* The call whose handler L runs in, also in coroutines of the handler's own; NULL for none. */
struct mw_bind_call *mw_bind_running(lua_State *L);

/* What is wrong with the results of a handler, at `index` and after it: words for the log, NULL for nothing. Sets the status
 * that they end the call with, OK for a reply, into which it does not look. */
const char *mw_bind_find_mistake(lua_State *L, const struct mw_method_type *method, int index,
                                 struct mw_status *status);

/* Pushes a waiter of the call as a userdata. mw_bind_stop_sending() takes it out of `senders`; for mw_fiber_wait(). */
struct mw_bind_waiter *mw_bind_push_waiter(lua_State *L, struct mw_bind_call *call, struct mw_fiber *fiber);
void mw_bind_stop_sending(void *waiter);

/* Pushes the call object of `call` and remembers it. */
void mw_bind_push_call(lua_State *L, struct mw_bind_call *call);

/* The caller's trace id; without one, and unless `own`, NULL. With `own` it is then one of the call's own, made once. */
const char *mw_bind_call_trace_id(struct mw_bind_call *call, bool own);

#endif
