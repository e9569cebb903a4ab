/* Messages without their encoding: creation, and presence of fields. */
#include "schema/wire/message.h"

ProtobufCMessage *mw_message_new(const struct mw_message_type *type, struct mw_arena *arena) {
  ProtobufCMessage *message = mw_arena_calloc(arena, 1, type->desc->sizeof_message);
  if (!message) return NULL;
  message->descriptor = type->desc;
  for (size_t i = 0; type->has_defaults && i < type->n_fields; i++) {
    const struct mw_field *field = &type->fields[i];
    const void *initial = field->desc->default_value;
    if (initial) memcpy(mw_field_value(message, field), initial, mw_kind_size(field->kind));
  }
  return message;
}

static protobuf_c_boolean *has_flag(const ProtobufCMessage *message, const struct mw_field *field) {
  return (protobuf_c_boolean *)(void *)((char *)(uintptr_t)message + field->desc->quantifier_offset);
}

/* True if the value's bits are not all zero: -0.0 counts as nonzero. Strings begin with their length. */
static bool is_nonzero(const ProtobufCMessage *message, const struct mw_field *field) {
  const void *value = mw_field_value(message, field);
  return mw_kind_size(field->kind) == 4 ? *(const uint32_t *)value != 0 : *(const uint64_t *)value != 0;
}

bool mw_field_is_set(const ProtobufCMessage *message, const struct mw_field *field) {
  if (field->oneof) {
    /* A NULL message counts as unset. */
    return *mw_field_case(message, field) == field->number &&
           (field->kind != MW_KIND_MESSAGE || is_nonzero(message, field));
  }
  if (field->kind == MW_KIND_MESSAGE) return is_nonzero(message, field);
  return *has_flag(message, field) && (field->has_presence || is_nonzero(message, field));
}

void mw_field_mark(ProtobufCMessage *message, const struct mw_field *field) {
  if (field->oneof) {
    *mw_field_case(message, field) = field->number;
  } else if (field->kind != MW_KIND_MESSAGE) {
    *has_flag(message, field) = field->has_presence || is_nonzero(message, field);
  }
}

/* ---- required fields ---- */

/* A step of the path from the root to a message. Steps are on the stack, and printed only for an error. */
struct step {
  const struct step *outer; /* NULL at the root */
  const struct mw_message_type *type;
  const ProtobufCMessage *message;
  const struct mw_field *field; /* current field */
  size_t index;                 /* current element of `field` */
};

static int write_path(struct mw_buf *out, const struct step *step) {
  int rc = step->outer ? write_path(out, step->outer) : mw_buf_puts(out, step->type->full_name);
  if (rc == 0) rc = mw_buf_printf(out, ".%s", step->field->name);
  if (rc == 0 && step->field->repeated) rc = mw_buf_printf(out, "[%zu]", step->index);
  return rc;
}

static int report_missing(const struct step *step, struct mw_err *err) {
  struct mw_buf path = MW_BUF_INIT;
  const char *where = write_path(&path, step) == 0 ? mw_buf_str(&path) : step->field->name;
  int rc = mw_err_set(err, MW_EFORMAT, "%s: required field is not set", where);
  mw_buf_fini(&path);
  return rc;
}

static int check_message(const struct step *outer, const struct mw_message_type *type, const ProtobufCMessage *message,
                         struct mw_err *err);

static int check_field(struct step *step, struct mw_err *err) {
  const struct mw_field *field = step->field;
  if (!field->repeated && !mw_field_is_set(step->message, field)) {
    return field->required ? report_missing(step, err) : 0;
  }
  if (!field->message || !field->message->has_required) return 0;
  const void *value = mw_field_value(step->message, field);
  if (!field->repeated) return check_message(step, field->message, *(ProtobufCMessage *const *)value, err);
  ProtobufCMessage *const *elements = *(ProtobufCMessage *const *const *)value;
  size_t count = *mw_field_count(step->message, field);
  int rc = 0;
  for (step->index = 0; step->index < count && rc == 0; step->index++) {
    rc = check_message(step, field->message, elements[step->index], err);
  }
  return rc;
}

static int check_message(const struct step *outer, const struct mw_message_type *type, const ProtobufCMessage *message,
                         struct mw_err *err) {
  struct step step = {.outer = outer, .type = type, .message = message};
  int rc = 0;
  for (size_t i = 0; i < type->n_fields && rc == 0; i++) {
    step.field = &type->fields[i];
    rc = check_field(&step, err);
  }
  return rc;
}

int mw_message_check_required(const struct mw_message_type *type, const ProtobufCMessage *message, struct mw_err *err) {
  return type->has_required ? check_message(NULL, type, message, err) : 0;
}
