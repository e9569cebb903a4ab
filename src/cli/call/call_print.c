#include "cli/call/call_print.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "cli/base/escape.h"
#include "schema/json/json.h"
#include "schema/json/json_print.h"

/* Memory limit of one unpacked reply. */
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
  struct mw_buf json = MW_BUF_INIT, text = MW_BUF_INIT;
  int rc = put_json(&json, pool, type, bytes, indent, err);
  if (rc == 0) rc = mw_escape_json(&text, mw_buf_slice(&json));
  if (rc == 0) rc = mw_buf_putc(&text, '\n');
  if (rc == 0 && (fwrite(text.data, 1, text.len, stdout) < text.len || fflush(stdout) != 0))
    rc = mw_err_set(err, MW_EIO, "stdout: %s", strerror(errno));
  mw_buf_fini(&json);
  mw_buf_fini(&text);
  return rc;
}

/* ---- on stderr ---- */

void mw_call_print_metadata(const char *mark, const struct mw_metadata *metadata) {
  for (size_t i = 0; i < metadata->len; i++) {
    const struct mw_metadata_entry *entry = &metadata->entries[i];
    struct mw_buf encoded = MW_BUF_INIT;
    struct mw_slice value = entry->value;
    if (mw_metadata_is_binary(entry->key) && mw_base64_encode(&encoded, value, true) == 0)
      value = mw_buf_slice(&encoded);
    fprintf(stderr, "%s ", mark);
    mw_escape_print(stderr, entry->key);
    fputs(": ", stderr);
    mw_escape_print(stderr, value);
    fputc('\n', stderr);
    mw_buf_fini(&encoded);
  }
}

static struct mw_slice bytes_at(const ProtobufCMessage *message, const struct mw_field *field) {
  const ProtobufCBinaryData *bytes = mw_field_value(message, field);
  return mw_slice(bytes->data, bytes->len);
}

/* Prints a detail as it arrived if the schema lacks its type. */
static int put_raw_detail(struct mw_buf *out, const struct mw_message_type *any, const ProtobufCMessage *detail) {
  struct mw_buf value = MW_BUF_INIT;
  int rc = mw_base64_encode(&value, bytes_at(detail, mw_field_by_number(any, 2)), true);
  struct mw_json_printer printer = mw_json_printer(out, 0);
  mw_json_open(&printer, '{');
  mw_json_key(&printer, mw_slice_str("@type"));
  mw_json_put_string(&printer, bytes_at(detail, mw_field_by_number(any, 1)));
  mw_json_key(&printer, mw_slice_str("value"));
  mw_json_put_string(&printer, mw_buf_slice(&value));
  mw_json_close(&printer, '}');
  mw_buf_fini(&value);
  return rc != 0 ? rc : printer.rc;
}

/* ---- google.rpc.DebugInfo ---- */

static void print_indented(struct mw_slice text) {
  fputs("  ", stderr);
  mw_escape_print(stderr, text);
  fputc('\n', stderr);
}

static bool is_debug_info(struct mw_slice url) {
  static const char name[] = "/google.rpc.DebugInfo";
  size_t len = sizeof name - 1;
  return url.len >= len && memcmp(url.data + url.len - len, name, len) == 0;
}

/* Prints a failure's origin: the stack, one line for each entry, then the detail. Returns false if it cannot be
 * unpacked. */
static bool print_debug_info(const struct mw_pool *pool, struct mw_slice bytes) {
  const struct mw_message_type *type = mw_pool_message(pool, "google.rpc.DebugInfo");
  struct mw_arena arena;
  ProtobufCMessage *info = NULL;
  mw_arena_init(&arena, REPLY_BUDGET);
  bool read = type && mw_message_unpack(type, bytes, &arena, &info, NULL) == 0;
  if (read) {
    const struct mw_field *entries = mw_field_by_number(type, 1);
    const ProtobufCBinaryData *lines = *(const ProtobufCBinaryData *const *)mw_field_value(info, entries);
    for (size_t i = 0; i < *mw_field_count(info, entries); i++) print_indented(mw_slice(lines[i].data, lines[i].len));
    struct mw_slice detail = bytes_at(info, mw_field_by_number(type, 2));
    if (detail.len > 0) print_indented(detail);
  }
  mw_arena_fini(&arena);
  return read;
}

/* ---- details ---- */

static void print_detail(const struct mw_pool *pool, const struct mw_message_type *any, const ProtobufCMessage *detail,
                         unsigned indent) {
  const struct mw_json_options options = {.indent = indent};
  if (is_debug_info(bytes_at(detail, mw_field_by_number(any, 1))) &&
      print_debug_info(pool, bytes_at(detail, mw_field_by_number(any, 2)))) {
    return;
  }
  struct mw_buf text = MW_BUF_INIT;
  int rc = mw_json_write(&text, pool, any, detail, &options, NULL);
  if (rc != 0) rc = put_raw_detail(&text, any, detail);
  if (rc == 0) rc = mw_buf_putc(&text, '\n');
  if (rc == 0) mw_escape_print(stderr, mw_buf_slice(&text));
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
  fprintf(stderr, "%s: ", mw_code_name(status->code));
  mw_escape_print(stderr, status->message);
  fputc('\n', stderr);
  if (status->details.len > 0) print_details(pool, status->details, indent);
}
