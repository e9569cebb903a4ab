#include "engine/http/h2/request.h"

#include <stdarg.h>
#include <stdio.h>
#include <strings.h>

#include "base/clock.h"
#include "base/text.h"

enum { FIELD_OVERHEAD = 32, TIMEOUT_DIGITS = 8, SHOWN_MAX = 64, TEXT_MAX = 192 };

/* Kinds of fields. OWN is for fields of HTTP or gRPC that are ignored here. */
enum field { METADATA, OWN, METHOD, PATH, AUTHORITY, HOST, CONTENT_TYPE, TIMEOUT, ENCODING, ACCEPT_ENCODING };

/* Bits of `flags`. HAS_CONTENT_TYPE: an accepted content-type; IS_GRPC: application/grpc+... */
enum { IS_POST = 1, HAS_CONTENT_TYPE = 2, IS_GRPC = 4, HAS_AUTHORITY = 8, IS_HEAD = 16 };

/* Errors, in ascending precedence. */
enum rank { NOTHING, ENCODING_UNKNOWN, FIELD_MALFORMED, TYPE_WRONG, METHOD_WRONG, TOO_LARGE };

void mw_http_request_init(struct mw_http_request *request, struct mw_arena *arena, size_t limit) {
  *request = (struct mw_http_request){.timeout = MW_NEVER,
                                      .compression = MW_COMPRESSION_IDENTITY,
                                      .accepts = 1u << MW_COMPRESSION_IDENTITY,
                                      .arena = arena,
                                      .limit = limit};
}

/* ---- recognising names ---- */

/* Compares a name with a text of its length. */
static bool equals(struct mw_slice name, const char *text) { return memcmp(name.data, text, name.len) == 0; }

static bool starts_with(struct mw_slice text, const char *prefix, size_t len) {
  return text.len >= len && memcmp(text.data, prefix, len) == 0;
}

static enum field other(struct mw_slice name) {
  return (name.len > 0 && name.data[0] == ':') || starts_with(name, "grpc-", 5) ? OWN : METADATA;
}

static enum field recognise(struct mw_slice name) {
  switch (name.len) {
    case 2: return equals(name, "te") ? OWN : other(name);
    case 4: return equals(name, "host") ? HOST : other(name);
    case 5: return equals(name, ":path") ? PATH : other(name);
    case 7: return equals(name, ":method") ? METHOD : other(name);
    case 10: return equals(name, ":authority") ? AUTHORITY : other(name);
    case 12: return equals(name, "content-type") ? CONTENT_TYPE : equals(name, "grpc-timeout") ? TIMEOUT : other(name);
    case 13: return equals(name, "grpc-encoding") ? ENCODING : other(name);
    case 20: return equals(name, "grpc-accept-encoding") ? ACCEPT_ENCODING : other(name);
    case 26: return equals(name, "grpc-previous-rpc-attempts") ? METADATA : other(name);
    default: return other(name);
  }
}

/* ---- errors ---- */

/* Records an error unless one of its rank or above is recorded. */
static int record_error(struct mw_http_request *request, enum rank rank, enum mw_code code, const char *format, ...)
    MW_PRINTF(4, 5);

static int record_error(struct mw_http_request *request, enum rank rank, enum mw_code code, const char *format, ...) {
  if (rank <= request->rank) return 0;
  char text[TEXT_MAX];
  va_list args;
  va_start(args, format);
  vsnprintf(text, sizeof text, format, args);
  va_end(args);
  const char *own = mw_arena_strndup(request->arena, text, strlen(text));
  if (!own) return MW_ENOMEM;
  request->rank = rank;
  request->error = mw_status(code, own);
  return 0;
}

/* Counts a field against the limit. Returns false if it exceeds the limit. */
static bool count_field(struct mw_http_request *request, size_t bytes) {
  request->size += bytes + FIELD_OVERHEAD;
  return request->size <= request->limit;
}

static int record_too_large(struct mw_http_request *request) {
  return record_error(request, TOO_LARGE, MW_CODE_RESOURCE_EXHAUSTED, "metadata longer than the limit of %zu bytes",
                      request->limit);
}

/* The start of a client's bytes, with "?" for unprintable ones. */
struct shown {
  char text[SHOWN_MAX + 1];
};

static struct shown shown(struct mw_slice value) {
  struct shown shown;
  size_t len = value.len < SHOWN_MAX ? value.len : SHOWN_MAX;
  for (size_t i = 0; i < len; i++) {
    shown.text[i] = value.data[i] >= ' ' && value.data[i] <= '~' ? (char)value.data[i] : '?';
  }
  shown.text[len] = '\0';
  return shown;
}

/* ---- the fields ---- */

static int add_method(struct mw_http_request *request, struct mw_slice value) {
  if (mw_slice_eq_str(value, "POST")) {
    request->flags |= IS_POST;
    return 0;
  }
  if (mw_slice_eq_str(value, "HEAD")) request->flags |= IS_HEAD;
  return record_error(request, METHOD_WRONG, MW_CODE_INTERNAL, "method %s, must be POST", shown(value).text);
}

static int set_path(struct mw_http_request *request, struct mw_slice value) {
  char *own = mw_arena_strndup(request->arena, (const char *)value.data, value.len);
  if (!own) return MW_ENOMEM;
  request->path = mw_slice(own, value.len);
  return 0;
}

static int add_content_type(struct mw_http_request *request, struct mw_slice value) {
  static const char grpc[] = "application/grpc", proto[] = "+proto", web[] = "-web";
  size_t len = sizeof grpc - 1;
  bool begins = value.len >= len && strncasecmp((const char *)value.data, grpc, len) == 0;
  struct mw_slice rest = begins ? mw_slice(value.data + len, value.len - len) : mw_slice(NULL, 0);
  if (begins && rest.len > 0 && rest.data[0] == '+') request->flags |= IS_GRPC;
  len = sizeof proto - 1;
  if (rest.len >= len && strncasecmp((const char *)rest.data, proto, len) == 0) {
    rest = mw_slice(rest.data + len, rest.len - len);
  }
  if (begins && (rest.len == 0 || rest.data[0] == ';' || rest.data[0] == ' ')) {
    request->flags |= HAS_CONTENT_TYPE;
    return 0;
  }
  if (rest.len >= sizeof web - 1 && strncasecmp((const char *)rest.data, web, sizeof web - 1) == 0) {
    return record_error(request, TYPE_WRONG, MW_CODE_INVALID_ARGUMENT,
                        "content-type \"%s\" is gRPC-Web's, must be application/grpc; a proxy such as Envoy translates "
                        "gRPC-Web",
                        shown(value).text);
  }
  return record_error(request, TYPE_WRONG, MW_CODE_INVALID_ARGUMENT,
                      "content-type \"%s\", must be application/grpc or application/grpc+proto", shown(value).text);
}

/* Returns the nanoseconds of a unit; 0 for an unknown one. */
static int64_t unit(uint8_t c) {
  switch (c) {
    case 'H': return INT64_C(3600) * MW_NS_PER_S;
    case 'M': return INT64_C(60) * MW_NS_PER_S;
    case 'S': return MW_NS_PER_S;
    case 'm': return MW_NS_PER_MS;
    case 'u': return 1000;
    case 'n': return 1;
    default: return 0;
  }
}

static int add_timeout(struct mw_http_request *request, struct mw_slice value) {
  int64_t count = 0;
  size_t digits = 0;
  while (digits < value.len && digits < TIMEOUT_DIGITS && value.data[digits] >= '0' && value.data[digits] <= '9') {
    count = count * 10 + (value.data[digits++] - '0');
  }
  int64_t each = digits > 0 && value.len == digits + 1 ? unit(value.data[digits]) : 0;
  if (each == 0) {
    return record_error(request, FIELD_MALFORMED, MW_CODE_INTERNAL,
                        "grpc-timeout \"%s\", must be 1 to 8 digits and one of H M S m u n", shown(value).text);
  }
  request->timeout = mw_duration(count, each);
  return 0;
}

static int add_encoding(struct mw_http_request *request, struct mw_slice value) {
  int found = mw_compression_find(value);
  if (found < 0) {
    return record_error(request, ENCODING_UNKNOWN, MW_CODE_UNIMPLEMENTED,
                        "grpc-encoding \"%s\", must be identity, deflate or gzip", shown(value).text);
  }
  request->compression = (enum mw_compression)found;
  return 0;
}

/* Takes the next element of a comma-separated list, without the blanks around it. Returns false at the end. */
static bool next_element(struct mw_slice *list, struct mw_slice *element) {
  if (!list->data) return false;
  const uint8_t *end = list->data + list->len;
  const uint8_t *comma = list->len > 0 ? memchr(list->data, ',', list->len) : NULL;
  const uint8_t *from = list->data, *to = comma ? comma : end;
  while (from < to && *from == ' ') from++;
  while (from < to && to[-1] == ' ') to--;
  *element = mw_slice(from, (size_t)(to - from));
  *list = comma ? mw_slice(comma + 1, (size_t)(end - comma) - 1) : mw_slice(NULL, 0);
  return true;
}

/* Recognises the lists that almost all requests have: those of C core (and this server), grpc-go and grpc-java. */
static unsigned usual_list(struct mw_slice list) {
  enum { GZIP = 1 << MW_COMPRESSION_GZIP, ALL = (1 << MW_COMPRESSION_COUNT) - 1 };
  switch (list.len) {
    case 4: return equals(list, "gzip") ? GZIP : 0;
    case 21: return equals(list, "identity,deflate,gzip") ? ALL : 0;
    case 23: return equals(list, "identity, deflate, gzip") ? ALL : 0;
    default: return 0;
  }
}

static void add_accepted(struct mw_http_request *request, struct mw_slice list) {
  unsigned usual = usual_list(list);
  request->accepts |= usual;
  if (usual) return;
  struct mw_slice name;
  while (next_element(&list, &name)) {
    int found = mw_compression_find(name);
    if (found >= 0) request->accepts |= 1u << found;
  }
}

/* ---- metadata ---- */

/* Each value of the list counts as a field against the limit, because it takes as much memory. */
static int add_binary(struct mw_http_request *request, struct mw_slice key, struct mw_slice list) {
  uint8_t *bytes = mw_arena_alloc(request->arena, mw_base64_decoded_max(list.len));
  if (!bytes) return MW_ENOMEM;
  struct mw_slice element;
  while (next_element(&list, &element)) {
    size_t len;
    if (mw_base64_decode_to(bytes, element, &len) != 0) {
      return record_error(request, FIELD_MALFORMED, MW_CODE_INTERNAL, "metadata \"%s\": the value is not base64",
                          shown(key).text);
    }
    if (mw_metadata_add_view(&request->metadata, request->arena, key, mw_slice(bytes, len)) != 0) return MW_ENOMEM;
    bytes += len;
    if (list.data && !count_field(request, key.len)) return record_too_large(request);
  }
  return 0;
}

static int add_metadata(struct mw_http_request *request, struct mw_slice name, struct mw_slice value) {
  bool binary = mw_metadata_is_binary(name);
  uint8_t *own = mw_arena_alloc(request->arena, name.len + (binary ? 0 : value.len));
  if (!own) return MW_ENOMEM;
  memcpy(own, name.data, name.len);
  struct mw_slice key = mw_slice(own, name.len);
  if (binary) return add_binary(request, key, value);
  memcpy(own + name.len, value.data, value.len);
  return mw_metadata_add_view(&request->metadata, request->arena, key, mw_slice(own + name.len, value.len));
}

/* `host` replaces a missing :authority; otherwise it is metadata. */
static int add_host(struct mw_http_request *request, struct mw_slice name, struct mw_slice value) {
  if (request->flags & HAS_AUTHORITY) return add_metadata(request, name, value);
  request->flags |= HAS_AUTHORITY;
  return 0;
}

int mw_http_request_add(struct mw_http_request *request, struct mw_slice name, struct mw_slice value) {
  static const uint8_t empty[1];
  if (value.len == 0) value.data = empty;
  if (!count_field(request, name.len + value.len)) return record_too_large(request);
  switch (recognise(name)) {
    case METHOD: return add_method(request, value);
    case PATH: return set_path(request, value);
    case AUTHORITY: request->flags |= HAS_AUTHORITY; return 0;
    case HOST: return add_host(request, name, value);
    case CONTENT_TYPE: return add_content_type(request, value);
    case TIMEOUT: return add_timeout(request, value);
    case ENCODING: return add_encoding(request, value);
    case ACCEPT_ENCODING: add_accepted(request, value); return 0;
    case METADATA: return add_metadata(request, name, value);
    case OWN: break;
  }
  return 0;
}

/* ---- the result ---- */

/* Refuses a gRPC client's request. */
static bool refuse_grpc(struct mw_http_refusal *refusal, unsigned http, struct mw_status status) {
  *refusal = (struct mw_http_refusal){.http = http, .grpc = true, .status = status};
  return false;
}

/* Refuses the request of any other client. */
static bool refuse_http(struct mw_http_refusal *refusal, unsigned http, bool body, struct mw_status status) {
  *refusal = (struct mw_http_refusal){.http = http, .body = body, .status = status};
  return false;
}

bool mw_http_request_check(const struct mw_http_request *request, struct mw_http_refusal *refusal) {
  if (request->rank == TOO_LARGE) return refuse_grpc(refusal, 200, request->error);
  if (request->rank == METHOD_WRONG) return refuse_http(refusal, 405, !(request->flags & IS_HEAD), request->error);
  if (!(request->flags & IS_POST)) {
    return refuse_http(refusal, 405, true, mw_status(MW_CODE_INTERNAL, "no method, must be POST"));
  }
  if (request->rank == TYPE_WRONG) {
    if (request->flags & IS_GRPC) return refuse_grpc(refusal, 415, request->error);
    return refuse_http(refusal, 415, true, request->error);
  }
  if (!(request->flags & HAS_CONTENT_TYPE)) {
    struct mw_status status = mw_status(MW_CODE_INVALID_ARGUMENT, "no content-type, must be application/grpc");
    return refuse_http(refusal, 415, true, status);
  }
  if (request->rank != NOTHING) return refuse_grpc(refusal, 200, request->error);
  return true;
}
