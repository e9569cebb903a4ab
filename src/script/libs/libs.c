#include "script/libs/libs.h"

void mw_libs_replace(lua_State *L) {
  mw_libs_replace_base(L);
  mw_libs_replace_coroutine(L);
  mw_libs_replace_string(L);
  mw_libs_replace_table(L);
  mw_libs_replace_os(L);
}
