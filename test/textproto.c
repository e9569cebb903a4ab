#include "textproto.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "schema/load/load.h"
#include "schema/pool/wellknown.h"

/* Makes a file in memory, which a child process can open under /proc/self/fd. */
static int memory_file(struct mw_slice content) {
  int fd = memfd_create("textproto", 0);
  assert_true(fd >= 0);
  assert_int_equal(write(fd, content.data, content.len), (ssize_t)content.len);
  return fd;
}

void textproto_encode(struct mw_buf *out, const char *dir, const char *file, const char *type, const char *text) {
  int types = memory_file(mw_schema_wellknown()), encoded = memory_file(mw_slice(NULL, 0));
  char command[512], path[64];
  snprintf(command, sizeof command, "protoc --descriptor_set_in=/proc/self/fd/%d %s%s --encode=%s %s >/proc/self/fd/%d",
           types, file ? "-I " : "", file ? dir : "", type, file ? file : "", encoded);
  FILE *protoc = popen(command, "w");
  assert_non_null(protoc);
  fputs(text, protoc);
  assert_int_equal(pclose(protoc), 0);
  snprintf(path, sizeof path, "/proc/self/fd/%d", encoded);
  assert_int_equal(mw_buf_read_file(out, path, 1 << 20, NULL), 0);
  close(types);
  close(encoded);
}
