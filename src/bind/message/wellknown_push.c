/* Pushes the types that have a Lua form of their own: Struct, Value, ListValue and the wrappers. */
#include "bind/message/marker.h"
#include "bind/message/message_push.h"

static void push_value(struct mw_pusher *p, const struct mw_message_type *type, const ProtobufCMessage *message) {
  for (size_t i = 0; message && i < type->n_fields; i++) {
    const struct mw_field *field = &type->fields[i];
    if (field->kind == MW_KIND_ENUM || !mw_field_is_set(message, field)) continue;
    mw_push_element(p, field, mw_field_value(message, field));
    return;
  }
  mw_bind_push_null(p->L);
}

bool mw_push_wellknown(struct mw_pusher *p, const struct mw_message_type *type, const ProtobufCMessage *message) {
  static const ProtobufCBinaryData zero; /* zero for a value of any kind */
  const struct mw_field *first = type->fields;
  switch (type->wellknown) {
    case MW_WKT_STRUCT: mw_push_map(p, first, message); return true;
    case MW_WKT_VALUE: push_value(p, type, message); return true;
    case MW_WKT_LIST_VALUE:
      mw_push_sequence(p, first, message);
      mw_bind_mark_array(p->L);
      return true;
    case MW_WKT_WRAPPER:
      mw_push_element(p, first, message ? mw_field_value(message, first) : (const void *)&zero);
      return true;
    default: return false;
  }
}
