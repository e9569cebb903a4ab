#include "base/buf.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

void mw_buf_fini(struct mw_buf *buf) {
  free(buf->data);
  mw_quota_release(buf->quota, buf->cap);
  *buf = (struct mw_buf){.quota = buf->quota};
}

static int grow(struct mw_buf *buf, size_t cap) {
  size_t more = cap - buf->cap;
  if (!mw_quota_reserve(buf->quota, more)) return MW_ENOMEM;
  uint8_t *grown = realloc(buf->data, cap);
  if (!grown) {
    mw_quota_release(buf->quota, more);
    return MW_ENOMEM;
  }
  buf->data = grown;
  buf->cap = cap;
  return 0;
}

int mw_buf_reserve(struct mw_buf *buf, size_t more) {
  if (more >= SIZE_MAX / 2 - buf->len) return MW_ENOMEM;
  size_t need = buf->len + more + 1; /* one for the zero byte */
  if (need <= buf->cap) return 0;
  size_t cap = buf->cap ? buf->cap : 64;
  while (cap < need) cap *= 2;
  return grow(buf, cap);
}

int mw_buf_reserve_exact(struct mw_buf *buf, size_t more) {
  if (more >= SIZE_MAX / 2 - buf->len) return MW_ENOMEM;
  size_t need = buf->len + more + 1;
  return need <= buf->cap ? 0 : grow(buf, need);
}

int mw_buf_append(struct mw_buf *buf, const void *data, size_t len) {
  if (mw_buf_reserve(buf, len) != 0) return MW_ENOMEM;
  if (len > 0) memcpy(buf->data + buf->len, data, len);
  buf->len += len;
  buf->data[buf->len] = 0;
  return 0;
}

int mw_buf_puts(struct mw_buf *buf, const char *text) { return mw_buf_append(buf, text, strlen(text)); }

int mw_buf_putc(struct mw_buf *buf, char byte) { return mw_buf_append(buf, &byte, 1); }

int mw_buf_printf(struct mw_buf *buf, const char *fmt, ...) {
  va_list args, again;
  va_start(args, fmt);
  va_copy(again, args);
  int len = vsnprintf(NULL, 0, fmt, args);
  va_end(args);
  int rc = len < 0 ? MW_ENOMEM : mw_buf_reserve(buf, (size_t)len);
  if (rc == 0) {
    vsnprintf((char *)buf->data + buf->len, (size_t)len + 1, fmt, again);
    buf->len += (size_t)len;
  }
  va_end(again);
  return rc;
}

/* Opens a regular file. Returns NULL with ENODEV for a FIFO or a terminal, on which a read would block. */
static FILE *open_regular(const char *path) {
  int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
  if (fd < 0) return NULL;
  struct stat info;
  FILE *file = NULL;
  if (fstat(fd, &info) != 0) info.st_mode = 0;
  errno = S_ISDIR(info.st_mode) ? EISDIR : ENODEV;
  if (S_ISREG(info.st_mode)) file = fdopen(fd, "rb");
  int code = errno;
  if (!file) close(fd);
  errno = code;
  return file;
}

int mw_buf_read_file(struct mw_buf *buf, const char *path, size_t limit, struct mw_err *err) {
  FILE *file = open_regular(path);
  if (!file) {
    int code = errno == ENOENT ? MW_ENOTFOUND : MW_EIO;
    return mw_err_set(err, code, "%s: %s", path, errno == ENODEV ? "not a regular file" : strerror(errno));
  }
  size_t start = buf->len;
  int rc = 0;
  while (rc == 0) {
    rc = mw_buf_reserve(buf, 16384);
    if (rc != 0) {
      mw_err_set(err, rc, "%s: out of memory", path);
      break;
    }
    size_t got = fread(buf->data + buf->len, 1, buf->cap - buf->len - 1, file);
    if (got == 0) break;
    buf->len += got;
    if (buf->len - start > limit) rc = mw_err_set(err, MW_ELIMIT, "%s: longer than %zu bytes", path, limit);
  }
  if (rc == 0 && ferror(file)) rc = mw_err_set(err, MW_EIO, "%s: %s", path, strerror(errno));
  if (rc != 0) buf->len = start;
  if (buf->data) buf->data[buf->len] = 0;
  fclose(file);
  return rc;
}
