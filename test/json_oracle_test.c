/* Compares this mapping with Google's in Python, in both directions, by random messages: json/oracle.py. */
#include "json_support.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { SEED = 20261121, COUNT = 400 };

struct files {
  char dir[32];
  char set[64], made[64], answer[64];
};

static void oracle(const struct files *files, const char *action, const char *redirection) {
  char command[400];
  snprintf(command, sizeof command, "/usr/bin/python3 json/oracle.py %s %s %d %d %s", files->set, action, SEED, COUNT,
           redirection);
  if (system(command) != 0) fail_msg("%s", command);
}

static size_t from_hex(char *hex, uint8_t *out) {
  size_t len = 0;
  for (unsigned byte; sscanf(hex + 2 * len, "%2x", &byte) == 1;) out[len++] = (uint8_t)byte;
  return len;
}

/* Writes the message of the bytes as JSON, and the message of the JSON as bytes. */
static void answer(const struct mw_pool *pool, char *hex, const char *json, FILE *out) {
  const struct mw_message_type *type = mw_pool_message(pool, "json.All");
  struct mw_arena arena;
  struct mw_buf text = MW_BUF_INIT;
  struct mw_err err = MW_ERR_INIT;
  ProtobufCMessage *from_bytes, *from_json;
  mw_arena_init(&arena, SIZE_MAX);
  uint8_t *bytes = mw_arena_alloc(&arena, strlen(hex));
  size_t len = from_hex(hex, bytes);
  if (mw_message_unpack(type, mw_slice(bytes, len), &arena, &from_bytes, &err) != 0 ||
      mw_json_write(&text, pool, type, from_bytes, NULL, &err) != 0 ||
      mw_json_read(mw_slice_str(json), pool, type, NULL, &arena, &from_json, &err) != 0)
    fail_msg("%s\n%s", mw_err_text(&err), json);
  size_t size = mw_message_size(from_json);
  uint8_t *packed = mw_arena_alloc(&arena, size);
  mw_message_pack(from_json, packed);
  if (size == 0) fputs("-", out);
  for (size_t i = 0; i < size; i++) fprintf(out, "%02x", packed[i]);
  fprintf(out, " %s\n", mw_buf_str(&text));
  mw_buf_fini(&text);
  mw_arena_fini(&arena);
}

static void test_both_ways(void **state) {
  struct files files = {.dir = "/tmp/mw-oracle-XXXXXX"};
  char redirection[160];
  assert_non_null(mkdtemp(files.dir));
  snprintf(files.set, sizeof files.set, "%s/set", files.dir);
  snprintf(files.made, sizeof files.made, "%s/made", files.dir);
  snprintf(files.answer, sizeof files.answer, "%s/answer", files.dir);
  json_compile(files.set);
  struct mw_pool *pool = json_load(files.set);
  snprintf(redirection, sizeof redirection, "> %s", files.made);
  oracle(&files, "make", redirection);

  FILE *in = fopen(files.made, "r"), *out = fopen(files.answer, "w");
  assert_true(in && out);
  char *line = NULL;
  size_t cap = 0, lines = 0;
  for (; getline(&line, &cap, in) > 0; lines++) {
    char *blank = strchr(line, ' ');
    assert_non_null(blank);
    *blank = '\0';
    answer(pool, line, blank + 1, out);
  }
  assert_int_equal(lines, COUNT);
  free(line);
  fclose(in);
  assert_int_equal(fclose(out), 0);

  snprintf(redirection, sizeof redirection, "< %s", files.answer);
  oracle(&files, "check", redirection);
  remove(files.set);
  remove(files.made);
  remove(files.answer);
  rmdir(files.dir);
  mw_pool_unref(pool);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_both_ways)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
