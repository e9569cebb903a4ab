#include "cli/test/test_process.h"

#include <lauxlib.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "bind/base/bind.h"

#define PROCESS "moonwire.test.Process"

/* A process, owned by libuv's handles: freed when the last of them is closed, which may be after the Lua object. */
struct process {
  uv_process_t uv;
  uv_pipe_t in, out, err;
  unsigned open_handles;
  struct mw_buf out_text, err_text;
  size_t out_read; /* bytes of out_text that read_line has returned */
  bool out_ended, exited, spawned;
  int64_t code;
  int signal;
  struct mw_fiber *waiter; /* fiber in read_line or wait */
  struct mw_timer *timer;
};

struct object {
  struct process *process; /* NULL after close */
};

static struct process *check_process(lua_State *L) {
  struct object *object = luaL_checkudata(L, 1, PROCESS);
  if (!object->process) luaL_error(L, "the process was closed");
  return object->process;
}

/* ---- events ---- */

static void wake(void *arg) {
  struct process *p = arg;
  mw_timer_stop(p->timer);
  p->timer = NULL;
  struct mw_fiber *fiber = p->waiter;
  p->waiter = NULL;
  if (fiber) mw_fiber_resume(fiber);
}

static void on_time(void *arg) {
  struct process *p = arg;
  p->timer = NULL;
  wake(p);
}

static void on_closed(uv_handle_t *handle) {
  struct process *p = handle->data;
  if (--p->open_handles > 0) return;
  mw_buf_fini(&p->out_text);
  mw_buf_fini(&p->err_text);
  free(p);
}

static void close_handle(uv_handle_t *handle) {
  if (!uv_is_closing(handle)) uv_close(handle, on_closed);
}

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buf) {
  struct process *p = handle->data;
  struct mw_buf *text = handle == (uv_handle_t *)&p->out ? &p->out_text : &p->err_text;
  bool room = mw_buf_reserve(text, 4096) == 0;
  *buf = room ? uv_buf_init((char *)text->data + text->len, 4096) : uv_buf_init(NULL, 0);
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf) {
  struct process *p = stream->data;
  bool is_out = stream == (uv_stream_t *)&p->out;
  struct mw_buf *text = is_out ? &p->out_text : &p->err_text;
  if (n > 0) {
    text->len += (size_t)n;
    text->data[text->len] = 0;
  } else if (n < 0) {
    if (is_out) p->out_ended = true;
    close_handle((uv_handle_t *)stream);
  }
  if (is_out) wake(p);
}

static void on_exit_of(uv_process_t *uv, int64_t code, int signal) {
  struct process *p = uv->data;
  p->exited = true;
  p->code = code;
  p->signal = signal;
  wake(p);
}

/* ---- test.start ---- */

static void open_pipe(uv_loop_t *loop, uv_pipe_t *pipe, struct process *p) {
  uv_pipe_init(loop, pipe, 0);
  pipe->data = p;
  p->open_handles++;
}

/* Pushes a userdata with a NULL-terminated vector of the strings in the sequence at `index`, after `first` free
 * places. */
static char **push_strings(lua_State *L, int index, size_t first) {
  size_t n = (size_t)luaL_len(L, index);
  char **strings = lua_newuserdatauv(L, (first + n + 1) * sizeof *strings, 0);
  for (size_t i = 0; i < n; i++) {
    lua_rawgeti(L, index, (lua_Integer)i + 1);
    strings[first + i] = (char *)(uintptr_t)luaL_checkstring(L, -1);
    lua_pop(L, 1); /* the table keeps the string */
  }
  strings[first + n] = NULL;
  return strings;
}

/* Pushes this process's environment, after the variables of the table at `index`, as a vector in a userdata. */
static char **push_environment(lua_State *L, int index) {
  size_t n_own = 0, n = 0;
  while (environ[n_own]) n_own++;
  for (lua_pushnil(L); lua_next(L, index) != 0; lua_pop(L, 1)) n++;
  char **strings = lua_newuserdatauv(L, (n_own + n + 1) * sizeof *strings, 1);
  lua_createtable(L, (int)n, 0); /* keeps the new strings */
  lua_pushvalue(L, -1);
  lua_setiuservalue(L, -3, 1);
  n = 0;
  for (lua_pushnil(L); lua_next(L, index) != 0; lua_pop(L, 1)) {
    lua_pushvalue(L, -2);
    strings[n] = (char *)(uintptr_t)lua_pushfstring(L, "%s=%s", luaL_checkstring(L, -1), luaL_checkstring(L, -2));
    lua_rawseti(L, -5, (lua_Integer)++n);
    lua_pop(L, 1);
  }
  lua_pop(L, 1);
  memcpy(strings + n, environ, (n_own + 1) * sizeof *strings);
  return strings;
}

static void set_options(lua_State *L, uv_process_options_t *options) {
  if (lua_isnoneornil(L, 2)) return;
  luaL_checktype(L, 2, LUA_TTABLE);
  if (lua_getfield(L, 2, "env") == LUA_TTABLE) options->env = push_environment(L, lua_gettop(L));
  if (lua_getfield(L, 2, "cwd") == LUA_TSTRING) options->cwd = lua_tostring(L, -1);
}

static int spawn(struct mw_loop *loop, struct process *p, uv_process_options_t *options) {
  open_pipe(&loop->uv, &p->in, p);
  open_pipe(&loop->uv, &p->out, p);
  open_pipe(&loop->uv, &p->err, p);
  uv_stdio_container_t stdio[3] = {{.flags = UV_CREATE_PIPE | UV_READABLE_PIPE, .data.stream = (uv_stream_t *)&p->in},
                                   {.flags = UV_CREATE_PIPE | UV_WRITABLE_PIPE, .data.stream = (uv_stream_t *)&p->out},
                                   {.flags = UV_CREATE_PIPE | UV_WRITABLE_PIPE, .data.stream = (uv_stream_t *)&p->err}};
  options->stdio = stdio;
  options->stdio_count = 3;
  options->exit_cb = on_exit_of;
  p->uv.data = p;
  p->open_handles++;
  int rc = uv_spawn(&loop->uv, &p->uv, options);
  if (rc != 0) return rc;
  p->spawned = true;
  uv_read_start((uv_stream_t *)&p->out, on_alloc, on_read);
  uv_read_start((uv_stream_t *)&p->err, on_alloc, on_read);
  return 0;
}

static void close_process(struct object *object) {
  struct process *p = object->process;
  if (!p) return;
  object->process = NULL;
  mw_timer_stop(p->timer);
  p->timer = NULL;
  p->waiter = NULL;
  if (p->spawned && !p->exited) uv_process_kill(&p->uv, SIGKILL);
  close_handle((uv_handle_t *)&p->in);
  close_handle((uv_handle_t *)&p->out);
  close_handle((uv_handle_t *)&p->err);
  close_handle((uv_handle_t *)&p->uv);
}

static int l_start(lua_State *L) {
  luaL_checktype(L, 1, LUA_TTABLE);
  lua_settop(L, 2);
  char **args = push_strings(L, 1, 1);
  static char self[] = "/proc/self/exe";
  args[0] = self;
  if (args[1] && strchr(args[1], '/')) args++;
  uv_process_options_t options = {.file = args[0], .args = args};
  set_options(L, &options);
  struct object *object = lua_newuserdatauv(L, sizeof *object, 0);
  object->process = calloc(1, sizeof *object->process);
  if (!object->process) return luaL_error(L, "out of memory for a process");
  luaL_setmetatable(L, PROCESS);
  int rc = spawn(mw_vm_of(L)->loop, object->process, &options);
  if (rc != 0) {
    close_process(object);
    return luaL_error(L, "cannot start %s: %s", args[0], uv_strerror(rc));
  }
  return 1;
}

/* ---- waiting ---- */

static void stop_waiting(void *arg) {
  struct process *p = arg;
  mw_timer_stop(p->timer);
  p->timer = NULL;
  p->waiter = NULL;
}

/* Waits for an event of the process, or for the time limit at index 2. Then `k` checks again. */
static int wait_for_event(lua_State *L, struct process *p, const char *what, lua_KFunction k) {
  struct mw_fiber *fiber = mw_fiber_check(L, what);
  if (p->waiter) return luaL_error(L, "%s: another fiber waits for this process", what);
  p->waiter = fiber;
  return mw_fiber_wait(L, fiber, stop_waiting, p, k, 0);
}

/* Replaces the seconds at index 2 with the monotonic time of the limit. */
static void set_limit(lua_State *L) {
  lua_Number seconds = luaL_optnumber(L, 2, 30);
  lua_settop(L, 1);
  lua_pushnumber(L, (lua_Number)mw_clock_real() / MW_NS_PER_S + seconds);
}

/* Starts the timer for the limit at index 2. Returns true if there is time left. */
static bool start_timer(lua_State *L, struct process *p) {
  lua_Number left = lua_tonumber(L, 2) - (lua_Number)mw_clock_real() / MW_NS_PER_S;
  if (left <= 0) return false;
  p->timer = mw_timer_start_real(mw_vm_of(L)->loop, mw_duration_from_seconds(left), on_time, p);
  return p->timer != NULL;
}

static int read_line(lua_State *L, int status, lua_KContext context) {
  struct process *p = check_process(L);
  const char *text = mw_buf_str(&p->out_text) + p->out_read;
  size_t left = p->out_text.len - p->out_read;
  const char *newline = left ? memchr(text, '\n', left) : NULL;
  if (newline || (p->out_ended && left > 0)) {
    size_t len = newline ? (size_t)(newline - text) : left;
    lua_pushlstring(L, text, len);
    p->out_read += len + (newline != NULL);
    return 1;
  }
  if (p->out_ended || !start_timer(L, p)) return luaL_pushfail(L), 1;
  return wait_for_event(L, p, "process:read_line", read_line);
}

static int l_read_line(lua_State *L) {
  set_limit(L);
  return read_line(L, LUA_OK, 0);
}

static int wait_exit(lua_State *L, int status, lua_KContext context) {
  struct process *p = check_process(L);
  if (p->exited && p->out_ended) {
    lua_pushinteger(L, p->code);
    lua_pushinteger(L, p->signal);
    return 2;
  }
  if (!start_timer(L, p)) return luaL_pushfail(L), 1;
  return wait_for_event(L, p, "process:wait", wait_exit);
}

static int l_wait(lua_State *L) {
  set_limit(L);
  return wait_exit(L, LUA_OK, 0);
}

/* ---- other methods ---- */

static void on_written(uv_write_t *request, int status) { free(request); }

static int l_write(lua_State *L) {
  struct process *p = check_process(L);
  size_t len;
  const char *text = luaL_checklstring(L, 2, &len);
  if (uv_is_closing((uv_handle_t *)&p->in)) return luaL_error(L, "the input was closed");
  uv_write_t *request = malloc(sizeof *request + len);
  if (!request) return luaL_error(L, "out of memory");
  memcpy(request + 1, text, len);
  uv_buf_t buf = uv_buf_init((char *)(request + 1), (unsigned)len);
  if (uv_write(request, (uv_stream_t *)&p->in, &buf, 1, on_written) != 0) free(request);
  return 0;
}

static int l_close_input(lua_State *L) {
  close_handle((uv_handle_t *)&check_process(L)->in);
  return 0;
}

static int l_kill(lua_State *L) {
  struct process *p = check_process(L);
  int signal = (int)luaL_optinteger(L, 2, SIGTERM);
  if (!p->exited) uv_process_kill(&p->uv, signal);
  return 0;
}

static int l_close(lua_State *L) {
  close_process(luaL_checkudata(L, 1, PROCESS));
  return 0;
}

static int l_index(lua_State *L) {
  const char *name = luaL_checkstring(L, 2);
  if (strcmp(name, "stderr") == 0) {
    struct process *p = check_process(L);
    lua_pushlstring(L, mw_buf_str(&p->err_text), p->err_text.len);
    return 1;
  }
  if (strcmp(name, "pid") == 0) return lua_pushinteger(L, check_process(L)->uv.pid), 1;
  lua_pushvalue(L, 2);
  lua_rawget(L, lua_upvalueindex(1));
  return 1;
}

static int l_now(lua_State *L) {
  lua_pushnumber(L, (lua_Number)mw_clock_real() / MW_NS_PER_S);
  return 1;
}

void mw_test_process_open(lua_State *L) {
  static const luaL_Reg methods[] = {
      {"read_line", l_read_line}, {"wait", l_wait},   {"write", l_write}, {"close_input", l_close_input},
      {"kill", l_kill},           {"close", l_close}, {NULL, NULL}};
  static const luaL_Reg functions[] = {{"start", l_start}, {"now", l_now}, {NULL, NULL}};
  static const luaL_Reg metamethods[] = {{"__index", l_index}, {"__gc", l_close}, {"__close", l_close}, {NULL, NULL}};
  mw_bind_push_type(L, PROCESS, methods, metamethods);
  lua_pop(L, 1);
  luaL_newlib(L, functions);
}
