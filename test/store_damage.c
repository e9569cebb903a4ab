#include "store_damage.h"

#include <fcntl.h>

char *closed_file(struct fixture *f) {
  mw_store_close(f->store);
  f->store = NULL;
  return fixture_path(f, "store.mdb");
}

struct mw_buf read_all(const char *path) {
  struct mw_buf bytes = MW_BUF_INIT;
  assert_int_equal(mw_buf_read_file(&bytes, path, SIZE_MAX / 4, NULL), 0);
  return bytes;
}

void write_at(const char *path, size_t at, const void *bytes, size_t len) {
  int fd = open(path, O_WRONLY);
  assert_true(fd >= 0);
  assert_int_equal(pwrite(fd, bytes, len, (off_t)at), (ssize_t)len);
  close(fd);
}

size_t find_text(const struct mw_buf *bytes, size_t from, const char *text) {
  uint8_t *at = memmem(bytes->data + from, bytes->len - from, text, strlen(text));
  return at ? (size_t)(at - bytes->data) : bytes->len;
}

void damage_text(const char *path, const char *text, int offset, const void *damage, size_t len) {
  struct mw_buf bytes = read_all(path);
  int found = 0;
  for (size_t at = 0; (at = find_text(&bytes, at, text)) < bytes.len; at++, found++) {
    write_at(path, at + (size_t)offset, damage, len);
  }
  assert_true(found > 0);
  mw_buf_fini(&bytes);
}

int get(struct fixture *f, const char *key) {
  struct mw_buf value = MW_BUF_INIT;
  int rc = mw_store_get(f->store, str(key), &value, NULL);
  mw_buf_fini(&value);
  return rc;
}
