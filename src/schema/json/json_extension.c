/* Extensions in JSON: members "[pkg.name]" after the message's own fields. A message holds an extension as unknown
 * fields; they unpack as a message of the extension's holder (schema/pool/pool.h), which has the value. This file has
 * the parts of reading one. */
#include "schema/json/json_reader.h"
#include "schema/wire/wire.h"

const struct mw_message_type *mw_json_find_extension(struct mw_json_reader *r, const struct mw_message_type *type,
                                                     struct mw_slice key) {
  if (key.len < 2 || key.data[0] != '[' || key.data[key.len - 1] != ']') return NULL;
  const struct mw_message_type *holder = mw_pool_extension_by_name(r->pool, mw_slice(key.data + 1, key.len - 2));
  return holder && strcmp(holder->full_name, type->full_name) == 0 ? holder : NULL;
}

/* Adds encoded fields to the unknown fields. `bytes` begins with the first tag and must live as long as the message. */
static int add_unknown(struct mw_json_reader *r, ProtobufCMessage *message, struct mw_slice bytes) {
  ProtobufCMessageUnknownField *all = mw_arena_alloc(r->arena, (message->n_unknown_fields + 1) * sizeof *all);
  if (!all) return mw_json_no_memory(r);
  if (message->n_unknown_fields > 0) memcpy(all, message->unknown_fields, message->n_unknown_fields * sizeof *all);
  all[message->n_unknown_fields++] = mw_wire_unknown_field(bytes);
  message->unknown_fields = all;
  return 0;
}

int mw_json_check_extension(struct mw_json_reader *r, const struct mw_field *field, const ProtobufCMessage *message) {
  for (unsigned i = 0; i < message->n_unknown_fields; i++) {
    if (message->unknown_fields[i].tag == field->number) {
      return mw_json_fail(r, "the extension \"%s\" is given twice", field->name);
    }
  }
  return 0;
}

int mw_json_add_extension(struct mw_json_reader *r, ProtobufCMessage *message, const ProtobufCMessage *held) {
  size_t size = mw_message_size(held);
  if (size == 0) return 0;
  uint8_t *bytes = mw_arena_alloc(r->arena, size);
  if (!bytes) return mw_json_no_memory(r);
  mw_message_pack(held, bytes);
  return add_unknown(r, message, mw_slice(bytes, size));
}
