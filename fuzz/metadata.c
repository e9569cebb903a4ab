/* Metadata that an application may set arrives unchanged, through the header fields of engine http and the arrays of
 * engine core; so do the message and the details of a status. An input consists of lines with a key, a colon and a
 * value. All of it is the status message; each value is also tried as a grpc-timeout and as a traceparent. */
#include <stdlib.h>

#include "base/clock.h"
#include "base/text.h"
#include "engine/core/metadata.h"
#include "engine/http/h2/response.h"
#include "observe/trace.h"

static void check(bool holds) {
  if (!holds) abort();
}

static bool is_field(const nghttp2_nv *nv, const char *name) {
  return mw_slice_eq_str(mw_slice(nv->name, nv->namelen), name);
}

/* Decodes as the specification describes: "%" and two hex digits are a byte, any other byte is itself. */
static void check_message(const nghttp2_nv *nv, struct mw_slice message) {
  size_t n = 0;
  for (size_t i = 0; i < nv->valuelen; i++, n++) {
    char hex[3] = {0};
    if (nv->value[i] == '%') memcpy(hex, nv->value + i + 1, 2), i += 2;
    check(i < nv->valuelen && n < message.len);
    check(message.data[n] == (hex[0] ? (uint8_t)strtoul(hex, NULL, 16) : nv->value[i]));
  }
  check(n == mw_status_message_cut(message).len);
}

/* Removes the blanks at the ends of a value, which HTTP/2 forbids. */
static struct mw_slice as_sent(const struct mw_metadata_entry *entry) {
  struct mw_slice value = entry->value;
  if (mw_metadata_is_binary(entry->key)) return value;
  while (value.len > 0 && value.data[0] == ' ') value = mw_slice(value.data + 1, value.len - 1);
  while (value.len > 0 && value.data[value.len - 1] == ' ') value.len--;
  return value;
}

static void check_same(const struct mw_metadata *sent, const struct mw_metadata *got, bool trimmed) {
  check(sent->len == got->len);
  for (size_t i = 0; i < sent->len; i++) {
    check(mw_slice_eq(sent->entries[i].key, got->entries[i].key));
    check(mw_slice_eq(trimmed ? as_sent(&sent->entries[i]) : sent->entries[i].value, got->entries[i].value));
  }
}

/* Parses the fields of a response as those of a request; then all values of the first "-bin" key as one field. */
static void check_http(const struct mw_metadata *sent, struct mw_slice all, struct mw_arena *arena) {
  struct mw_http_fields fields;
  struct mw_http_request request, joined;
  struct mw_buf list = MW_BUF_INIT;
  struct mw_slice key = {NULL, 0};
  size_t values = 0;
  struct mw_status status = {MW_CODE_ABORTED, all, all};
  check(mw_http_response_trailers(&fields, &status, sent, arena) == 0);
  mw_http_request_init(&request, arena, SIZE_MAX);
  mw_http_request_init(&joined, arena, SIZE_MAX);
  for (size_t i = 0; i < fields.len; i++) {
    const nghttp2_nv *nv = &fields.nv[i];
    struct mw_slice name = mw_slice(nv->name, nv->namelen), value = mw_slice(nv->value, nv->valuelen);
    check(nghttp2_check_header_name(nv->name, nv->namelen) &&
          nghttp2_check_header_value_rfc9113(nv->value, nv->valuelen));
    check(mw_http_request_add(&request, name, value) == 0);
    if (is_field(nv, "grpc-message")) check_message(nv, all);
    if (is_field(nv, "grpc-status-details-bin")) {
      struct mw_buf bytes = MW_BUF_INIT;
      check(mw_base64_decode(&bytes, value) == 0);
      check(mw_slice_eq(mw_buf_slice(&bytes), all));
      mw_buf_fini(&bytes);
    } else if (mw_metadata_is_binary(name) && (!key.data || mw_slice_eq(key, name))) {
      key = name;
      const char *before = values == 0 ? "" : values % 2 == 0 ? " , " : ",";
      check(mw_buf_printf(&list, "%s%.*s", before, (int)value.len, (const char *)value.data) == 0);
      values++;
    }
  }
  check(request.rank == 0);
  check_same(sent, &request.metadata, true);
  if (key.data) check(mw_http_request_add(&joined, key, mw_buf_slice(&list)) == 0);
  check(joined.metadata.len == values);
  for (size_t i = 0, n = 0; i < sent->len; i++) {
    if (key.data && mw_slice_eq(sent->entries[i].key, key)) {
      check(mw_slice_eq(sent->entries[i].value, joined.metadata.entries[n++].value));
    }
  }
  mw_buf_fini(&list);
}

static void check_core(const struct mw_metadata *sent, struct mw_arena *arena) {
  struct mw_metadata got;
  grpc_metadata *entries = calloc(sent->len + 1, sizeof *entries);
  check(entries && mw_core_metadata_fill(sent, entries) == sent->len);
  check(mw_core_metadata_view(&got, &(grpc_metadata_array){sent->len, sent->len, entries}, arena) == 0);
  check_same(sent, &got, false);
  mw_core_metadata_release(entries, sent->len);
  free(entries);
}

static void check_timeout(struct mw_slice value, struct mw_arena *arena) {
  static const struct {
    char unit;
    double ns;
  } units[] = {{'H', 3600e9}, {'M', 60e9}, {'S', 1e9}, {'m', 1e6}, {'u', 1e3}, {'n', 1}};
  struct mw_http_request request;
  double expected = -1;
  size_t digits = 0;
  while (digits < value.len && value.data[digits] >= '0' && value.data[digits] <= '9') digits++;
  for (size_t i = 0; i < 6 && digits > 0 && digits <= 8 && value.len == digits + 1; i++) {
    if (value.data[digits] != units[i].unit) continue;
    expected = (double)strtoull((const char *)value.data, NULL, 10) * units[i].ns;
  }
  mw_http_request_init(&request, arena, SIZE_MAX);
  check(mw_http_request_add(&request, mw_slice_str("grpc-timeout"), value) == 0);
  check((request.rank == 0) == (expected >= 0));
  if (expected < 0 || expected >= 0x1p63) {
    check(request.timeout == MW_NEVER);
  } else {
    check((double)request.timeout == expected);
  }
}

static void check_trace(struct mw_slice value) {
  char id[MW_TRACE_ID_LEN + 1];
  if (!mw_trace_read_id(value, id)) return;
  check(value.len >= 55 && memcmp(id, value.data + 3, MW_TRACE_ID_LEN) == 0);
  check(strspn(id, "0123456789abcdef") == MW_TRACE_ID_LEN);
}

/* Adds a line to `sent` if an application may set it. */
static void add_line(struct mw_metadata *sent, struct mw_arena *arena, const uint8_t *line, size_t len) {
  const uint8_t *colon = len > 0 ? memchr(line, ':', len) : NULL;
  if (!colon) return;
  struct mw_slice key = mw_slice(line, (size_t)(colon - line)), value = mw_slice(colon + 1, len - key.len - 1);
  char *text = mw_arena_strndup(arena, (const char *)value.data, value.len);
  check(text != NULL);
  if (mw_metadata_check(key, value, NULL) == 0) check(mw_metadata_add(sent, arena, key, value) == 0);
  check_timeout(mw_slice(text, value.len), arena);
  check_trace(value);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  struct mw_arena arena;
  struct mw_metadata sent = {0};
  mw_arena_init(&arena, SIZE_MAX);
  for (const uint8_t *p = data, *end = data + size, *line_end; p < end; p = line_end + 1) {
    line_end = memchr(p, '\n', (size_t)(end - p));
    if (!line_end) line_end = end;
    add_line(&sent, &arena, p, (size_t)(line_end - p));
  }
  check_http(&sent, mw_slice(data, size), &arena);
  check_core(&sent, &arena);
  mw_arena_fini(&arena);
  return 0;
}
