#include "json_support.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

void json_compile(const char *path) {
  char command[200];
  snprintf(command, sizeof command, "protoc -Ijson --include_imports -o%s json/all.proto json/legacy.proto", path);
  assert_int_equal(system(command), 0);
}

struct mw_pool *json_load(const char *path) {
  struct mw_pool *pool = NULL;
  struct mw_buf set = MW_BUF_INIT;
  struct mw_err err = MW_ERR_INIT;
  if (mw_buf_read_file(&set, path, 1 << 24, &err) != 0) fail_msg("%s", mw_err_text(&err));
  if (mw_pool_new(&pool, mw_buf_slice(&set), &err) != 0) fail_msg("%s", mw_err_text(&err));
  mw_buf_fini(&set);
  return pool;
}

struct mw_pool *json_pool(void) {
  char path[] = "/tmp/mw-json-XXXXXX";
  int fd = mkstemp(path);
  assert_true(fd >= 0);
  json_compile(path);
  struct mw_pool *pool = json_load(path);
  assert_int_equal(remove(path), 0);
  close(fd);
  return pool;
}
