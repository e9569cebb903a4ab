/* The results that handlers return. */
#include "bind/call/call.h"
#include "bind/message/status.h"

const char *mw_bind_check_results(lua_State *L, const struct mw_method_type *method, int index,
                                  struct mw_status *status) {
  struct mw_status reply;
  *status = mw_status(MW_CODE_OK, "");
  if (lua_isnil(L, index) && mw_bind_to_status(L, index + 1, status)) {
    bool is_missing = status->code == MW_CODE_OK && !method->server_streaming;
    return is_missing ? "the handler returned a status whose code is OK, and no reply: return the message" : NULL;
  }
  if (!lua_isnil(L, index + 1)) {
    return "the handler's second result must be a status (mw.status.not_found(...)) or nil";
  }
  if (method->server_streaming) {
    return lua_isnil(L, index) ? NULL : "the handler of a streamed reply returned a value: use call:send(message)";
  }
  if (lua_isnil(L, index)) return "the handler returned no reply: return a message, or nil and a status";
  bool is_status = mw_bind_to_status(L, index, &reply);
  return is_status ? "the handler returned a status as its reply: return nil and the status" : NULL;
}
