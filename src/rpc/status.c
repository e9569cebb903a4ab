#include "rpc/status.h"

#include <strings.h>

#include "base/err.h"

static const char *const names[MW_CODE_COUNT] = {
    "OK",        "CANCELLED",       "UNKNOWN",           "INVALID_ARGUMENT",   "DEADLINE_EXCEEDED",
    "NOT_FOUND", "ALREADY_EXISTS",  "PERMISSION_DENIED", "RESOURCE_EXHAUSTED", "FAILED_PRECONDITION",
    "ABORTED",   "OUT_OF_RANGE",    "UNIMPLEMENTED",     "INTERNAL",           "UNAVAILABLE",
    "DATA_LOSS", "UNAUTHENTICATED",
};

const char *mw_code_name(enum mw_code code) {
  return (unsigned)code < MW_CODE_COUNT ? names[code] : names[MW_CODE_UNKNOWN];
}

int mw_code_from_name(const char *name) {
  for (int code = 0; code < MW_CODE_COUNT; code++) {
    if (strcasecmp(name, names[code]) == 0) return code;
  }
  return -1;
}

enum mw_code mw_code_of_error(int error) {
  switch (error) {
    case MW_OK: return MW_CODE_OK;
    case MW_EINVAL:
    case MW_EFORMAT: return MW_CODE_INVALID_ARGUMENT;
    case MW_ENOMEM:
    case MW_ELIMIT:
    case MW_EFULL: return MW_CODE_RESOURCE_EXHAUSTED;
    case MW_ENOTFOUND: return MW_CODE_NOT_FOUND;
    case MW_EEXIST: return MW_CODE_ALREADY_EXISTS;
    case MW_EBUSY: return MW_CODE_UNAVAILABLE;
    case MW_ECLOSED: return MW_CODE_CANCELLED;
    case MW_ECONFLICT: return MW_CODE_ABORTED;
    case MW_EUNSUPPORTED: return MW_CODE_UNIMPLEMENTED;
    case MW_EDATA: return MW_CODE_DATA_LOSS;
    default: return MW_CODE_INTERNAL;
  }
}

static struct mw_slice copy_bytes(struct mw_arena *arena, struct mw_slice bytes) {
  char *copy = bytes.len > 0 ? mw_arena_strndup(arena, (const char *)bytes.data, bytes.len) : NULL;
  return copy ? mw_slice(copy, bytes.len) : mw_slice(NULL, 0);
}

struct mw_status mw_status_copy(struct mw_arena *arena, const struct mw_status *status) {
  return (struct mw_status){status->code, copy_bytes(arena, status->message), copy_bytes(arena, status->details)};
}

struct mw_slice mw_status_message_cut(struct mw_slice message) {
  size_t encoded = 0;
  for (size_t i = 0; i < message.len; i++) {
    uint8_t byte = message.data[i];
    encoded += byte >= ' ' && byte <= '~' && byte != '%' ? 1 : 3;
    if (encoded <= MW_STATUS_MESSAGE_MAX) continue;
    while (i > 0 && (message.data[i] & 0xc0) == 0x80) i--; /* not within a character */
    return mw_slice(message.data, i);
  }
  return message;
}
