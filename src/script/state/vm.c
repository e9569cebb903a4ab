#include "script/state/vm.h"

#include <string.h>

#include "base/text.h"

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
