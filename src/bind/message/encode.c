#include "bind/message/encode.h"

#include "bind/message/message.h"
#include "bind/message/packed.h"

int mw_bind_encode(lua_State *L, int index, struct mw_program *program, const struct mw_message_type *type,
                   struct mw_encoded *out, struct mw_err *err) {
  const struct mw_packed *packed = mw_packed_at(L, index);
  ProtobufCMessage *message;
  if (packed) {
    *out = (struct mw_encoded){.size = packed->bytes.len, .bytes = packed->bytes.data};
    return mw_packed_check(L, packed, type, err);
  }
  int rc = mw_bind_to_message(L, index, program, type, mw_vm_scratch(program->vm), &message, err);
  if (rc == 0) *out = (struct mw_encoded){.size = mw_message_size(message), .message = message};
  return rc;
}
