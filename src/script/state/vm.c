#include "script/state/vm.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/text.h"
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

static int protect(struct mw_vm *vm, lua_CFunction function, void *arg, struct mw_err *err) {
  lua_State *L = vm->L;
  if (!lua_checkstack(L, 2)) return mw_err_set(err, MW_ENOMEM, "out of memory for a Lua stack");
  lua_pushcfunction(L, function);
  lua_pushlightuserdata(L, arg);
  int rc = lua_pcall(L, 1, 0, 0);
  if (rc == LUA_OK) return 0;
  int code = rc == LUA_ERRMEM ? MW_ENOMEM : MW_EINVAL;
  const char *text = lua_type(L, -1) == LUA_TSTRING ? lua_tostring(L, -1) : luaL_typename(L, -1);
  mw_err_set(err, code, "%s", text);
  lua_pop(L, 1);
  return code;
}

int mw_vm_protect(struct mw_vm *vm, lua_CFunction function, void *arg, struct mw_err *err) {
  struct mw_account *account = vm->account;
  lua_State *current = vm->current;
  vm->current = vm->L;
  if (!account) {
    vm->account = &vm->loading_account;
    mw_account_open(vm->account, mw_budget_loading(vm));
  }
  int rc = protect(vm, function, arg, err);
  if (!account) mw_account_close(&vm->loading_account, vm->L);
  vm->account = account;
  vm->current = current;
  return rc;
}

/* Returns the text without a byte order mark and without a first line that begins with "#", as luaL_loadfilex() does.
 * The newline of that line stays, so that line numbers are right. */
static struct mw_slice skip_head(struct mw_slice text) {
  size_t skipped = text.len >= 3 && memcmp(text.data, "\xef\xbb\xbf", 3) == 0 ? 3 : 0;
  if (skipped < text.len && text.data[skipped] == '#') {
    const uint8_t *end = memchr(text.data + skipped, '\n', text.len - skipped);
    skipped = end ? (size_t)(end - text.data) : text.len;
  }
  return mw_slice(text.data + skipped, text.len - skipped);
}

/* The reader of lua_load(): passes the text in pieces, and checks the budget before each. Some instructions lengthen a
 * list that each further one traverses: with 20,000 `elseif`, reading a piece takes 30 ms. */
static const char *read_piece(lua_State *L, void *arg, size_t *size) {
  enum { PIECE = 4 * 1024 };
  struct mw_slice *left = arg;
  mw_budget_check(L);
  const char *piece = (const char *)left->data;
  *size = left->len < PIECE ? left->len : PIECE;
  *left = mw_slice(left->data + *size, left->len - *size);
  return piece;
}

int mw_vm_compile(lua_State *L, struct mw_slice text, const char *name) {
  return lua_load(L, read_piece, &text, name, "t");
}

/* Adds the path to errors without one: Lua gives no place for a binary chunk and for too many levels. */
int mw_vm_load(lua_State *L, struct mw_slice text, const char *path) {
  const char *encoding = mw_text_wide_encoding(text);
  if (encoding) {
    lua_pushfstring(L, "%s: expected UTF-8, got %s", path, encoding);
    return LUA_ERRSYNTAX;
  }
  text = skip_head(text);
  const char *name = lua_pushfstring(L, "@%s", path);
  int rc = mw_vm_compile(L, text, name);
  lua_remove(L, -2);
  if (rc == LUA_OK || rc == LUA_ERRMEM || lua_type(L, -1) != LUA_TSTRING) return rc;
  if (strncmp(lua_tostring(L, -1), path, strlen(path)) == 0) return rc;
  lua_pushfstring(L, "%s: %s", path, lua_tostring(L, -1));
  lua_remove(L, -2);
  return rc;
}
