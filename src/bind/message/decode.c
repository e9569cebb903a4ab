#include "bind/message/decode.h"

#include "bind/message/message.h"
#include "bind/message/packed.h"

int mw_bind_push_bytes(lua_State *L, struct mw_program *program, const struct mw_message_type *type,
                       struct mw_slice bytes, struct mw_err *err) {
  ProtobufCMessage *message;
  int rc = mw_message_view(type, bytes, mw_vm_scratch(program->vm), &message, err);
  if (rc != 0) return rc;
  mw_bind_push_message(L, program, type, message);
  return 0;
}

int mw_bind_decode(lua_State *L, struct mw_program *program, const struct mw_message_type *type, struct mw_slice bytes,
                   bool packed, struct mw_err *err) {
  return packed ? mw_packed_push(L, program, type, bytes, err) : mw_bind_push_bytes(L, program, type, bytes, err);
}
