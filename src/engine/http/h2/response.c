#include "engine/http/h2/response.h"

#include "base/text.h"

/* NO_INDEX: per-response values must not evict stable ones from the HPACK table. */
enum {
  NO_COPY = NGHTTP2_NV_FLAG_NO_COPY_NAME | NGHTTP2_NV_FLAG_NO_COPY_VALUE,
  NO_INDEX = NO_COPY | NGHTTP2_NV_FLAG_NO_INDEX,
};

#define FIELD(NAME, VALUE) \
  { (uint8_t *)(NAME), (uint8_t *)(VALUE), sizeof(NAME) - 1, sizeof(VALUE) - 1, NO_COPY }

static const nghttp2_nv status_200 = FIELD(":status", "200");
static const nghttp2_nv status_405 = FIELD(":status", "405");
static const nghttp2_nv status_415 = FIELD(":status", "415");
static const nghttp2_nv allow = FIELD("allow", "POST");
static const nghttp2_nv text_type = FIELD("content-type", "text/plain; charset=utf-8");
static const nghttp2_nv content_type = FIELD("content-type", "application/grpc");
static const nghttp2_nv accept_encoding = FIELD("grpc-accept-encoding", MW_COMPRESSION_ACCEPTED);

static const nghttp2_nv encodings[MW_COMPRESSION_COUNT] = {
    FIELD("grpc-encoding", "identity"), FIELD("grpc-encoding", "deflate"), FIELD("grpc-encoding", "gzip")};

static const nghttp2_nv codes[MW_CODE_COUNT] = {
    FIELD("grpc-status", "0"),  FIELD("grpc-status", "1"),  FIELD("grpc-status", "2"),  FIELD("grpc-status", "3"),
    FIELD("grpc-status", "4"),  FIELD("grpc-status", "5"),  FIELD("grpc-status", "6"),  FIELD("grpc-status", "7"),
    FIELD("grpc-status", "8"),  FIELD("grpc-status", "9"),  FIELD("grpc-status", "10"), FIELD("grpc-status", "11"),
    FIELD("grpc-status", "12"), FIELD("grpc-status", "13"), FIELD("grpc-status", "14"), FIELD("grpc-status", "15"),
    FIELD("grpc-status", "16")};

/* The headers of almost every response. */
static const nghttp2_nv plain_headers[] = {FIELD(":status", "200"), FIELD("content-type", "application/grpc"),
                                           FIELD("grpc-accept-encoding", MW_COMPRESSION_ACCEPTED)};

/* Largest number of fields that are not metadata. */
enum { OWN_FIELDS = 6 };

/* ---- building ---- */

struct builder {
  struct mw_arena *arena;
  nghttp2_nv *nv; /* has room for all */
  size_t len;
};

static int init(struct builder *b, struct mw_arena *arena, size_t metadata) {
  *b = (struct builder){.arena = arena, .nv = mw_arena_alloc(arena, (OWN_FIELDS + metadata) * sizeof *b->nv)};
  return b->nv ? 0 : MW_ENOMEM;
}

static void done(const struct builder *b, struct mw_http_fields *out) { *out = (struct mw_http_fields){b->nv, b->len}; }

static void put(struct builder *b, nghttp2_nv field) { b->nv[b->len++] = field; }

static void put_slices(struct builder *b, struct mw_slice name, struct mw_slice value, uint8_t flags) {
  put(b, (nghttp2_nv){(uint8_t *)(uintptr_t)name.data, (uint8_t *)(uintptr_t)value.data, name.len, value.len, flags});
}

static int put_binary(struct builder *b, struct mw_slice name, struct mw_slice bytes) {
  uint8_t *text = mw_arena_alloc(b->arena, mw_base64_encoded_max(bytes.len));
  if (!text) return MW_ENOMEM;
  put_slices(b, name, mw_slice(text, mw_base64_encode_to(text, bytes, false)), NO_INDEX);
  return 0;
}

/* ---- metadata ---- */

static bool is_printable(uint8_t c) { return c >= ' ' && c <= '~'; }

static bool is_value(struct mw_slice value) {
  for (size_t i = 0; i < value.len; i++) {
    if (!is_printable(value.data[i])) return false;
  }
  return true;
}

static bool is_name(struct mw_slice name) {
  return name.len > 0 && name.data[0] != ':' && nghttp2_check_header_name(name.data, name.len);
}

static struct mw_slice trim(struct mw_slice value) {
  while (value.len > 0 && value.data[0] == ' ') value = mw_slice(value.data + 1, value.len - 1);
  while (value.len > 0 && value.data[value.len - 1] == ' ') value.len--;
  return value;
}

static int put_metadata(struct builder *b, const struct mw_metadata *metadata) {
  for (size_t i = 0; i < metadata->len; i++) {
    struct mw_slice key = metadata->entries[i].key, value = metadata->entries[i].value;
    if (!is_name(key)) continue;
    if (mw_metadata_is_binary(key)) {
      if (put_binary(b, key, value) != 0) return MW_ENOMEM;
    } else if (is_value(value)) {
      put_slices(b, key, trim(value), NO_COPY);
    }
  }
  return 0;
}

/* ---- the status ---- */

/* Returns true for a byte that needs no percent-encoding. HTTP/2 forbids blanks at either end of a value. */
static bool is_plain(struct mw_slice message, size_t i) {
  uint8_t c = message.data[i];
  return is_printable(c) && c != '%' && (c != ' ' || (i > 0 && i + 1 < message.len));
}

static int put_message(struct builder *b, struct mw_slice message) {
  static const char name[] = "grpc-message", hex[] = "0123456789ABCDEF";
  message = mw_status_message_cut(message);
  size_t plain = 0;
  for (size_t i = 0; i < message.len; i++) plain += is_plain(message, i);
  if (plain == message.len) {
    put_slices(b, mw_slice(name, sizeof name - 1), message, NO_INDEX);
    return 0;
  }
  uint8_t *text = mw_arena_alloc(b->arena, 3 * message.len), *p = text;
  if (!text) return MW_ENOMEM;
  for (size_t i = 0; i < message.len; i++) {
    uint8_t c = message.data[i];
    if (is_plain(message, i)) {
      *p++ = c;
    } else {
      *p++ = '%';
      *p++ = (uint8_t)hex[c >> 4];
      *p++ = (uint8_t)hex[c & 15];
    }
  }
  put_slices(b, mw_slice(name, sizeof name - 1), mw_slice(text, (size_t)(p - text)), NO_INDEX);
  return 0;
}

static const nghttp2_nv *field_of(enum mw_code code) {
  return &codes[(unsigned)code < MW_CODE_COUNT ? code : MW_CODE_UNKNOWN];
}

static int put_status(struct builder *b, const struct mw_status *status) {
  put(b, *field_of(status->code));
  if (status->message.len > 0 && put_message(b, status->message) != 0) return MW_ENOMEM;
  if (status->details.len == 0) return 0;
  return put_binary(b, mw_slice_str("grpc-status-details-bin"), status->details);
}

/* ---- the responses ---- */

int mw_http_response_headers(struct mw_http_fields *out, enum mw_compression compression,
                             const struct mw_metadata *headers, struct mw_arena *arena) {
  if (headers->len == 0 && compression == MW_COMPRESSION_IDENTITY) {
    *out = (struct mw_http_fields){plain_headers, sizeof plain_headers / sizeof *plain_headers};
    return 0;
  }
  struct builder b;
  if (init(&b, arena, headers->len) != 0) return MW_ENOMEM;
  put(&b, status_200);
  put(&b, content_type);
  if (compression != MW_COMPRESSION_IDENTITY) put(&b, encodings[compression]);
  put(&b, accept_encoding);
  if (put_metadata(&b, headers) != 0) return MW_ENOMEM;
  done(&b, out);
  return 0;
}

int mw_http_response_trailers(struct mw_http_fields *out, const struct mw_status *status,
                              const struct mw_metadata *trailers, struct mw_arena *arena) {
  if (trailers->len == 0 && status->message.len == 0 && status->details.len == 0) {
    *out = (struct mw_http_fields){field_of(status->code), 1};
    return 0;
  }
  struct builder b;
  if (init(&b, arena, trailers->len) != 0) return MW_ENOMEM;
  if (put_status(&b, status) != 0 || put_metadata(&b, trailers) != 0) return MW_ENOMEM;
  done(&b, out);
  return 0;
}

int mw_http_response_trailers_only(struct mw_http_fields *out, const struct mw_status *status,
                                   const struct mw_metadata *headers, const struct mw_metadata *trailers,
                                   struct mw_arena *arena) {
  struct builder b;
  if (init(&b, arena, headers->len + trailers->len) != 0) return MW_ENOMEM;
  put(&b, status_200);
  put(&b, content_type);
  put(&b, accept_encoding);
  if (put_status(&b, status) != 0) return MW_ENOMEM;
  if (put_metadata(&b, headers) != 0 || put_metadata(&b, trailers) != 0) return MW_ENOMEM;
  done(&b, out);
  return 0;
}

int mw_http_response_refusal(struct mw_http_fields *out, const struct mw_http_refusal *refusal,
                             struct mw_arena *arena) {
  static const struct mw_metadata none;
  if (refusal->http == 200) return mw_http_response_trailers_only(out, &refusal->status, &none, &none, arena);
  struct builder b;
  if (init(&b, arena, 0) != 0) return MW_ENOMEM;
  put(&b, refusal->http == 405 ? status_405 : status_415);
  if (refusal->http == 405) put(&b, allow);
  if (refusal->body) put(&b, text_type);
  if (refusal->grpc) {
    put(&b, content_type);
    if (put_status(&b, &refusal->status) != 0) return MW_ENOMEM;
  }
  done(&b, out);
  return 0;
}
