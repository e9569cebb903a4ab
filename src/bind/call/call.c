/* Runs Lua functions as gRPC methods: connects the events of a call with a coroutine. */
#include "bind/call/call.h"

#include <inttypes.h>
#include <stdio.h>
#include <sys/random.h>

#include "base/clock.h"
#include "bind/base/debug_info.h"
#include "bind/base/status.h"
#include "bind/call/handler.h"
#include "bind/message/decode.h"
#include "bind/message/encode.h"
#include "bind/message/message.h"
#include "bind/message/status.h"
#include "script/lua/traceback.h"
#include "script/program/show.h"

/* Bytes of an error's text in its status. A call's trailers have room for a few thousand. */
enum { SHOWN_TEXT = 1024 };

/* ---- the end of a call ---- */

static struct mw_bind_waiter *waiter_at(struct mw_list *node) {
  return MW_CONTAINER(node, struct mw_bind_waiter, link);
}

/* Removes a waiter whose fiber is not `own` from a list. Returns NULL if there is none. */
static struct mw_bind_waiter *take_from(struct mw_list *list, const struct mw_fiber *own) {
  for (struct mw_list *node = list->next; node != list; node = node->next) {
    struct mw_bind_waiter *waiter = waiter_at(node);
    if (waiter->fiber == own) continue;
    mw_list_remove(node);
    return waiter;
  }
  return NULL;
}

/* Removes a sender or the receiver of another fiber. Returns NULL if none waits. */
static struct mw_bind_waiter *take_other(struct mw_bind_call *c) {
  struct mw_bind_waiter *sender = take_from(&c->senders, c->fiber);
  if (sender) return sender;
  struct mw_bind_waiter *receiver = c->receiver;
  if (!receiver || receiver->fiber == c->fiber) return NULL;
  c->receiver = NULL;
  return receiver;
}

/* Ends the call and frees `c`. */
static void finish(struct mw_bind_call *c, const struct mw_status *status) {
  struct mw_list others, *node;
  mw_list_init(&others);
  struct mw_bind_waiter *waiter;
  while ((waiter = take_from(&c->resuming, c->fiber)) != NULL || (waiter = take_other(c)) != NULL) {
    waiter->call = NULL;
    mw_list_push(&others, &waiter->link);
  }
  while (mw_list_shift(&c->children)) continue; /* outbound calls that still run go on alone */
  if (c->object) c->object->call = NULL;
  if (c->fiber) c->fiber->owner = NULL;
  for (struct mw_bind_end_check *check = c->end_check; check; check = check->outer) check->ended = true;
  mw_buf_fini(&c->unread);
  mw_call_finish(c->call, status);
  while ((node = mw_list_shift(&others)) != NULL) mw_fiber_wake(waiter_at(node)->fiber);
}

/* ---- errors of handlers ---- */

static void make_error_id(char out[9]) {
  uint32_t number = 0;
  if (getrandom(&number, sizeof number, GRND_NONBLOCK) != (ssize_t)sizeof number) number = (uint32_t)mw_clock_wall();
  snprintf(out, 9, "%08" PRIx32, number);
}

/* Logs a handler's mistake, and pushes the status for its caller: an error id to find the log line by, with --dev the
 * words and the traceback too. `traceback` may be NULL. */
static void push_internal(lua_State *L, const char *text, const char *traceback) {
  char id[9], words[SHOWN_TEXT];
  make_error_id(id);
  struct mw_log_field fields[] = {{"error_id", id}, {NULL, NULL}};
  mw_log(MW_LOG_ERROR, fields, "%s%s%s", text, traceback ? "\n" : "", traceback ? traceback : "");
  const struct mw_program *program = mw_fiber_program(L);
  bool dev = program && program->host->dev;
  snprintf(words, sizeof words, "internal error %s%s%s", id, dev ? ": " : "", dev ? text : "");
  mw_bind_make_utf8(words);
  struct mw_status status = mw_status(MW_CODE_INTERNAL, words);
  mw_bind_push_status(L, &status);
  if (dev) mw_bind_add_debug_info(L, traceback);
}

/* True for a call that is over or past its deadline. Its outbound calls fail for the same reason, and their failures
 * pass. */
static bool is_call_over(const struct mw_bind_call *c) {
  return !c || c->call->cancelled || mw_clock_mono() >= c->call->deadline;
}

/* If a handler must not raise the status at index 1, replaces it by words for the log and returns true. */
static bool reject_status(lua_State *L, const struct mw_status *status) {
  char place[256] = "";
  if (mw_bind_is_failure(L, 1) && !is_call_over(mw_bind_running(L))) {
    bool found = mw_place_find(L, place, sizeof place);
    lua_pushfstring(L, "%s%s%s (the handler raised a status that it did not make: \"return nil, status\" passes it on)",
                    place, found ? ": " : "", luaL_tolstring(L, 1, NULL));
  } else if (status->code == MW_CODE_OK) {
    lua_pushliteral(L, "the handler raised a status whose code is OK: return the reply");
  } else {
    return false;
  }
  lua_replace(L, 1);
  return true;
}

/* The message handler of a handler's pcall. Statuses other than failures pass. Any other error becomes INTERNAL here,
 * while the stack that raised it can still be printed. */
static int on_error(lua_State *L) {
  struct mw_status status;
  mw_fiber_unwind(L);
  mw_budget_settle(L, LUA_ERRRUN);
  if (mw_bind_to_status(L, 1, &status) && !reject_status(L, &status)) {
    lua_settop(L, 1);
    return 1;
  }
  const char *text = mw_show_push_error(L, 1);
  mw_traceback(L, L, NULL, 1);
  push_internal(L, text, lua_tostring(L, -1));
  return 1;
}

/* ---- the coroutine of a handler ---- */

static int finish_internal(lua_State *L, struct mw_bind_call *c, const char *text) {
  struct mw_status status;
  push_internal(L, text, NULL);
  mw_bind_to_status(L, -1, &status);
  finish(c, &status);
  return 0;
}

/* Ends the call with INTERNAL for wrong results. The log line begins with the place of the handler. */
static int finish_mistake(lua_State *L, struct mw_bind_call *c, const char *text) {
  const struct mw_bind_target *target = c->call->route->arg;
  return finish_internal(L, c, lua_pushfstring(L, "%s: %s", target->place, text));
}

static int after_results(lua_State *L, int unused, lua_KContext context);

static int after_room(lua_State *L, int status, lua_KContext context) {
  struct mw_bind_waiter *waiter = (struct mw_bind_waiter *)context;
  mw_bind_stop_sending(waiter);
  return after_results(L, status, (lua_KContext)waiter->call);
}

/* Waits until the connection's queue of unsent bytes has room; then the reply is packed again. */
static int wait_for_room(lua_State *L, struct mw_bind_call *c) {
  struct mw_bind_waiter *waiter = mw_bind_push_waiter(L, c, c->fiber);
  mw_list_push(&c->senders, &waiter->link);
  return mw_fiber_wait(L, c->fiber, mw_bind_stop_sending, waiter, after_room, (lua_KContext)waiter);
}

/* Packs the reply at `index` and ends the call with it. */
static int finish_with_reply(lua_State *L, struct mw_bind_call *c, int index) {
  struct mw_err err = MW_ERR_INIT;
  struct mw_encoded reply;
  if (mw_bind_encode(L, index, c->program, c->method->output, &reply, &err) != 0) {
    lua_pushfstring(L, "bad reply: %s", mw_err_text(&err));
    mw_err_fini(&err);
    return finish_mistake(L, c, lua_tostring(L, -1));
  }
  if (!mw_call_has_room(c->call, reply.size)) return wait_for_room(L, c);
  uint8_t *out = mw_call_reserve(c->call, reply.size);
  struct mw_status status = mw_status(MW_CODE_OK, "");
  if (out) {
    mw_encoded_write(&reply, out);
    mw_call_send(c->call, MW_SEND_LAST);
  } else {
    status = mw_status(MW_CODE_RESOURCE_EXHAUSTED, "out of memory for the reply");
  }
  finish(c, &status);
  return 0;
}

/* Runs after the handler has returned. Its results begin at index 3. */
static int after_results(lua_State *L, int unused, lua_KContext context) {
  struct mw_bind_call *c = (struct mw_bind_call *)context;
  const int first = 3;
  lua_settop(L, first + 1);
  struct mw_status status;
  const char *mistake = mw_bind_check_results(L, c->method, first, &status);
  if (mistake) return finish_mistake(L, c, mistake);
  if (!lua_isnil(L, first)) return finish_with_reply(L, c, first);
  finish(c, &status);
  return 0;
}

/* Pushes the request. If it is malformed, finishes the call and returns false. */
static bool push_request(lua_State *L, struct mw_bind_call *c) {
  struct mw_err err = MW_ERR_INIT;
  int rc = mw_bind_push_bytes(L, c->program, c->method->input, c->request, &err);
  if (rc == 0) return true;
  lua_pushstring(L, mw_err_text(&err));
  mw_err_fini(&err);
  struct mw_status status = mw_status(mw_code_of_error(rc), lua_tostring(L, -1));
  finish(c, &status);
  return false;
}

/* Calls the handler and ends the call with its results. An error that is raised here leaves the call open. Stack: 1
 * call (light), 2 call object or nil, 3 handler, then its arguments. */
static int run_handler(lua_State *L) {
  struct mw_bind_call *c = lua_touserdata(L, 1);
  lua_rawgeti(L, LUA_REGISTRYINDEX, c->function);
  if (!c->method->client_streaming && !push_request(L, c)) return 0;
  if (c->object) lua_pushvalue(L, 2);
  lua_callk(L, lua_gettop(L) - 3, LUA_MULTRET, (lua_KContext)c, after_results);
  return after_results(L, LUA_OK, (lua_KContext)c);
}

static int check_status(lua_State *L) {
  struct mw_status unused;
  lua_pushboolean(L, mw_bind_to_status(L, 1, &unused));
  return 1;
}

/* True if the error at the top is a status that can be sent. If the check raises, pushes that error, because a
 * `<close>` handler may have changed the details after on_error() checked them. Not for use after a cut, when no
 * function may be called. */
static bool is_good_status(lua_State *L) {
  lua_pushcfunction(L, check_status);
  lua_pushvalue(L, -2);
  int rc = lua_pcall(L, 1, 1, 0);
  bool good = rc == LUA_OK && lua_toboolean(L, -1);
  if (rc == LUA_OK) lua_pop(L, 1);
  return good;
}

/* If there was an error, ends the call with it. The error at the top is a status, unless on_error() could not make
 * one. */
static int after_handler(lua_State *L, int rc, lua_KContext context) {
  struct mw_bind_call *c = (struct mw_bind_call *)context;
  if (rc == LUA_OK || rc == LUA_YIELD) return 0;
  struct mw_status status;
  bool cut = mw_budget_settle(L, rc);
  if (rc == LUA_ERRMEM && !cut) {
    mw_log(MW_LOG_ERROR, NULL, "out of memory in the handler");
    status = mw_status(MW_CODE_RESOURCE_EXHAUSTED, "out of memory in the handler");
  } else if (!(cut || is_good_status(L)) || !mw_bind_to_status(L, -1, &status)) {
    return finish_internal(L, c, mw_show_push(L, -1));
  }
  finish(c, &status);
  return 0;
}

/* The body of the fiber. Stack: 1 call (light), 2 call object or nil, 3 on_error(). The object stays here until the
 * call has ended, also after an error has unwound the handler, because finish() writes to it. */
static int handler_main(lua_State *L) {
  struct mw_bind_call *c = lua_touserdata(L, 1);
  const struct mw_bind_target *target = c->call->route->arg;
  if (target->takes_call) {
    mw_bind_push_call(L, c);
  } else {
    lua_pushnil(L);
  }
  lua_pushcfunction(L, on_error);
  lua_pushcfunction(L, run_handler);
  lua_pushlightuserdata(L, c);
  lua_pushvalue(L, 2);
  int rc = lua_pcallk(L, 2, 0, 3, (lua_KContext)c, after_handler);
  return after_handler(L, rc, (lua_KContext)c);
}

/* The coroutine has ended and the call has not. The only cause is lack of memory outside of the handler. */
static void on_fiber_done(struct mw_fiber *fiber, void *owner) {
  struct mw_status status = mw_status(MW_CODE_RESOURCE_EXHAUSTED, "out of memory");
  finish(owner, &status);
}

static void start_fiber(struct mw_bind_call *c) {
  if (mw_budget_has_ended(c->program->vm)) {
    struct mw_status status = mw_status_shutting_down();
    finish(c, &status);
    return;
  }
  c->fiber = mw_fiber_new(c->program->vm, c->program, on_fiber_done, c);
  if (!c->fiber) {
    struct mw_status status = mw_status(MW_CODE_RESOURCE_EXHAUSTED, "out of memory for a coroutine");
    finish(c, &status);
    return;
  }
  c->fiber->kind = MW_FIBER_CALL;
  struct mw_log_context *log = &c->fiber->log;
  log->generation = c->program->generation;
  log->call = c->call->id;
  log->method = c->method->path;
  log->trace_id = mw_bind_call_trace_id(c, false);
  c->fiber->account.expires = c->call->deadline;
  mw_fiber_start(c->fiber, handler_main, c);
}

/* ---- events ---- */

static void begin(struct mw_call *call, struct mw_slice request) {
  struct mw_bind_call *c = mw_arena_calloc(&call->arena, 1, sizeof *c);
  if (!c) {
    struct mw_status status = mw_status(MW_CODE_RESOURCE_EXHAUSTED, "out of memory for a call");
    mw_call_finish(call, &status);
    return;
  }
  c->request = request;
  c->call = call;
  c->program = MW_CONTAINER(call->route->router, struct mw_program, router);
  c->method = call->route->method;
  c->function = ((const struct mw_bind_target *)call->route->arg)->function;
  mw_list_init(&c->senders);
  mw_list_init(&c->resuming);
  mw_list_init(&c->children);
  call->state = c;
  start_fiber(c);
}

static void on_start(struct mw_call *call) { begin(call, mw_slice(NULL, 0)); }

/* Keeps a message for the next receive(). */
static void keep_unread(struct mw_bind_call *c, struct mw_slice bytes) {
  mw_buf_clear(&c->unread);
  c->has_unread = mw_buf_append(&c->unread, bytes.data, bytes.len) == 0;
  if (!c->has_unread) mw_call_on_cancel(c->call, mw_status(MW_CODE_RESOURCE_EXHAUSTED, "out of memory for a message"));
}

/* Resumes the waiting fiber with a message or the end. */
static void deliver(struct mw_bind_call *c, enum mw_bind_arrival arrived, struct mw_slice bytes) {
  struct mw_bind_waiter *receiver = c->receiver;
  if (!receiver) {
    if (arrived == MW_BIND_MESSAGE) keep_unread(c, bytes);
    return;
  }
  c->receiver = NULL;
  receiver->arrived = arrived;
  receiver->bytes = bytes;
  mw_fiber_resume(receiver->fiber);
}

static void on_message(struct mw_call *call, struct mw_slice bytes) { deliver(call->state, MW_BIND_MESSAGE, bytes); }

static void on_end(struct mw_call *call) { deliver(call->state, MW_BIND_END, mw_slice(NULL, 0)); }

/* Wakes a waiter that was removed from its list. Until its fiber goes on, it stays in `resuming`, where the end of the
 * call finds it. */
static void wake(struct mw_bind_call *c, struct mw_bind_waiter *waiter) {
  mw_list_push(&c->resuming, &waiter->link);
  mw_fiber_wake(waiter->fiber);
}

/* Wakes the senders that wait now. A sender that must wait again joins the end of the list. */
static void on_writable(struct mw_call *call) {
  struct mw_bind_call *c = call->state;
  size_t n = 0;
  for (struct mw_list *node = c->senders.next; node != &c->senders; node = node->next) n++;
  struct mw_bind_end_check check = {false, c->end_check};
  c->end_check = &check;
  struct mw_list *node;
  while (!check.ended && n-- > 0 && (node = mw_list_shift(&c->senders)) != NULL) wake(c, waiter_at(node));
  if (!check.ended) c->end_check = check.outer;
}

static void push_end(lua_State *L, void *arg) {
  struct mw_bind_call *c = arg;
  mw_bind_push_status(L, &c->end);
}

static void on_cancelled(struct mw_call *call, struct mw_status status) {
  struct mw_bind_call *c = call->state;
  c->end = status;
  const char *text = mw_arena_strndup(&call->arena, (const char *)status.message.data, status.message.len);
  c->end.message = text ? mw_slice(text, status.message.len) : mw_slice_str("cancelled");
  c->end.details = mw_slice(NULL, 0);
  if (!c->fiber) {
    finish(c, &c->end);
    return;
  }
  for (struct mw_list *node = c->children.next; node != &c->children; node = node->next) {
    struct mw_bind_child *child = MW_CONTAINER(node, struct mw_bind_child, link);
    child->cancel(child);
  }
  struct mw_bind_end_check check = {false, c->end_check};
  c->end_check = &check;
  struct mw_bind_waiter *waiter;
  while (!check.ended && (waiter = take_other(c)) != NULL) wake(c, waiter);
  if (check.ended) return;
  c->end_check = check.outer;
  mw_fiber_kill(c->fiber, push_end, c);
}

const struct mw_handler mw_bind_handler = {on_start, on_message, on_end, on_writable, on_cancelled, begin};
const struct mw_handler mw_bind_builtin_handler = {on_start, on_message, on_end, on_writable, on_cancelled, begin};

void mw_bind_push_cut(lua_State *L, enum mw_cut why, const char *words, const char *place, const char *traceback) {
  char shown[256];
  const struct mw_program *program = mw_fiber_program(L);
  bool dev = program && program->host->dev;
  snprintf(shown, sizeof shown, "%s%s%s", words, dev && *place ? ", at " : "", dev ? place : "");
  mw_bind_make_utf8(shown);
  enum mw_code code = why == MW_CUT_DEADLINE ? MW_CODE_DEADLINE_EXCEEDED
                      : why == MW_CUT_STOP   ? MW_CODE_UNAVAILABLE
                                             : MW_CODE_RESOURCE_EXHAUSTED;
  struct mw_status status = mw_status(code, shown);
  mw_bind_push_status(L, &status);
  if (dev) mw_bind_add_debug_info(L, traceback);
}
