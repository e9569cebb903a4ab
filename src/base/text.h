/* Text helpers: UTF-8, base64, hexadecimal, nearest names. All pure; any thread. */
#ifndef MW_BASE_TEXT_H
#define MW_BASE_TEXT_H

#include "base/buf.h"
#include "base/slice.h"

/* True if the bytes are well-formed UTF-8 (RFC 3629: no overlong forms, no surrogates, at most U+10FFFF). */
bool mw_utf8_valid(struct mw_slice text);

/* Returns "UTF-16" or "UTF-32" if the text of a program has that encoding, by its byte order mark or by the NULs of
 * its first character, else NULL. */
const char *mw_text_wide_encoding(struct mw_slice text);

/* True if the UTF-8 sequence of `len` bytes is safe to display: no control character (C0, DEL, C1), no line or
 * paragraph separator, no character that changes the direction of text (Unicode's Bidi_Control). False for 0 bytes. */
bool mw_text_is_displayable(const uint8_t *s, size_t len);

/* Upper bounds: bytes of base64 for `len` bytes, and bytes encoded by `len` digits of base64. */
static inline size_t mw_base64_encoded_max(size_t len) { return len / 3 * 4 + 4; }
static inline size_t mw_base64_decoded_max(size_t len) { return len / 4 * 3 + 3; }

/* Like the two functions below, into the caller's memory of the sizes above. The first returns the number of bytes
 * written, the second 0 or MW_EFORMAT. */
size_t mw_base64_encode_to(uint8_t *out, struct mw_slice bytes, bool padded);
int mw_base64_decode_to(uint8_t *out, struct mw_slice text, size_t *len);

/* Appends base64 (RFC 4648) of `bytes`: the standard alphabet, with or without padding. Returns 0 or MW_ENOMEM. */
int mw_base64_encode(struct mw_buf *out, struct mw_slice bytes, bool padded);

/* Appends the bytes that `text` encodes: standard or URL alphabet, padding optional. Returns 0, MW_EFORMAT (nothing
 * is appended) or MW_ENOMEM. */
int mw_base64_decode(struct mw_buf *out, struct mw_slice text);

/* Appends the bytes as lower-case hexadecimal digits. Returns 0 or MW_ENOMEM. */
int mw_hex_encode(struct mw_buf *out, struct mw_slice bytes);

/* Returns the name, of `count`, with the smallest edit distance from `word`, or NULL if every distance exceeds a
 * third of the word's length plus one. Letter case costs nothing. `name_at` returns the i-th name, or NULL to skip
 * it. */
const char *mw_nearest(const char *word, size_t count, const char *(*name_at)(const void *ctx, size_t i),
                       const void *ctx);

#endif
