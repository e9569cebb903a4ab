#include "cli/call_print.h"

#include <errno.h>
#include <stdio.h>

#include "base/text.h"
#include "schema/json.h"

/* Most memory that one reply may take, whatever it claims. */
enum { REPLY_BUDGET = 1 << 30 };

/* Appends a packed message as JSON. */
static int put_json(struct mw_buf *out, const struct mw_pool *pool, const struct mw_message_type *type,
                    struct mw_slice bytes, unsigned indent, struct mw_err *err) {
  const struct mw_json_options options = {.indent = indent};
  struct mw_arena arena;
  ProtobufCMessage *message = NULL;
  mw_arena_init(&arena, REPLY_BUDGET);
  int rc = mw_message_unpack(type, bytes, &arena, &message, err);
  if (rc == 0) rc = mw_json_write(out, pool, type, message, &options, err);
  mw_arena_fini(&arena);
  return rc;
}

int mw_call_print_reply(const struct mw_pool *pool, const struct mw_message_type *type, struct mw_slice bytes,
                        unsigned indent, struct mw_err *err) {
  struct mw_buf text = MW_BUF_INIT;
  int rc = put_json(&text, pool, type, bytes, indent, err);
  if (rc == 0) rc = mw_buf_putc(&text, '\n');
  if (rc == 0 && (fwrite(text.data, 1, text.len, stdout) < text.len || fflush(stdout) != 0))
    rc = mw_err_set(err, MW_EIO, "stdout: %s", strerror(errno));
  mw_buf_fini(&text);
  return rc;
}

void mw_call_print_metadata(const char *mark, const struct mw_metadata *metadata) {
  for (size_t i = 0; i < metadata->len; i++) {
    const struct mw_metadata_entry *entry = &metadata->entries[i];
    struct mw_buf encoded = MW_BUF_INIT;
    struct mw_slice value = entry->value;
    if (mw_metadata_is_binary(entry->key) && mw_base64_encode(&encoded, value, true) == 0)
      value = mw_buf_slice(&encoded);
    fprintf(stderr, "%s %.*s: %.*s\n", mark, (int)entry->key.len, (const char *)entry->key.data, (int)value.len,
            value.len ? (const char *)value.data : "");
    mw_buf_fini(&encoded);
  }
}

/* ---- errors ---- */

static struct mw_slice bytes_at(const ProtobufCMessage *message, const struct mw_field *field) {
  const ProtobufCBinaryData *bytes = mw_field_value(message, field);
  return mw_slice(bytes->data, bytes->len);
}

/* A detail whose type the schema does not have is shown as it came. */
static int put_raw_detail(struct mw_buf *out, const struct mw_message_type *any, const ProtobufCMessage *detail) {
  struct mw_slice url = bytes_at(detail, mw_field_by_number(any, 1));
  int rc = mw_buf_printf(out, "{\"@type\":\"%.*s\",\"value\":\"", (int)url.len, url.len ? (const char *)url.data : "");
  if (rc == 0) rc = mw_base64_encode(out, bytes_at(detail, mw_field_by_number(any, 2)), true);
  return rc != 0 ? rc : mw_buf_puts(out, "\"}");
}

static void print_detail(const struct mw_pool *pool, const struct mw_message_type *any, const ProtobufCMessage *detail,
                         unsigned indent) {
  const struct mw_json_options options = {.indent = indent};
  struct mw_buf text = MW_BUF_INIT;
  int rc = mw_json_write(&text, pool, any, detail, &options, NULL);
  if (rc != 0) rc = put_raw_detail(&text, any, detail);
  if (rc == 0) fprintf(stderr, "%s\n", mw_buf_str(&text));
  mw_buf_fini(&text);
}

/* `details` is a google.rpc.Status; its field 3 are Anys. */
static void print_details(const struct mw_pool *pool, struct mw_slice details, unsigned indent) {
  const struct mw_message_type *type = mw_pool_message(pool, "google.rpc.Status");
  struct mw_arena arena;
  ProtobufCMessage *status = NULL;
  mw_arena_init(&arena, REPLY_BUDGET);
  if (type && mw_message_unpack(type, details, &arena, &status, NULL) == 0) {
    const struct mw_field *field = mw_field_by_number(type, 3);
    ProtobufCMessage *const *anys = *(ProtobufCMessage *const *const *)mw_field_value(status, field);
    for (size_t i = 0; i < *mw_field_count(status, field); i++) print_detail(pool, field->message, anys[i], indent);
  } else {
    fputs("(the details of the error are malformed)\n", stderr);
  }
  mw_arena_fini(&arena);
}

void mw_call_print_error(const struct mw_pool *pool, const struct mw_status *status, unsigned indent) {
  fprintf(stderr, "%s: %.*s\n", mw_code_name(status->code), (int)status->message.len,
          status->message.len ? (const char *)status->message.data : "");
  if (status->details.len > 0) print_details(pool, status->details, indent);
}
