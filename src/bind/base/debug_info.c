/* With --dev, the status of a failed call has a google.rpc.DebugInfo among its details. */
#include "bind/base/debug_info.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "bind/base/bind.h"
#include "observe/utf8.h"

#define DEBUG_INFO "google.rpc.DebugInfo"

/* Trailers have room for a few thousand bytes in base64, which the details share with the message. */
enum { ENTRIES = 20, ENTRY_BYTES = 160, ALL_BYTES = 1800 };

void mw_bind_make_utf8(char *text) {
  char *end = text + strlen(text);
  for (size_t step; text < end; text += step) {
    step = mw_utf8_step(mw_slice(text, (size_t)(end - text)));
    if (step > 0) continue;
    *text = '?';
    step = 1;
  }
}

/* Pushes the lines of a traceback, without its title, as a sequence. */
static void push_entries(lua_State *L, const char *traceback) {
  size_t total = 0;
  lua_Integer n = 0;
  lua_newtable(L);
  const char *line = traceback ? strchr(traceback, '\n') : NULL;
  while (line && n < ENTRIES) {
    line += 1 + strspn(line + 1, "\t ");
    const char *end = strchr(line, '\n');
    size_t len = end ? (size_t)(end - line) : strlen(line);
    char shown[ENTRY_BYTES];
    snprintf(shown, sizeof shown, "%.*s", (int)len, line);
    mw_bind_make_utf8(shown);
    total += strlen(shown);
    if (total > ALL_BYTES) break;
    lua_pushstring(L, shown);
    lua_rawseti(L, -2, ++n);
    line = end;
  }
}

void mw_bind_add_debug_info(lua_State *L, const char *traceback) {
  const struct mw_program *program = mw_fiber_program(L);
  if (!program) return;
  if (!mw_pool_message(program->pool, DEBUG_INFO)) return; /* a folder's own copy of google.rpc may lack it */
  char detail[96];
  snprintf(detail, sizeof detail, "generation %" PRIu64 ", worker %u, call %" PRIu64, program->generation,
           program->host->worker, mw_log_context()->call);
  luaL_checkstack(L, 6, NULL);
  int status = lua_gettop(L);
  lua_getfield(L, status, "with_details");
  lua_pushvalue(L, status);
  lua_pushliteral(L, DEBUG_INFO);
  lua_createtable(L, 0, 2);
  push_entries(L, traceback);
  lua_setfield(L, -2, "stack_entries");
  lua_pushstring(L, detail);
  lua_setfield(L, -2, "detail");
  lua_call(L, 3, 0);
}
