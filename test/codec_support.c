#include "codec_support.h"

#include <sys/wait.h>
#include <unistd.h>

/* Runs a shell command with `input` as its standard input and appends its output. Returns its exit code. */
static int run_command(const char *command, struct mw_slice input, struct mw_buf *output) {
  char path[] = "/tmp/mw-codec-XXXXXX";
  int fd = mkstemp(path);
  assert_true(fd >= 0);
  assert_int_equal(write(fd, input.data, input.len), (ssize_t)input.len);
  close(fd);
  struct mw_buf line = MW_BUF_INIT;
  assert_int_equal(mw_buf_printf(&line, "%s < %s 2>/dev/null", command, path), 0);
  FILE *pipe = popen(mw_buf_str(&line), "r");
  assert_non_null(pipe);
  char chunk[4096];
  for (size_t n; (n = fread(chunk, 1, sizeof chunk, pipe)) > 0;) assert_int_equal(mw_buf_append(output, chunk, n), 0);
  int status = pclose(pipe);
  mw_buf_fini(&line);
  unlink(path);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

struct mw_pool *codec_pool(const char *name) {
  struct mw_buf set = MW_BUF_INIT;
  char command[200];
  snprintf(command, sizeof command, "protoc -Icodec --include_imports -o/dev/stdout codec/%s.proto", name);
  assert_int_equal(run_command(command, mw_slice_str(""), &set), 0);
  struct mw_pool *pool = NULL;
  struct mw_err err = MW_ERR_INIT;
  if (mw_pool_new(&pool, mw_buf_slice(&set), &err) != 0) fail_msg("%s", mw_err_text(&err));
  mw_err_fini(&err);
  mw_buf_fini(&set);
  return pool;
}

const struct mw_message_type *codec_type(const struct mw_pool *pool, const char *full_name) {
  const struct mw_message_type *type = mw_pool_message(pool, full_name);
  if (!type) fail_msg("no message %s", full_name);
  return type;
}

int protoc(const char *option, const char *full_name, struct mw_slice input, struct mw_buf *output) {
  char command[300];
  int package = (int)strcspn(full_name, ".");
  snprintf(command, sizeof command, "protoc -Icodec --%s=%s codec/%.*s.proto", option, full_name, package, full_name);
  return run_command(command, input, output);
}

void put_hex(struct mw_buf *out, const char *hex) {
  for (const char *at = hex; *at;) {
    unsigned byte;
    if (*at == ' ') {
      at++;
      continue;
    }
    assert_int_equal(sscanf(at, "%2x", &byte), 1);
    assert_int_equal(mw_buf_putc(out, (char)byte), 0);
    at += 2;
  }
}

void pack(const ProtobufCMessage *message, struct mw_buf *out) {
  size_t size = mw_message_size(message);
  assert_int_equal(mw_buf_reserve(out, size + 1), 0);
  assert_int_equal(protobuf_c_message_pack(message, out->data + out->len), size);
  out->len += size;
}

int repack(const struct mw_message_type *type, struct mw_slice bytes, struct mw_buf *out, struct mw_err *err) {
  struct mw_arena arena;
  mw_arena_init(&arena, (size_t)1 << 30);
  ProtobufCMessage *message = NULL;
  int code = mw_message_unpack(type, bytes, &arena, &message, err);
  if (code == 0) pack(message, out);
  mw_arena_fini(&arena);
  return code;
}

/* Asserts that two texts are equal; on failure shows the first lines that differ. */
static void assert_same_text(const char *ours, const char *theirs) {
  size_t at = 0, line = 0;
  for (; ours[at] && ours[at] == theirs[at]; at++) {
    if (ours[at] == '\n') line = at + 1;
  }
  if (ours[at] != theirs[at]) fail_msg("read back as\n%.200s\nbut was\n%.200s", ours + line, theirs + line);
}

void assert_same_meaning(const struct mw_message_type *type, struct mw_slice bytes) {
  struct mw_buf packed = MW_BUF_INIT, theirs = MW_BUF_INIT, ours = MW_BUF_INIT;
  struct mw_err err = MW_ERR_INIT;
  if (protoc("decode", type->full_name, bytes, &theirs) != 0) fail_msg("protoc refuses the original");
  if (repack(type, bytes, &packed, &err) != 0) fail_msg("%s", mw_err_text(&err));
  if (protoc("decode", type->full_name, mw_buf_slice(&packed), &ours) != 0) fail_msg("protoc refuses the packed bytes");
  assert_same_text(mw_buf_str(&ours), mw_buf_str(&theirs));
  mw_buf_fini(&packed);
  mw_buf_fini(&theirs);
  mw_buf_fini(&ours);
}

struct mw_pool *every, *legacy, *wide;

int codec_set_up(void **state) {
  every = codec_pool("every");
  legacy = codec_pool("legacy");
  wide = codec_pool("wide");
  return 0;
}

int codec_tear_down(void **state) {
  mw_pool_unref(every);
  mw_pool_unref(legacy);
  mw_pool_unref(wide);
  return 0;
}
