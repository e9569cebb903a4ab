/* Small text helpers that several layers share: UTF-8, base64, hexadecimal, nearest names. All pure; any thread. */
#ifndef MW_BASE_TEXT_H
#define MW_BASE_TEXT_H

#include "base/buf.h"
#include "base/slice.h"

/* Whether the bytes are well-formed UTF-8 (RFC 3629: no overlong forms, no surrogates, at most U+10FFFF). */
bool mw_utf8_valid(struct mw_slice text);

/* Whether the UTF-8 sequence of `len` bytes can be shown as it is: no control character (C0, DEL, C1), no line or
 * paragraph separator, and none that changes the direction of text (Unicode's Bidi_Control). 0 bytes cannot. */
bool mw_text_is_plain(const uint8_t *s, size_t len);

/* The most that `len` bytes take as base64, and the most that `len` digits of it stand for. */
static inline size_t mw_base64_encoded_max(size_t len) { return len / 3 * 4 + 4; }
static inline size_t mw_base64_decoded_max(size_t len) { return len / 4 * 3 + 3; }

/* Like the two functions below, in memory of the caller's that is as large as these say. The first returns how many
 * bytes it has written, the second 0 or MW_EFORMAT. */
size_t mw_base64_encode_to(uint8_t *out, struct mw_slice bytes, bool padded);
int mw_base64_decode_to(uint8_t *out, struct mw_slice text, size_t *len);

/* Appends base64 (RFC 4648) of `bytes`: the standard alphabet, with or without padding. Returns 0 or MW_ENOMEM. */
int mw_base64_encode(struct mw_buf *out, struct mw_slice bytes, bool padded);

/* Appends the bytes that base64 `text` stands for: standard and URL alphabet, padding optional.
 * Returns 0, MW_EFORMAT (nothing is appended) or MW_ENOMEM. */
int mw_base64_decode(struct mw_buf *out, struct mw_slice text);

/* Appends "0123abcd" for `bytes`. Returns 0 or MW_ENOMEM. */
int mw_hex_encode(struct mw_buf *out, struct mw_slice bytes);

/* Of `count` names the one a person most likely meant by `word`, or NULL when none is near: a distance of at most a
 * third of the word, letter case counting little. `name_at` returns the i-th name, or NULL to skip it. */
const char *mw_nearest(const char *word, size_t count, const char *(*name_at)(const void *ctx, size_t i),
                       const void *ctx);

#endif
