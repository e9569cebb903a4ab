/* The fuzzer's seed sessions, with each allocation failing in turn: all calls end, and no memory leaks. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <dirent.h>
#include <stdio.h>

#include <cmocka.h>

#include "failmalloc.h"
#include "http_wire.h"

#define CORPUS "../fuzz/corpus/session"

static int run_on_a_server(void *arg) {
  struct wire wire;
  int rc = wire_open(&wire);
  if (rc != 0) return rc;
  wire_run(&wire, mw_buf_slice(arg));
  wire_run(&wire, mw_buf_slice(arg)); /* with calls of earlier runs in its pool */
  wire_close(&wire);
  return 0;
}

static void does_without_memory(void **state) {
  DIR *folder = opendir(CORPUS);
  assert_non_null(folder);
  unsigned files = 0;
  for (struct dirent *entry; (entry = readdir(folder));) {
    if (entry->d_name[0] == '.') continue;
    char path[512];
    struct mw_buf input = MW_BUF_INIT;
    snprintf(path, sizeof path, CORPUS "/%s", entry->d_name);
    assert_int_equal(mw_buf_read_file(&input, path, 1 << 20, NULL), 0);
    failmalloc_sweep(run_on_a_server, &input);
    mw_buf_fini(&input);
    files++;
  }
  closedir(folder);
  assert_true(files > 5);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(does_without_memory)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
