/* Helpers of the tests of JSON. A function that fails ends the test. Tests run in test/. */
#ifndef MW_TEST_JSON_SUPPORT_H
#define MW_TEST_JSON_SUPPORT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "schema/json/json.h"

/* Compiles json/all.proto and json/legacy.proto into a descriptor set at `path`. */
static inline void json_compile(const char *path) {
  char command[200];
  snprintf(command, sizeof command, "protoc -Ijson --include_imports -o%s json/all.proto json/legacy.proto", path);
  assert_int_equal(system(command), 0);
}

/* Returns the pool of a descriptor set. */
static inline struct mw_pool *json_load(const char *path) {
  struct mw_pool *pool = NULL;
  struct mw_buf set = MW_BUF_INIT;
  struct mw_err err = MW_ERR_INIT;
  if (mw_buf_read_file(&set, path, 1 << 24, &err) != 0) fail_msg("%s", mw_err_text(&err));
  if (mw_pool_new(&pool, mw_buf_slice(&set), &err) != 0) fail_msg("%s", mw_err_text(&err));
  mw_buf_fini(&set);
  return pool;
}

static inline struct mw_pool *json_pool(void) {
  char path[] = "/tmp/mw-json-XXXXXX";
  int fd = mkstemp(path);
  assert_true(fd >= 0);
  json_compile(path);
  struct mw_pool *pool = json_load(path);
  assert_int_equal(remove(path), 0);
  fclose(fdopen(fd, "r"));
  return pool;
}

#endif
