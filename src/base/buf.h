/* A growing byte buffer.
 *
 * An append succeeds whole or leaves the buffer unchanged and returns MW_ENOMEM, also when the quota is exhausted.
 * After the first append a zero byte always follows the data, so that text is usable as a C string. One thread at a
 * time. */
#ifndef MW_BASE_BUF_H
#define MW_BASE_BUF_H

#include "base/err.h"
#include "base/quota.h"
#include "base/slice.h"

struct mw_buf {
  uint8_t *data;          /* owned; NULL while empty */
  size_t len;             /* bytes used */
  size_t cap;             /* bytes allocated */
  struct mw_quota *quota; /* borrowed; allocated bytes count against it; NULL for none */
};

#define MW_BUF_INIT \
  { NULL, 0, 0, NULL }

/* Frees the memory; the quota stays set. */
void mw_buf_fini(struct mw_buf *buf);

/* Makes room for `more` further bytes. Returns 0 or MW_ENOMEM. */
int mw_buf_reserve(struct mw_buf *buf, size_t more);

/* Like mw_buf_reserve(), but allocates no more than `more` bytes and the zero byte. For repeated growth, double
 * `more`. */
int mw_buf_reserve_exact(struct mw_buf *buf, size_t more);

/* Each returns 0 or MW_ENOMEM. */
int mw_buf_append(struct mw_buf *buf, const void *data, size_t len);
int mw_buf_puts(struct mw_buf *buf, const char *text);
int mw_buf_putc(struct mw_buf *buf, char byte);
int mw_buf_printf(struct mw_buf *buf, const char *fmt, ...) MW_PRINTF(2, 3);

/* Appends a regular file. Returns 0, MW_ENOTFOUND, MW_EIO, MW_ELIMIT (longer than `limit` bytes) or MW_ENOMEM. */
int mw_buf_read_file(struct mw_buf *buf, const char *path, size_t limit, struct mw_err *err);

static inline void mw_buf_clear(struct mw_buf *buf) { buf->len = 0; }
static inline struct mw_slice mw_buf_slice(const struct mw_buf *buf) { return mw_slice(buf->data, buf->len); }
static inline const char *mw_buf_str(const struct mw_buf *buf) { return buf->data ? (const char *)buf->data : ""; }

#endif
