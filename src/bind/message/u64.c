/* mw.u64: unsigned 64-bit integers in Lua's signed ones.
 *
 * A uint64 above 2^63-1 is the negative integer with the same bits. Addition, subtraction, multiplication and the
 * bitwise operators are the same for both. This module has the operations that differ. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "bind/base/bind.h"
#include "bind/base/openers.h"
#include "bind/base/status.h"

static uint64_t check(lua_State *L, int arg) { return (uint64_t)luaL_checkinteger(L, arg); }

static int push(lua_State *L, uint64_t value) {
  lua_pushinteger(L, (lua_Integer)value);
  return 1;
}

/* mw.u64.to_string(n, [base]): decimal digits, or with base 16 hexadecimal digits without "0x". */
static int l_to_string(lua_State *L) {
  lua_Integer base = luaL_optinteger(L, 2, 10);
  luaL_argcheck(L, base == 10 || base == 16, 2, "expected 10 or 16");
  char text[24];
  snprintf(text, sizeof text, base == 10 ? "%" PRIu64 : "%" PRIx64, check(L, 1));
  lua_pushstring(L, text);
  return 1;
}

/* mw.u64.parse(text): converts decimal digits, or "0x" and hexadecimal digits. Returns nil and a status for other
 * text. */
static int l_parse(lua_State *L) {
  size_t len;
  const char *text = luaL_checklstring(L, 1, &len);
  bool hex = text[0] == '0' && (text[1] == 'x' || text[1] == 'X');
  const char *digits = hex ? text + 2 : text;
  bool whole = *digits && digits[strspn(digits, hex ? "0123456789abcdefABCDEF" : "0123456789")] == '\0' &&
               strlen(text) == len;
  errno = 0;
  uint64_t value = whole ? strtoull(digits, NULL, hex ? 16 : 10) : 0;
  if (whole && errno == 0) return push(L, value);
  return mw_bind_fail(L, MW_CODE_INVALID_ARGUMENT,
                      "expected a whole number from 0 to 18446744073709551615, got \"%.40s\"", text);
}

/* mw.u64.compare(a, b): -1, 0 or 1. */
static int l_compare(lua_State *L) {
  uint64_t a = check(L, 1), b = check(L, 2);
  lua_pushinteger(L, (a > b) - (a < b));
  return 1;
}

static int l_lt(lua_State *L) {
  lua_pushboolean(L, check(L, 1) < check(L, 2));
  return 1;
}

static int l_le(lua_State *L) {
  lua_pushboolean(L, check(L, 1) <= check(L, 2));
  return 1;
}

static uint64_t check_divisor(lua_State *L) {
  uint64_t divisor = check(L, 2);
  luaL_argcheck(L, divisor != 0, 2, "division by zero");
  return divisor;
}

static int l_div(lua_State *L) {
  uint64_t divisor = check_divisor(L);
  return push(L, check(L, 1) / divisor);
}

static int l_rem(lua_State *L) {
  uint64_t divisor = check_divisor(L);
  return push(L, check(L, 1) % divisor);
}

/* mw.u64.to_number(n): returns the nearest float. */
static int l_to_number(lua_State *L) {
  lua_pushnumber(L, (lua_Number)check(L, 1));
  return 1;
}

/* mw.u64.from_number(f): converts a float that is whole and in range. */
static int l_from_number(lua_State *L) {
  lua_Number number = luaL_checknumber(L, 1);
  bool whole = number >= 0 && number < 0x1p64 && number == (lua_Number)(uint64_t)number;
  luaL_argcheck(L, whole, 1, "expected a whole number from 0 to 18446744073709551615");
  return lua_isinteger(L, 1) ? push(L, check(L, 1)) : push(L, (uint64_t)number);
}

void mw_bind_open_u64(lua_State *L, struct mw_program *program) {
  static const luaL_Reg functions[] = {{"to_string", l_to_string},
                                       {"parse", l_parse},
                                       {"compare", l_compare},
                                       {"lt", l_lt},
                                       {"le", l_le},
                                       {"div", l_div},
                                       {"rem", l_rem},
                                       {"to_number", l_to_number},
                                       {"from_number", l_from_number},
                                       {NULL, NULL}};
  lua_createtable(L, 0, 10);
  mw_bind_functions(L, program, functions);
  push(L, UINT64_MAX);
  lua_setfield(L, -2, "max");
  lua_setfield(L, -2, "u64");
}
