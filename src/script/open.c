#include "script/open.h"

#include <stdlib.h>

#include "base/clock.h"
#include "observe/log.h"
#include "script/libs/libs.h"
#include "script/lua/layout.h"
#include "script/state/collect.h"
#include "script/state/fiber.h"
#include "script/state/weak.h"

/* True if Lua may replace `held` bytes by `size` bytes. */
static inline bool is_allowed(struct mw_vm *vm, size_t held, size_t size) {
  return (size < vm->bulk_from && vm->memory.used - held + size <= vm->unasked) || mw_budget_allow(vm, held, size);
}

static void *take(struct mw_vm *vm, size_t size) {
  if (!is_allowed(vm, 0, size)) return NULL;
  mw_collect_stress(vm);
  void *block = mw_blocks_take(&vm->blocks, size);
  if (block) vm->memory.used += size;
  return block;
}

static void *resize(struct mw_vm *vm, void *block, size_t old, size_t size) {
  if (!is_allowed(vm, old, size)) return NULL;
  if (size > old) mw_collect_stress(vm);
  void *moved = mw_blocks_resize(&vm->blocks, block, old, size);
  if (!moved) return NULL;
  vm->memory.used += size - old;
  return moved;
}

/* Lua's allocator: counted blocks. Without a block, old_size is a type tag and not a size. */
static void *allocate(void *arg, void *block, size_t old_size, size_t new_size) {
  struct mw_vm *vm = arg;
  if (new_size > 0) return block ? resize(vm, block, old_size, new_size) : take(vm, new_size);
  if (!block) return NULL;
  vm->memory.used -= old_size;
  mw_blocks_release(&vm->blocks, block, old_size);
  return NULL;
}

/* Reached only by a bug, because Lua is always entered in protected mode. */
static int on_panic(lua_State *L) {
  const char *text = lua_type(L, -1) == LUA_TSTRING ? lua_tostring(L, -1) : "no message";
  mw_log(MW_LOG_ERROR, NULL, "unprotected error in Lua: %s", text);
  return 0;
}

static int open_libraries(lua_State *L) {
  luaL_openlibs(L);
  mw_libs_replace(L);
  mw_layout_open(L);
  mw_weak_open(L);
  mw_collect_add_ballast(mw_vm_of(L));
  return 0;
}

int mw_vm_init(struct mw_vm *vm, struct mw_loop *loop, size_t unpack_budget, struct mw_err *err) {
  *vm = (struct mw_vm){.loop = loop, .unasked = SIZE_MAX, .bulk_from = MW_BUDGET_BULK, .ends = MW_NEVER};
  mw_list_init(&vm->idle);
  mw_list_init(&vm->live);
  mw_ready_init(&vm->ready, loop);
  mw_arena_init(&vm->scratch, unpack_budget);
  vm->scratch.quota = &vm->memory;
  vm->L = lua_newstate(allocate, vm);
  if (!vm->L) return mw_err_set(err, MW_ENOMEM, "out of memory for a Lua state");
  *(struct mw_vm **)lua_getextraspace(vm->L) = vm;
  lua_atpanic(vm->L, on_panic);
  int rc = mw_vm_protect(vm, open_libraries, NULL, err);
  if (rc != 0) mw_vm_fini(vm);
  return rc;
}

void mw_vm_fini(struct mw_vm *vm) {
  mw_ticker_stop(&vm->ticker);
  mw_collect_stop(vm);
  mw_ready_fini(&vm->ready);
  if (vm->L) lua_close(vm->L);
  vm->L = NULL;
  struct mw_list *node;
  while ((node = mw_list_shift(&vm->idle)) != NULL) free(MW_CONTAINER(node, struct mw_fiber, link));
  mw_arena_fini(&vm->scratch);
  mw_blocks_fini(&vm->blocks);
}
