#include "script/program/program.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "script/lua/traceback.h"
#include "script/program/environment.h"
#include "script/program/show.h"

/* Values in the table of modules: the module is loading, or has failed. */
static const char is_loading, has_failed;

static const struct mw_script_file *find_file(const struct mw_program *program, const char *module) {
  for (size_t i = 0; i < program->n_files; i++) {
    if (strcmp(program->files[i].module, module) == 0) return &program->files[i];
  }
  return NULL;
}

/* Makes "util/text.lua" from "util.text". A name that is too long is cut, and then names no file. */
static void module_path(const char *module, char *out, size_t size) {
  size_t len = 0;
  for (; module[len] && len + sizeof ".lua" < size; len++) out[len] = module[len] == '.' ? '/' : module[len];
  snprintf(out + len, size - len, ".lua");
}

/* Finds the file of a name that leads through links. The module is that of the file's first name, and loads once. */
static const struct mw_script_file *find_linked(const struct mw_program *program, const char *module) {
  const struct mw_file_list *names = program->names;
  if (!names || names->n_aliases == 0) return NULL;
  char path[4096];
  module_path(module, path, sizeof path);
  size_t index = mw_file_list_resolve(names, path);
  for (size_t i = 0; i < program->n_files && index < names->n; i++) {
    module_path(program->files[i].module, path, sizeof path);
    if (strcmp(path, names->paths[index]) == 0) return &program->files[i];
  }
  return NULL;
}

static const char *module_at(const void *ctx, size_t i) {
  const struct mw_program *program = ctx;
  return program->files[i].module;
}

/* Raises an error about `module`, with the place of the innermost Lua function: mw.live calls require from C. */
static int raise_about(lua_State *L, const char *fmt, const char *module) {
  char place[256];
  bool found = mw_place_find(L, place, sizeof place);
  lua_pushfstring(L, "%s%s", found ? place : "", found ? ": " : "");
  lua_pushfstring(L, fmt, module);
  lua_concat(L, 2);
  return lua_error(L);
}

static int raise_unknown(lua_State *L, const struct mw_program *program, const char *module) {
  const char *near = mw_nearest(module, program->n_files, module_at, program);
  if (!near) return raise_about(L, "module '%s' not found in the lua folder", module);
  const char *words = lua_pushfstring(L, "'%s' not found in the lua folder (did you mean '%s'?)", module, near);
  return raise_about(L, "module %s", words);
}

/* Converts an error of any type to words. One that is no string gets its place. */
static int error_to_string(lua_State *L) {
  mw_show_push_error(L, 1);
  return 1;
}

static bool is_marker(lua_State *L, int index, const char *marker) {
  return lua_type(L, index) == LUA_TLIGHTUSERDATA && lua_touserdata(L, index) == marker;
}

/* Compiles and runs `file`. Pushes its value, or the error as a string. Returns 0, MW_EINVAL or MW_ENOMEM. */
static int run_file(lua_State *L, struct mw_program *program, const struct mw_script_file *file) {
  lua_pushcfunction(L, error_to_string);
  int handler = lua_gettop(L);
  int rc = mw_vm_load(L, file->bytes, file->path);
  if (rc == LUA_OK) {
    lua_rawgeti(L, LUA_REGISTRYINDEX, program->env_ref);
    if (!lua_setupvalue(L, -2, 1)) lua_pop(L, 1);
    lua_pushstring(L, file->module);
    rc = lua_pcall(L, 1, 1, handler);
    if (rc != LUA_OK) mw_budget_settle(L, rc);
  }
  lua_remove(L, handler);
  if (rc != LUA_OK) return rc == LUA_ERRMEM ? MW_ENOMEM : MW_EINVAL;
  if (lua_isnil(L, -1)) {
    lua_pop(L, 1);
    lua_pushboolean(L, 1);
  }
  return 0;
}

/* Runs the file of a module and stores its value in the table of modules at `modules`. Pushes the value, or the error,
 * which is reported. */
static bool run_module(lua_State *L, struct mw_program *program, const struct mw_script_file *file, int modules) {
  lua_pushlightuserdata(L, (void *)(uintptr_t)&is_loading);
  lua_setfield(L, modules, file->module);
  int rc = run_file(L, program, file);
  if (rc == 0) {
    lua_pushvalue(L, -1);
  } else {
    program->failed = mw_err_add(program->findings, rc, "%s", lua_tostring(L, -1));
    lua_pushlightuserdata(L, (void *)(uintptr_t)&has_failed);
  }
  lua_setfield(L, modules, file->module);
  return rc == 0;
}

/* Pushes the value of `module` from the table at `modules`. If it is not loaded, pushes nil and returns false. If it is
 * loading or has failed, raises an error with `name`, the name in the script. */
static bool push_loaded(lua_State *L, int modules, const char *module, const char *name) {
  if (lua_getfield(L, modules, module) == LUA_TNIL) return false;
  if (is_marker(L, -1, &is_loading)) raise_about(L, "module '%s' requires itself through other modules", name);
  if (is_marker(L, -1, &has_failed)) raise_about(L, "module '%s' failed to load", name);
  return true;
}

/* Pushes the value of the module; runs its file the first time. Raises if that fails. */
static int load_module(lua_State *L, struct mw_program *program, const char *module) {
  luaL_checkstack(L, 10, "modules that require each other");
  if (lua_rawgeti(L, LUA_REGISTRYINDEX, program->modules_ref) != LUA_TTABLE) {
    return raise_about(L, "require '%s': the generation of this function has ended", module);
  }
  int modules = lua_gettop(L);
  if (push_loaded(L, modules, module, module)) return 1;
  const struct mw_script_file *file = find_file(program, module);
  if (!file) {
    file = find_linked(program, module);
    if (!file) return raise_unknown(L, program, module);
    if (push_loaded(L, modules, file->module, module)) return 1;
  }
  return run_module(L, program, file, modules) ? 1 : raise_about(L, "module '%s' failed to load", module);
}

static int l_require(lua_State *L) {
  struct mw_program *program = lua_touserdata(L, lua_upvalueindex(1));
  return load_module(L, program, luaL_checkstring(L, 1));
}

bool mw_program_push_module(lua_State *L, const struct mw_program *program, int index) {
  int name = lua_absindex(L, index);
  lua_rawgeti(L, LUA_REGISTRYINDEX, program->modules_ref);
  lua_pushvalue(L, name);
  if (lua_rawget(L, -2) == LUA_TNIL) {
    const struct mw_script_file *file = find_linked(program, lua_tostring(L, name));
    lua_pop(L, 1);
    lua_pushstring(L, file ? file->module : "");
    lua_rawget(L, -2);
  }
  lua_remove(L, -2);
  if (!lua_isnil(L, -1) && !is_marker(L, -1, &is_loading) && !is_marker(L, -1, &has_failed)) return true;
  lua_pop(L, 1);
  return false;
}

/* ---- set-up ---- */

#define PROGRAM "moonwire.Program"

struct opening {
  struct mw_program *program; /* NULL until it is made */
  struct mw_vm *vm;
  const struct mw_host *host;
  struct mw_pool *pool;
  uint64_t generation;
  void (*open)(lua_State *L, struct mw_program *program);
  void (*close)(struct mw_program *program);
};

static int collect(lua_State *L) {
  struct mw_program *program = lua_touserdata(L, 1);
  if (program->close) program->close(program);
  mw_router_fini(&program->router);
  mw_pool_unref(program->pool);
  return 0;
}

/* Pushes a new program, and makes its registry reference. */
static struct mw_program *push_new(lua_State *L, const struct opening *opening) {
  if (luaL_newmetatable(L, PROGRAM)) {
    lua_pushcfunction(L, collect);
    lua_setfield(L, -2, "__gc");
  }
  struct mw_program *program = lua_newuserdatauv(L, sizeof *program, 0);
  *program = (struct mw_program){.self_ref = LUA_NOREF,
                                 .vm = opening->vm,
                                 .host = opening->host,
                                 .pool = mw_pool_ref(opening->pool),
                                 .generation = opening->generation,
                                 .env_ref = LUA_NOREF,
                                 .modules_ref = LUA_NOREF,
                                 .interceptors_ref = LUA_NOREF,
                                 .services_ref = LUA_NOREF,
                                 .close = opening->close};
  mw_router_init(&program->router, opening->generation);
  program->router.pool = program->pool;
  mw_list_init(&program->jobs);
  mw_pause_init(&program->pause, &opening->vm->ready);
  lua_pushvalue(L, -2);
  lua_setmetatable(L, -2);
  lua_pushvalue(L, -1);
  program->self_ref = luaL_ref(L, LUA_REGISTRYINDEX);
  return program;
}

static int open_program(lua_State *L) {
  struct opening *opening = lua_touserdata(L, 1);
  struct mw_program *program = push_new(L, opening);
  opening->program = opening->vm->loading = program;
  lua_newtable(L);
  lua_pushvalue(L, -1);
  program->modules_ref = luaL_ref(L, LUA_REGISTRYINDEX);
  lua_newtable(L);
  program->services_ref = luaL_ref(L, LUA_REGISTRYINDEX);
  lua_newtable(L);
  program->interceptors_ref = luaL_ref(L, LUA_REGISTRYINDEX);
  opening->open(L, program);
  lua_setfield(L, -2, "moonwire");
  mw_environment_push(L);
  lua_pushliteral(L, "require");
  mw_program_push(L, program);
  lua_pushcclosure(L, l_require, 1);
  lua_rawset(L, -3);
  program->env_ref = luaL_ref(L, LUA_REGISTRYINDEX);
  return 0;
}

int mw_program_new(struct mw_program **out, struct mw_vm *vm, const struct mw_host *host, struct mw_pool *pool,
                   uint64_t generation, void (*open)(lua_State *L, struct mw_program *program),
                   void (*close)(struct mw_program *program), struct mw_err *err) {
  struct opening opening = {NULL, vm, host, pool, generation, open, close};
  int rc = mw_vm_protect(vm, open_program, &opening, err);
  vm->loading = NULL;
  if (rc == 0) {
    *out = opening.program;
  } else if (opening.program) {
    mw_program_retire(opening.program);
  }
  return rc;
}

void mw_program_retire(struct mw_program *program) {
  lua_State *L = program->vm->L;
  int *refs[] = {&program->env_ref, &program->modules_ref, &program->services_ref, &program->interceptors_ref,
                 &program->self_ref};
  program->files = NULL;
  program->n_files = 0;
  program->names = NULL;
  for (size_t i = 0; i < sizeof refs / sizeof *refs; i++) {
    int ref = *refs[i];
    *refs[i] = LUA_NOREF;
    luaL_unref(L, LUA_REGISTRYINDEX, ref);
  }
}

/* ---- loading ---- */

struct loading {
  struct mw_program *program;
  const struct mw_script_file *file;
};

/* Returns true if the file can be a module under its name; else adds a finding. */
static bool check_name(struct mw_program *program, const struct mw_script_file *file) {
  const struct mw_script_file *first = find_file(program, file->module);
  if (strcmp(file->module, "moonwire") == 0) {
    mw_err_add(program->findings, MW_EINVAL, "%s: module moonwire is the server's own: rename the file", file->path);
  } else if (first != file) {
    mw_err_add(program->findings, MW_EINVAL, "%s: module %s is %s already: rename one of the files", file->path,
               file->module, first->path);
  } else {
    return true;
  }
  program->failed = MW_EINVAL;
  return false;
}

/* Loads one file as a module unless another script has required it. */
static int load_one(lua_State *L) {
  struct loading *loading = lua_touserdata(L, 1);
  if (!check_name(loading->program, loading->file)) return 0;
  lua_rawgeti(L, LUA_REGISTRYINDEX, loading->program->modules_ref);
  if (lua_getfield(L, -1, loading->file->module) == LUA_TNIL) {
    run_module(L, loading->program, loading->file, lua_absindex(L, -2));
  }
  return 0;
}

int mw_program_load(struct mw_program *program, const struct mw_script_file *files, size_t n_files,
                    const struct mw_file_list *names, struct mw_err *err) {
  struct mw_vm *vm = program->vm;
  program->files = files;
  program->n_files = n_files;
  program->names = names;
  program->findings = err;
  int rc = 0;
  vm->loading = program;
  for (size_t i = 0; i < n_files && rc == 0; i++) {
    struct loading loading = {program, &files[i]};
    rc = mw_vm_protect(vm, load_one, &loading, err);
    if (program->failed && vm->loading_account.cut) break; /* the others would delay the worker's calls just as long */
  }
  vm->loading = NULL;
  program->findings = NULL;
  return rc != 0 ? rc : program->failed;
}
