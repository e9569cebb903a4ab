#include "base/text.h"

#include <ctype.h>

/* Returns the length in bytes of the sequence at `p`, 0 if it is malformed. */
static size_t sequence(const uint8_t *p, size_t left) {
  if (p[0] < 0x80) return 1;
  size_t len = p[0] >= 0xf0 ? 4 : p[0] >= 0xe0 ? 3 : 2;
  if (p[0] < 0xc2 || p[0] > 0xf4 || left < len) return 0;
  for (size_t i = 1; i < len; i++) {
    if ((p[i] & 0xc0) != 0x80) return 0;
  }
  if (p[0] == 0xe0 && p[1] < 0xa0) return 0; /* overlong */
  if (p[0] == 0xed && p[1] > 0x9f) return 0; /* surrogate */
  if (p[0] == 0xf0 && p[1] < 0x90) return 0; /* overlong */
  if (p[0] == 0xf4 && p[1] > 0x8f) return 0; /* above U+10FFFF */
  return len;
}

const char *mw_text_wide_encoding(struct mw_slice text) {
  uint8_t head[4] = {1, 1, 1, 1};
  memcpy(head, text.data ? text.data : head, text.len < 4 ? text.len : 4);
  bool little = head[0] == 0xff && head[1] == 0xfe, big = head[0] == 0xfe && head[1] == 0xff;
  bool zeros = head[2] == 0 && head[3] == 0;
  if ((zeros && (little || head[1] == 0)) || (head[0] == 0 && head[1] == 0)) return "UTF-32";
  return little || big || head[0] == 0 || head[1] == 0 ? "UTF-16" : NULL;
}

bool mw_utf8_valid(struct mw_slice text) {
  const uint8_t *p = text.data;
  size_t left = text.len;
  while (left > 0) {
    uint64_t word;
    if (left >= 8 && (memcpy(&word, p, 8), (word & 0x8080808080808080u) == 0)) {
      p += 8;
      left -= 8;
      continue;
    }
    size_t len = sequence(p, left);
    if (len == 0) return false;
    p += len;
    left -= len;
  }
  return true;
}

bool mw_text_is_displayable(const uint8_t *s, size_t len) {
  if (len == 1) return s[0] >= 0x20 && s[0] != 0x7f;
  if (len == 2) return !(s[0] == 0xc2 && s[1] < 0xa0) && !(s[0] == 0xd8 && s[1] == 0x9c); /* U+061C */
  if (len != 3 || s[0] != 0xe2) return len >= 3;
  /* U+200E, U+200F, U+2028 to U+202E */
  if (s[1] == 0x80) return s[2] < 0x8e || (s[2] > 0x8f && s[2] < 0xa8) || s[2] > 0xae;
  return s[1] != 0x81 || s[2] < 0xa6 || s[2] > 0xa9; /* U+2066 to U+2069 */
}

static const char base64_digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

size_t mw_base64_encode_to(uint8_t *out, struct mw_slice bytes, bool padded) {
  uint8_t *p = out;
  for (size_t i = 0; i < bytes.len; i += 3) {
    size_t n = bytes.len - i < 3 ? bytes.len - i : 3;
    uint32_t group = (uint32_t)bytes.data[i] << 16;
    if (n > 1) group |= (uint32_t)bytes.data[i + 1] << 8;
    if (n > 2) group |= bytes.data[i + 2];
    for (size_t digit = 0; digit < 4; digit++) {
      if (digit <= n) {
        *p++ = (uint8_t)base64_digits[group >> (18 - 6 * digit) & 63];
      } else if (padded) {
        *p++ = '=';
      }
    }
  }
  return (size_t)(p - out);
}

int mw_base64_encode(struct mw_buf *out, struct mw_slice bytes, bool padded) {
  if (mw_buf_reserve(out, mw_base64_encoded_max(bytes.len)) != 0) return MW_ENOMEM;
  out->len += mw_base64_encode_to(out->data + out->len, bytes, padded);
  out->data[out->len] = 0;
  return 0;
}

static int base64_value(uint8_t c) {
  if (c >= 'A' && c <= 'Z') return c - 'A';
  if (c >= 'a' && c <= 'z') return c - 'a' + 26;
  if (c >= '0' && c <= '9') return c - '0' + 52;
  if (c == '+' || c == '-') return 62;
  if (c == '/' || c == '_') return 63;
  return -1;
}

int mw_base64_decode_to(uint8_t *out, struct mw_slice text, size_t *len) {
  size_t digits = text.len;
  while (digits > 0 && text.len - digits < 2 && text.data[digits - 1] == '=') digits--;
  if (digits % 4 == 1 || (digits != text.len && text.len % 4 != 0)) return MW_EFORMAT;
  uint8_t *p = out;
  uint32_t group = 0;
  for (size_t i = 0; i < digits; i++) {
    int value = base64_value(text.data[i]);
    if (value < 0) return MW_EFORMAT;
    group = group << 6 | (uint32_t)value;
    if (i % 4 == 1) *p++ = (uint8_t)(group >> 4);
    if (i % 4 == 2) *p++ = (uint8_t)(group >> 2);
    if (i % 4 == 3) *p++ = (uint8_t)group;
  }
  *len = (size_t)(p - out);
  return 0;
}

int mw_base64_decode(struct mw_buf *out, struct mw_slice text) {
  if (mw_buf_reserve(out, mw_base64_decoded_max(text.len)) != 0) return MW_ENOMEM;
  size_t len;
  if (mw_base64_decode_to(out->data + out->len, text, &len) != 0) {
    out->data[out->len] = 0;
    return MW_EFORMAT;
  }
  out->len += len;
  out->data[out->len] = 0;
  return 0;
}

int mw_hex_encode(struct mw_buf *out, struct mw_slice bytes) {
  if (mw_buf_reserve(out, bytes.len * 2) != 0) return MW_ENOMEM;
  for (size_t i = 0; i < bytes.len; i++) {
    out->data[out->len++] = (uint8_t) "0123456789abcdef"[bytes.data[i] >> 4];
    out->data[out->len++] = (uint8_t) "0123456789abcdef"[bytes.data[i] & 15];
  }
  out->data[out->len] = 0;
  return 0;
}

enum { NAME_MAX_LEN = 128 };

/* Edit distance where a swap of neighbouring letters is one edit and letter case costs nothing. */
static size_t distance(const char *a, size_t a_len, const char *b, size_t b_len) {
  size_t rows[3][NAME_MAX_LEN + 1];
  size_t *before = rows[0], *above = rows[1], *row = rows[2];
  for (size_t j = 0; j <= b_len; j++) above[j] = j;
  for (size_t i = 1; i <= a_len; i++) {
    row[0] = i;
    for (size_t j = 1; j <= b_len; j++) {
      int x = tolower((unsigned char)a[i - 1]), y = tolower((unsigned char)b[j - 1]);
      size_t best = above[j - 1] + (x != y);
      if (above[j] + 1 < best) best = above[j] + 1;
      if (row[j - 1] + 1 < best) best = row[j - 1] + 1;
      bool swapped = i > 1 && j > 1 && x == tolower((unsigned char)b[j - 2]) && tolower((unsigned char)a[i - 2]) == y;
      if (swapped && before[j - 2] + 1 < best) best = before[j - 2] + 1;
      row[j] = best;
    }
    size_t *oldest = before;
    before = above;
    above = row;
    row = oldest;
  }
  return above[b_len];
}

const char *mw_nearest(const char *word, size_t count, const char *(*name_at)(const void *ctx, size_t i),
                       const void *ctx) {
  size_t len = strlen(word);
  if (len > NAME_MAX_LEN) return NULL;
  size_t best_distance = len / 3 + 2;
  if (best_distance > len) best_distance = len; /* a short word must share a letter */
  const char *best = NULL;
  for (size_t i = 0; i < count; i++) {
    const char *name = name_at(ctx, i);
    size_t name_len = name ? strlen(name) : 0;
    if (!name || name_len > NAME_MAX_LEN) continue;
    size_t d = distance(word, len, name, name_len);
    if (d < best_distance) {
      best_distance = d;
      best = name;
    }
  }
  return best;
}
