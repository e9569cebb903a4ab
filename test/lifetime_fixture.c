#include "lifetime_fixture.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bind/call/handler.h"
#include "bind/call/service.h"
#include "bind/open.h"
#include "engine/inproc/inproc.h"
#include "observe/log.h"
#include "schema/load/load.h"
#include "script/open.h"
#include "server/files/fs.h"

/* Precedes each script. The helpers make garbage, and check the words of an error. */
static const char prelude[] =
    "local mw = require 'moonwire'\n"
    "local M = {}\n"
    "local function garbage() for i = 1, 50 do local _ = {i .. 'garbage'} end end\n"
    "local function raises(words, f, ...)\n"
    "  local ok, err = pcall(f, ...)\n"
    "  assert(not ok, 'expected an error: ' .. words)\n"
    "  assert(tostring(err):find(words, 1, true), tostring(err))\n"
    "end\n";

int world_setup(void **state) {
  struct world *w = calloc(1, sizeof *w);
  struct mw_err err = MW_ERR_INIT;
  *state = w;
  mw_log_set_level(MW_LOG_OFF);
  snprintf(w->folder, sizeof w->folder, "/tmp/lifetime_testXXXXXX");
  if (!mkdtemp(w->folder) || mw_loop_init(&w->loop, &err) != 0) return -1;
  mw_dispatch_init(&w->dispatch, "inproc", 0);
  w->dispatch.send_limit = 32;
  struct mw_engine_config config = {.loop = &w->loop, .dispatch = &w->dispatch};
  if (mw_engine_inproc.open(&config, &w->engine, &err) != 0 || mw_vm_init(&w->vm, &w->loop, 64 << 20, &err) != 0) {
    return -1;
  }
  w->vm.push_cut = mw_bind_push_cut;
  w->files.fd = open(w->folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (w->files.fd < 0) return -1;
  w->host = (struct mw_host){.loop = &w->loop,
                             .channels = w->engine,
                             .dispatch = &w->dispatch,
                             .topics = mw_topics_new(),
                             .metrics = mw_metrics_new(),
                             .dir = w->folder,
                             .data_dir = w->folder,
                             .files = &w->files,
                             .workers = 1};
  struct mw_store_options options = {.path = ":memory:"};
  if (mw_store_open(&w->host.store, &options, &err) != 0) return -1;
  lua_gc(w->vm.L, LUA_GCSETPAUSE, 0);
  lua_gc(w->vm.L, LUA_GCINC, 0, 0, 100); /* each step is a whole cycle */
  lua_gc(w->vm.L, LUA_GCCOLLECT);        /* from now on each allocation makes a step */
  return 0;
}

int world_teardown(void **state) {
  struct world *w = *state;
  if (w->program) mw_bind_retire(w->program);
  mw_vm_fini(&w->vm);
  mw_loop_run_posts(&w->loop);
  mw_store_flush(w->host.store);
  mw_store_close(w->host.store);
  w->engine->ops->close(w->engine);
  mw_dispatch_fini(&w->dispatch);
  mw_topics_free(w->host.topics);
  mw_metrics_free(w->host.metrics);
  mw_loop_fini(&w->loop);
  close(w->files.fd);
  mw_folder_remove(w->folder);
  free(w);
  return 0;
}

/* Returns 0 or the error of loading. */
static int load(struct world *w, const char *script, struct mw_err *err) {
  struct mw_pool *pool;
  struct mw_program *program;
  char text[8192];
  assert_true(snprintf(text, sizeof text, "%s%s\nreturn M\n", prelude, script) < (int)sizeof text);
  struct mw_script_file file = {"lua/script.lua", "script", mw_slice_str(text)};
  assert_int_equal(mw_schema_load(&pool, "../proto", err), 0);
  assert_int_equal(mw_bind_program_new(&program, &w->vm, &w->host, pool, ++w->generations, err), 0);
  mw_pool_unref(pool);
  int rc = mw_program_load(program, &file, 1, NULL, err);
  if (rc == 0) rc = mw_bind_route(program, err);
  program->files = NULL;
  program->n_files = 0;
  if (rc != 0) {
    mw_bind_retire(program);
    return rc;
  }
  w->dispatch.router = &program->router;
  w->vm.newest = program;
  mw_bind_program_adopted(program);
  if (w->program) mw_bind_retire(w->program);
  w->program = program;
  return 0;
}

void generation(struct world *w, const char *script) {
  struct mw_err err = MW_ERR_INIT;
  if (load(w, script, &err) != 0) fail_msg("%s", mw_err_text(&err));
}

void refuses(struct world *w, const char *script, const char *words) {
  struct mw_err err = MW_ERR_INIT;
  assert_int_equal(load(w, script, &err), MW_EINVAL);
  if (!strstr(mw_err_text(&err), words)) fail_msg("%s", mw_err_text(&err));
  mw_err_fini(&err);
}

/* ---- running ---- */

static void on_done(struct mw_fiber *fiber, void *owner) { ((struct world *)owner)->ended = true; }

static int after_run(lua_State *L, int status, lua_KContext context) {
  struct world *w = (struct world *)context;
  w->error[0] = '\0';
  if (status != LUA_OK && status != LUA_YIELD) snprintf(w->error, sizeof w->error, "%s", luaL_tolstring(L, -1, NULL));
  return 0;
}

static int run_main(lua_State *L) {
  struct world *w = lua_touserdata(L, 1);
  lua_rawgeti(L, LUA_REGISTRYINDEX, w->program->modules_ref);
  lua_getfield(L, -1, "script");
  lua_getfield(L, -1, "run");
  return after_run(L, lua_pcallk(L, 0, 0, 0, (lua_KContext)w, after_run), (lua_KContext)w);
}

void run(struct world *w) {
  struct mw_fiber *fiber = mw_fiber_new(&w->vm, w->program, on_done, w);
  assert_non_null(fiber);
  w->ended = false;
  mw_fiber_start(fiber, run_main, w);
  while (!w->ended) uv_run(&w->loop.uv, UV_RUN_ONCE);
  if (w->error[0]) fail_msg("%s", w->error);
  while (w->dispatch.live > 0) uv_run(&w->loop.uv, UV_RUN_ONCE);
}

void run_script(void **state, const char *script) {
  generation(*state, script);
  run(*state);
}
