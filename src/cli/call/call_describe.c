#include "cli/call/call_describe.h"

static int put_signature(struct mw_buf *out, const char *before, const struct mw_method_type *method,
                         const char *after) {
  return mw_buf_printf(out, "  %s%s(%s%s) returns (%s%s)%s\n", before, method->name,
                       method->client_streaming ? "stream " : "", method->input->full_name,
                       method->server_streaming ? "stream " : "", method->output->full_name, after);
}

int mw_describe_signature(struct mw_buf *out, const struct mw_method_type *method) {
  return put_signature(out, "", method, "");
}

int mw_describe_service(struct mw_buf *out, const struct mw_service_type *service) {
  int rc = mw_buf_printf(out, "service %s {\n", service->full_name);
  for (size_t i = 0; i < service->n_methods && rc == 0; i++) rc = put_signature(out, "rpc ", &service->methods[i], ";");
  return rc == 0 ? mw_buf_puts(out, "}\n") : rc;
}

static const char *label(const struct mw_field *field) {
  if (field->map || field->oneof) return "";
  if (field->repeated) return "repeated ";
  if (field->required) return "required ";
  return field->has_presence && field->kind != MW_KIND_MESSAGE ? "optional " : "";
}

static int put_field(struct mw_buf *out, const char *indent, const struct mw_field *field) {
  if (!field->map) {
    return mw_buf_printf(out, "%s%s%s %s = %u;\n", indent, label(field), mw_field_type_name(field), field->name,
                         field->number);
  }
  const struct mw_field *key = mw_field_by_number(field->message, 1), *value = mw_field_by_number(field->message, 2);
  return mw_buf_printf(out, "%smap<%s, %s> %s = %u;\n", indent, mw_field_type_name(key), mw_field_type_name(value),
                       field->name, field->number);
}

static int put_oneof(struct mw_buf *out, const struct mw_oneof *oneof) {
  int rc = mw_buf_printf(out, "  oneof %s {\n", oneof->name);
  for (size_t i = 0; i < oneof->n_members && rc == 0; i++) rc = put_field(out, "    ", oneof->members[i]);
  return rc == 0 ? mw_buf_puts(out, "  }\n") : rc;
}

/* Writes a oneof at the place of its first member. */
int mw_describe_message(struct mw_buf *out, const struct mw_message_type *message) {
  int rc = mw_buf_printf(out, "message %s {\n", message->full_name);
  for (size_t i = 0; i < message->n_fields && rc == 0; i++) {
    const struct mw_field *field = &message->fields[i];
    if (field->oneof && field->oneof->members[0] != field) continue;
    rc = field->oneof ? put_oneof(out, field->oneof) : put_field(out, "  ", field);
  }
  return rc == 0 ? mw_buf_puts(out, "}\n") : rc;
}

int mw_describe_enum(struct mw_buf *out, const struct mw_enum_type *type) {
  int rc = mw_buf_printf(out, "enum %s {\n", type->full_name);
  for (size_t i = 0; i < type->n_values && rc == 0; i++) {
    rc = mw_buf_printf(out, "  %s = %d;\n", type->values[i].name, type->values[i].number);
  }
  return rc == 0 ? mw_buf_puts(out, "}\n") : rc;
}

int mw_describe_method(struct mw_buf *out, const struct mw_method_type *method) {
  int rc = mw_buf_printf(out, "service %s {\n", method->service->full_name);
  if (rc == 0) rc = put_signature(out, "rpc ", method, ";");
  if (rc == 0) rc = mw_buf_puts(out, "}\n\n");
  if (rc == 0) rc = mw_describe_message(out, method->input);
  if (rc != 0 || method->output == method->input) return rc;
  rc = mw_buf_puts(out, "\n");
  return rc == 0 ? mw_describe_message(out, method->output) : rc;
}
