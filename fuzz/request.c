/* Any header fields, one a line, become a request or a refusal that HTTP/2 can carry. The metadata for handlers is
 * valid, and no larger than the fields. */
#include <stdlib.h>

#include "base/clock.h"
#include "engine/http/h2/response.h"

enum { LIMIT = 4096 };

static void check(bool holds) {
  if (!holds) abort();
}

static void check_fields(struct mw_http_fields fields) {
  for (size_t i = 0; i < fields.len; i++) {
    check(nghttp2_check_header_name(fields.nv[i].name, fields.nv[i].namelen));
    check(nghttp2_check_header_value_rfc9113(fields.nv[i].value, fields.nv[i].valuelen));
  }
}

static void add_line(struct mw_http_request *request, const uint8_t *line, size_t len) {
  const uint8_t *colon = len > 1 ? memchr(line + 1, ':', len - 1) : NULL;
  size_t name = colon ? (size_t)(colon - line) : len, value = colon ? len - name - 1 : 0;
  if (name > 0) check(mw_http_request_add(request, mw_slice(line, name), mw_slice(line + len - value, value)) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  struct mw_arena arena;
  struct mw_http_request request;
  struct mw_http_refusal refusal;
  struct mw_http_fields fields;
  mw_arena_init(&arena, SIZE_MAX);
  mw_http_request_init(&request, &arena, LIMIT);
  for (const uint8_t *p = data, *end = data + size, *line_end; p < end; p = line_end + 1) {
    line_end = memchr(p, '\n', (size_t)(end - p));
    if (!line_end) line_end = end;
    add_line(&request, p, (size_t)(line_end - p));
  }
  size_t shown = 0;
  for (size_t i = 0; i < request.metadata.len; i++) {
    struct mw_slice key = request.metadata.entries[i].key;
    bool reserved = key.len >= 5 && memcmp(key.data, "grpc-", 5) == 0;
    check(key.data[0] != ':' && (!reserved || mw_slice_eq_str(key, "grpc-previous-rpc-attempts")));
    shown += request.metadata.entries[i].value.len;
  }
  check(shown <= LIMIT && shown <= size);
  check(request.timeout >= 0);
  bool refused = !mw_http_request_check(&request, &refusal);
  check(refused ? mw_http_response_refusal(&fields, &refusal, &arena) == 0
                : mw_http_response_headers(&fields, request.compression, &request.metadata, &arena) == 0);
  check_fields(fields);
  mw_arena_fini(&arena);
  return 0;
}
