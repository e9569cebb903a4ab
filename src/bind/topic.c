/* mw.topic: publish and subscribe across all workers of the process.
 *
 * A topic ("moonwire.Topic") is only a name. A subscription ("moonwire.Subscription") owns a queue in C with a payload
 * for each value, which is decoded when it is received. At most one fiber waits on a subscription. */
#include <string.h>

#include "base/clock.h"
#include "bind/base/openers.h"
#include "bind/base/options.h"
#include "bind/base/status.h"
#include "bind/message/packed.h"
#include "bind/message/value.h"
#include "bind/sleep.h"
#include "script/state/collect.h"

#define TOPIC "moonwire.Topic"
#define SUBSCRIPTION "moonwire.Subscription"

enum { MAX_NAME = 256, DEFAULT_CAPACITY = 64, MAX_CAPACITY = 65536 };

struct topic {
  struct mw_program *program;
  char name[]; /* ends with a zero byte */
};

struct subscription {
  struct mw_program *program;
  struct mw_subscription *queue; /* NULL after it was freed */
  size_t size;                   /* bytes of the queue, which count in the worker's memory */
  bool packed;                   /* pushes messages packed */
  bool closed;                   /* accepts no further values; queued values can be received */
  struct mw_fiber *waiter;       /* the fiber in receive(), or NULL */
  struct mw_timer *timer;        /* ends the wait; NULL without a timeout and after it has fired */
};

/* ---- receiving ---- */

static struct subscription *check_subscription(lua_State *L) { return mw_bind_check_self(L, SUBSCRIPTION); }

static void stop_waiting(void *arg) {
  struct subscription *s = arg;
  mw_timer_stop(s->timer);
  s->timer = NULL;
  s->waiter = NULL;
}

/* Wakes the waiting fiber, for any reason. It stays the waiter until it runs. */
static void wake(struct subscription *s) {
  mw_timer_stop(s->timer);
  s->timer = NULL;
  if (s->waiter) mw_fiber_wake(s->waiter);
}

static void on_ready(void *arg) { wake(arg); }

static void on_timeout(void *arg) {
  struct subscription *s = arg;
  s->timer = NULL;
  wake(s);
}

/* Pushes the oldest value and the number of values that were dropped before it. Returns the number of results, 0 for an
 * empty queue. */
static int push_next(lua_State *L, struct subscription *s) {
  struct mw_slice payload;
  uint64_t dropped;
  struct mw_err err = MW_ERR_INIT;
  if (!s->queue || !mw_subscription_take(s->queue, &payload, &dropped)) return 0;
  int rc = mw_value_push(L, s->program, payload, s->packed, &err);
  mw_subscription_release(s->queue);
  if (rc == MW_ENOMEM) return mw_bind_fail_err(L, MW_CODE_RESOURCE_EXHAUSTED, &err);
  if (rc != 0) return mw_bind_fail_err(L, MW_CODE_FAILED_PRECONDITION, &err);
  lua_pushinteger(L, (lua_Integer)dropped);
  return 2;
}

/* Pushes nil, and a status unless the subscription was closed. */
static int push_nothing(lua_State *L, bool closed) {
  if (!closed) return mw_bind_fail(L, MW_CODE_DEADLINE_EXCEEDED, "no value was published in time");
  lua_pushnil(L);
  return 1;
}

static int after_wait(lua_State *L, int status, lua_KContext context) {
  struct subscription *s = (struct subscription *)context;
  s->waiter = NULL;
  int n = push_next(L, s);
  return n > 0 ? n : push_nothing(L, s->closed);
}

/* Waits at most `timeout` nanoseconds; MW_NEVER for no limit. */
static int wait(lua_State *L, struct subscription *s, int64_t timeout, const char *what) {
  struct mw_fiber *fiber = mw_fiber_check(L, what);
  if (timeout != MW_NEVER) {
    s->timer = mw_timer_start(fiber->vm->loop, timeout, on_timeout, s);
    if (!s->timer) return luaL_error(L, "%s: out of memory", what);
  }
  s->waiter = fiber;
  return mw_fiber_wait(L, fiber, stop_waiting, s, after_wait, (lua_KContext)s);
}

static int receive(lua_State *L, int64_t timeout, const char *what) {
  struct subscription *s = check_subscription(L);
  if (s->waiter) return luaL_error(L, "%s: another fiber waits on this subscription", what);
  int n = push_next(L, s);
  if (n > 0) return n;
  if (s->closed || timeout == 0) return push_nothing(L, s->closed);
  return wait(L, s, timeout, what);
}

/* subscription:receive([timeout]) */
static int l_receive(lua_State *L) {
  if (lua_isnoneornil(L, 2)) return receive(L, MW_NEVER, "subscription:receive");
  return receive(L, mw_bind_check_seconds(L, 2), "subscription:receive");
}

/* subscription() */
static int l_next(lua_State *L) { return receive(L, MW_NEVER, "subscription:messages"); }

/* subscription:messages() returns the subscription itself */
static int l_messages(lua_State *L) {
  check_subscription(L);
  lua_settop(L, 1);
  return 1;
}

/* ---- closing ---- */

/* subscription:close(): a waiting receive() gets nil. Later ones get the queued values, then nil. */
static int l_close(lua_State *L) {
  struct subscription *s = check_subscription(L);
  s->closed = true;
  if (s->queue) mw_subscription_end(s->queue);
  wake(s);
  return 0;
}

static void drop_queue(lua_State *L, struct subscription *s) {
  mw_subscription_close(s->queue);
  s->queue = NULL;
  mw_quota_release(&mw_vm_of(L)->memory, s->size);
  s->size = 0;
}

/* __close of `local s <close>`: drops queued values. */
static int l_close_variable(lua_State *L) {
  struct subscription *s = check_subscription(L);
  s->closed = true;
  drop_queue(L, s);
  wake(s);
  return 0;
}

/* No fiber waits: it would hold the subscription. */
static int l_gc(lua_State *L) {
  struct subscription *s = check_subscription(L);
  stop_waiting(s);
  drop_queue(L, s);
  return 0;
}

static void push_subscription_type(lua_State *L) {
  static const luaL_Reg methods[] = {
      {"receive", l_receive}, {"messages", l_messages}, {"close", l_close}, {NULL, NULL}};
  static const luaL_Reg metamethods[] = {
      {"__call", l_next}, {"__close", l_close_variable}, {"__gc", l_gc}, {NULL, NULL}};
  mw_bind_push_type(L, SUBSCRIPTION, methods, metamethods);
}

/* ---- topics ---- */

static struct topic *check_topic(lua_State *L) { return mw_bind_check_self(L, TOPIC); }

static int fail_to_publish(lua_State *L, int rc, size_t size) {
  enum mw_code code = MW_CODE_RESOURCE_EXHAUSTED;
  if (rc == MW_ELIMIT) {
    return mw_bind_fail(L, code, "a value of %zu bytes is too long for a topic, which takes %d", size,
                        MW_TOPIC_QUEUE_BYTES);
  }
  if (rc == MW_EFULL) {
    return mw_bind_fail(L, code, "the topics of this process hold %d bytes that subscribers have not received",
                        MW_TOPICS_BYTES);
  }
  return mw_bind_fail(L, code, "out of memory for a value to publish");
}

/* topic:publish(value): returns the number of subscribers that got it */
static int l_publish(lua_State *L) {
  struct topic *topic = check_topic(L);
  luaL_argcheck(L, !lua_isnoneornil(L, 2), 2, "expected a value, nil cannot be sent");
  struct mw_slice bytes = mw_value_encode(L, 2, topic->program);
  int n_subscribers = mw_topic_publish(topic->program->host->topics, topic->name, bytes);
  if (n_subscribers < 0) return fail_to_publish(L, n_subscribers, bytes.len);
  lua_pushinteger(L, n_subscribers);
  return 1;
}

static size_t check_capacity(lua_State *L) {
  static const char *const allowed[] = {"capacity", "packed", NULL};
  mw_bind_check_options(L, 2, "topic:subscribe", allowed);
  mw_bind_get_option(L, 2, "capacity");
  lua_Integer capacity = luaL_optinteger(L, -1, DEFAULT_CAPACITY);
  luaL_argcheck(L, capacity >= 1 && capacity <= MAX_CAPACITY, 2, "expected a capacity from 1 to 65536");
  return (size_t)capacity;
}

/* topic:subscribe([{capacity = 64, packed = false}]) */
static int l_subscribe(lua_State *L) {
  struct topic *topic = check_topic(L);
  struct mw_program *program = topic->program;
  size_t capacity = check_capacity(L);
  bool packed = mw_packed_option(L, 2, "topic:subscribe");
  struct subscription *s = lua_newuserdatauv(L, sizeof *s, 1);
  *s = (struct subscription){.program = program, .packed = packed};
  lua_getiuservalue(L, 1, 1);
  lua_setiuservalue(L, -2, 1);
  push_subscription_type(L);
  lua_setmetatable(L, -2);
  size_t size = mw_subscription_size(capacity);
  mw_collect_charge(L, size);
  bool is_short = mw_shortage_is_near(program->vm); /* long-lived memory must leave Lua an eighth of the limit */
  if (is_short || !mw_quota_reserve(&program->vm->memory, size)) return mw_budget_refuse(L);
  s->size = size;
  struct mw_topics *topics = program->host->topics;
  if (mw_topic_subscribe(topics, topic->name, capacity, program->vm->loop, on_ready, s, &s->queue) != 0) {
    return mw_bind_fail(L, MW_CODE_RESOURCE_EXHAUSTED, "out of memory for a subscription");
  }
  return 1;
}

static int l_topic_tostring(lua_State *L) {
  lua_pushfstring(L, "topic %s", check_topic(L)->name);
  return 1;
}

/* mw.topic(name) */
static int l_topic(lua_State *L) {
  static const luaL_Reg methods[] = {{"publish", l_publish}, {"subscribe", l_subscribe}, {NULL, NULL}};
  static const luaL_Reg metamethods[] = {{"__tostring", l_topic_tostring}, {NULL, NULL}};
  size_t len;
  const char *name = luaL_checklstring(L, 1, &len);
  luaL_argcheck(L, len > 0 && len <= MAX_NAME && strlen(name) == len, 1, "expected a name of 1 to 256 bytes");
  struct topic *topic = lua_newuserdatauv(L, sizeof *topic + len + 1, 1);
  topic->program = mw_bind_program(L);
  lua_pushvalue(L, lua_upvalueindex(1));
  lua_setiuservalue(L, -2, 1);
  memcpy(topic->name, name, len + 1);
  mw_bind_push_type(L, TOPIC, methods, metamethods);
  lua_setmetatable(L, -2);
  return 1;
}

void mw_bind_open_topic(lua_State *L, struct mw_program *program) {
  static const luaL_Reg functions[] = {{"topic", l_topic}, {NULL, NULL}};
  mw_bind_functions(L, program, functions);
}
