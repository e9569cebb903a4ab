/* Lua values to encoded messages. */
#ifndef MW_BIND_MESSAGE_ENCODE_H
#define MW_BIND_MESSAGE_ENCODE_H

#include "bind/base/bind.h"
#include "schema/wire/message.h"

/* A message that is ready to be written. Valid until the scratch arena is used again, while the Lua value stays on the
 * stack unchanged. */
struct mw_encoded {
  size_t size;                     /* bytes */
  const ProtobufCMessage *message; /* made from a table; NULL for a packed message */
  const uint8_t *bytes;            /* of a packed message */
};

/* Prepares the message at `index`, a table or a packed message, as a `type`. Raises and fails as
 * mw_bind_to_message(). */
int mw_bind_encode(lua_State *L, int index, struct mw_program *program, const struct mw_message_type *type,
                   struct mw_encoded *out, struct mw_err *err);

/* Writes the `size` bytes of the message. */
static inline void mw_encoded_write(const struct mw_encoded *encoded, uint8_t *out) {
  if (encoded->message) {
    mw_message_pack(encoded->message, out);
  } else if (encoded->size > 0) {
    memcpy(out, encoded->bytes, encoded->size);
  }
}

#endif
