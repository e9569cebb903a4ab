/* Parses the text of a proto2 [default = ...] into a value in memory. */
#include <errno.h>
#include <limits.h>
#include <stdlib.h>

#include "base/text.h"
#include "schema/pool/build.h"

union scalar {
  int32_t i32;
  uint32_t u32;
  int64_t i64;
  uint64_t u64;
  float f;
  double d;
  protobuf_c_boolean b;
};

static bool read_signed(const char *text, int64_t min, int64_t max, int64_t *out) {
  char *end;
  errno = 0;
  long long value = strtoll(text, &end, 10);
  *out = value;
  return end != text && !*end && errno == 0 && value >= min && value <= max;
}

static bool read_unsigned(const char *text, uint64_t max, uint64_t *out) {
  char *end;
  errno = 0;
  unsigned long long value = strtoull(text, &end, 10);
  *out = value;
  return end != text && *text != '-' && !*end && errno == 0 && value <= max;
}

static bool read_enum(const struct mw_enum_type *type, const char *text, int32_t *out) {
  const struct mw_enum_value *value = mw_enum_by_name(type, mw_slice_str(text));
  if (value) *out = value->number;
  return value;
}

static bool read_scalar(const struct mw_field *field, const char *text, union scalar *out) {
  char *end = NULL;
  int64_t i = 0;
  uint64_t u = 0;
  switch (field->kind) {
    case MW_KIND_DOUBLE: /* an overflow is infinity, as in protoc */
      out->d = strtod(text, &end);
      return end != text && !*end;
    case MW_KIND_FLOAT: out->f = strtof(text, &end); return end != text && !*end;
    case MW_KIND_BOOL: out->b = strcmp(text, "true") == 0; return out->b || strcmp(text, "false") == 0;
    case MW_KIND_ENUM: return read_enum(field->enumeration, text, &out->i32);
    case MW_KIND_INT32:
    case MW_KIND_SINT32:
    case MW_KIND_SFIXED32:
      if (!read_signed(text, INT32_MIN, INT32_MAX, &i)) return false;
      out->i32 = (int32_t)i;
      return true;
    case MW_KIND_UINT32:
    case MW_KIND_FIXED32:
      if (!read_unsigned(text, UINT32_MAX, &u)) return false;
      out->u32 = (uint32_t)u;
      return true;
    case MW_KIND_UINT64:
    case MW_KIND_FIXED64: return read_unsigned(text, UINT64_MAX, &out->u64);
    default: return read_signed(text, INT64_MIN, INT64_MAX, &out->i64);
  }
}

static int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

/* Decodes one C escape after its backslash and moves *text past it. Returns -1 if it is malformed. */
static int unescape_one(const char **text) {
  static const char letters[] = "abfnrtv\\'\"?", values[] = "\a\b\f\n\r\t\v\\'\"?";
  const char *p = *text;
  int value = 0, digits = 0;
  if (*p == 'x') {
    for (p++; digits < 2 && hex_digit(*p) >= 0; p++, digits++) value = value * 16 + hex_digit(*p);
  } else if (*p >= '0' && *p <= '7') {
    for (; digits < 3 && *p >= '0' && *p <= '7'; p++, digits++) value = value * 8 + (*p - '0');
  } else {
    const char *letter = *p ? strchr(letters, *p) : NULL;
    if (!letter) return -1;
    value = (unsigned char)values[letter - letters];
    digits = 1;
    p++;
  }
  *text = p;
  return digits > 0 && value <= UCHAR_MAX ? value : -1;
}

/* Decodes escapes in place. Descriptors escape the defaults of bytes fields, not of strings. False if malformed. */
static bool unescape(ProtobufCBinaryData *bytes) {
  const char *in = (const char *)bytes->data;
  uint8_t *out = bytes->data;
  while (*in) {
    int value = (unsigned char)*in++;
    if (value == '\\') value = unescape_one(&in);
    if (value < 0) return false;
    *out++ = (uint8_t)value;
  }
  bytes->len = (size_t)(out - bytes->data);
  return true;
}

int mw_build_default(struct mw_builder *b, const char *where, const char *text, struct mw_field *field) {
  struct mw_arena *arena = &b->pool->arena;
  bool ok;
  if (field->kind == MW_KIND_STRING || field->kind == MW_KIND_BYTES) {
    ProtobufCBinaryData *bytes = mw_arena_alloc(arena, sizeof *bytes);
    char *copy = mw_build_copy(b, text);
    if (!bytes || !copy) return mw_build_no_memory(b);
    *bytes = (ProtobufCBinaryData){strlen(copy), (uint8_t *)copy};
    field->default_value = bytes;
    ok = field->kind == MW_KIND_STRING ? mw_utf8_valid(mw_slice_str(copy)) : unescape(bytes);
  } else {
    union scalar *scalar = mw_arena_calloc(arena, 1, sizeof *scalar);
    if (!scalar) return mw_build_no_memory(b);
    field->default_value = scalar;
    ok = read_scalar(field, text, scalar);
  }
  if (ok) return 0;
  return mw_build_fail(b, MW_EFORMAT, "%s: the default \"%s\" is not of type %s", where, text,
                       mw_field_type_name(field));
}
