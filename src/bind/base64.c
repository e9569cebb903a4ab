/* mw.base64: bytes as text (RFC 4648). Long strings are processed in pieces, with a check of the budget after each. */
#include <ctype.h>

#include "base/text.h"
#include "bind/base/bind.h"
#include "bind/base/openers.h"
#include "bind/base/status.h"

enum { PIECE = 3 * 4 * 4096 }; /* bytes: whole groups, of bytes and of digits */

/* Replaces the digits + and / of the standard alphabet by those of the URL alphabet. */
static void make_url(uint8_t *digits, size_t len) {
  for (size_t i = 0; i < len; i++) {
    if (digits[i] == '+') digits[i] = '-';
    if (digits[i] == '/') digits[i] = '_';
  }
}

static struct mw_slice check_text(lua_State *L, int arg) {
  size_t len;
  const char *text = luaL_checklstring(L, arg, &len);
  return mw_slice(text, len);
}

static struct mw_slice piece_at(struct mw_slice text, size_t at) {
  return mw_slice(text.data + at, text.len - at < PIECE ? text.len - at : PIECE);
}

/* mw.base64.encode(bytes [, "url"]): the standard alphabet with padding, or the URL alphabet without padding. */
static int l_encode(lua_State *L) {
  static const char *const alphabets[] = {"standard", "url", NULL};
  struct mw_slice bytes = check_text(L, 1);
  bool url = luaL_checkoption(L, 2, "standard", alphabets) == 1;
  luaL_Buffer buffer;
  uint8_t *out = (uint8_t *)luaL_buffinitsize(L, &buffer, mw_base64_encoded_max(bytes.len));
  size_t len = 0;
  unsigned steps = 0;
  for (size_t at = 0; at < bytes.len; at += PIECE) {
    size_t n = mw_base64_encode_to(out + len, piece_at(bytes, at), !url);
    if (url) make_url(out + len, n);
    len += n;
    mw_budget_bytes(L, &steps, n);
  }
  luaL_pushresultsize(&buffer, len);
  return 1;
}

static bool is_digit(uint8_t c) { return isalnum(c) || c == '+' || c == '/' || c == '-' || c == '_'; }

/* Returns nil and a status with the place of the first byte that is not base64 in the piece `at`. If there is none, the
 * status has the length. */
static int fail(lua_State *L, struct mw_slice text, size_t at) {
  struct mw_slice piece = piece_at(text, at);
  size_t i = 0;
  while (i < piece.len && (is_digit(piece.data[i]) || piece.data[i] == '=')) i++;
  if (i < piece.len) {
    return mw_bind_fail(L, MW_CODE_INVALID_ARGUMENT, "base64: byte 0x%02x at %zu, must be one of A-Z a-z 0-9 + / - _",
                        piece.data[i], at + i + 1);
  }
  return mw_bind_fail(L, MW_CODE_INVALID_ARGUMENT, "base64: %zu characters, cut short or padded wrongly", text.len);
}

/* mw.base64.decode(text): returns the bytes. Accepts both alphabets, with or without padding. Returns nil and a status
 * for other text. */
static int l_decode(lua_State *L) {
  struct mw_slice text = check_text(L, 1);
  luaL_Buffer buffer;
  uint8_t *out = (uint8_t *)luaL_buffinitsize(L, &buffer, mw_base64_decoded_max(text.len));
  size_t len = 0;
  unsigned steps = 0;
  for (size_t at = 0; at < text.len; at += PIECE) {
    struct mw_slice piece = piece_at(text, at);
    bool last = at + piece.len == text.len;
    size_t n;
    if ((!last && piece.data[piece.len - 1] == '=') || mw_base64_decode_to(out + len, piece, &n) != 0) {
      return fail(L, text, at);
    }
    len += n;
    mw_budget_bytes(L, &steps, piece.len);
  }
  luaL_pushresultsize(&buffer, len);
  return 1;
}

void mw_bind_open_base64(lua_State *L, struct mw_program *program) {
  static const luaL_Reg functions[] = {{"encode", l_encode}, {"decode", l_decode}, {NULL, NULL}};
  lua_createtable(L, 0, 2);
  mw_bind_functions(L, program, functions);
  lua_setfield(L, -2, "base64");
}
