/* The log: the form of a line, attempts to forge one, and whole lines from several threads. */
#include "observe/log.h"

#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "observe/log_output.h"

enum { THREADS = 4, EACH = 200, TEXT_MAX = 1 << 20 };

struct fixture {
  int file, saved; /* the previous stderr, while `file` replaces it */
  char *text;
};

static int setup(void **state) {
  struct fixture *f = calloc(1, sizeof *f);
  *state = f;
  f->text = calloc(1, TEXT_MAX);
  FILE *file = tmpfile();
  f->file = dup(fileno(file));
  fclose(file);
  f->saved = dup(STDERR_FILENO);
  mw_log_set_level(MW_LOG_INFO);
  return dup2(f->file, STDERR_FILENO) < 0;
}

static int teardown(void **state) {
  struct fixture *f = *state;
  dup2(f->saved, STDERR_FILENO);
  close(f->saved);
  close(f->file);
  free(f->text);
  free(f);
  *mw_log_context() = (struct mw_log_context){.worker = -1};
  return 0;
}

/* Returns the text logged so far. */
static const char *logged(void **state) {
  struct fixture *f = *state;
  ssize_t n = pread(f->file, f->text, TEXT_MAX - 1, 0);
  f->text[n] = '\0';
  return f->text;
}

/* Returns the only logged line after its time, which is checked. */
static const char *line(void **state) {
  const char *text = logged(state), *shape = "dddd-dd-ddTdd:dd:dd.dddZ ";
  for (size_t i = 0; i < strlen(shape); i++) {
    if (shape[i] == 'd') {
      assert_in_range(text[i], '0', '9');
    } else {
      assert_int_equal(text[i], shape[i]);
    }
  }
  return text + strlen(shape);
}

static void a_line_has_time_level_context_message_and_fields(void **state) {
  *mw_log_context() = (struct mw_log_context){
      .worker = 0, .generation = 7, .call = 42, .method = "/t.S/M", .trace_id = "ab"};
  const struct mw_log_field fields[] = {
      {"address", "127.0.0.1:50051"}, {"absent", NULL}, {"name", "two words"}, {NULL, NULL}};
  mw_log(MW_LOG_INFO, fields, "listening on %d", 1);
  assert_string_equal(line(state),
                      "info  generation=7 worker=0 call=42 method=/t.S/M trace_id=ab msg=\"listening on 1\" "
                      "address=127.0.0.1:50051 name=\"two words\"\n");
}

static void a_thread_without_context_adds_none(void **state) {
  mw_log(MW_LOG_ERROR, NULL, "x");
  assert_string_equal(line(state), "error msg=\"x\"\n");
}

static void what_comes_in_cannot_forge_a_line(void **state) {
  const struct mw_log_field fields[] = {{"newline", "a\nb\rc\td"},
                                        {"quote", "say \"x\" \\"},
                                        {"pair", "a=b"},
                                        {"empty", ""},
                                        {"escape", "\x1b[31m\x7f"},
                                        {"c1", "\xc2\x85"},
                                        {"bidi", "\u202e\u2066\u061c"},
                                        {"separator", "\xe2\x80\xa8"},
                                        {"bytes", "\xff\xc3"},
                                        {"utf8", "h\xc3\xa9 \xf0\x9f\x8c\x99"},
                                        {"k ey=\n", "v"},
                                        {"", "v"},
                                        {NULL, NULL}};
  mw_log(MW_LOG_WARN, fields, "%s", "one\ntwo");
  assert_string_equal(line(state),
                      "warn  msg=\"one\\ntwo\" newline=\"a\\nb\\rc\\td\" quote=\"say \\\"x\\\" \\\\\" pair=\"a=b\" "
                      "empty=\"\" escape=\"\\x1b[31m\\x7f\" c1=\"\\xc2\\x85\" "
                      "bidi=\"\\xe2\\x80\\xae\\xe2\\x81\\xa6\\xd8\\x9c\" separator=\"\\xe2\\x80\\xa8\" "
                      "bytes=\"\\xff\\xc3\" utf8=\"h\xc3\xa9 \xf0\x9f\x8c\x99\" k_ey__=v _=v\n");
}

static void what_is_too_long_is_cut_and_the_rest_stays(void **state) {
  char *lengthy = malloc(40001);
  memset(lengthy, '\n', 40000);
  lengthy[40000] = '\0';
  const struct mw_log_field fields[] = {{"a", lengthy}, {"b", "seen"}, {NULL, NULL}};
  mw_log(MW_LOG_INFO, fields, "%s", lengthy);
  const char *text = line(state);
  assert_int_equal(strchr(text, '\n') - text, (long)strlen(text) - 1);
  assert_non_null(strstr(text, "\\n...\" a=\"\\n"));
  assert_non_null(strstr(text, "\\n...\" b=seen\n"));
  free(lengthy);
}

static void fields_without_room_are_left_out_whole(void **state) {
  char lengthy[3000];
  memset(lengthy, 'x', sizeof lengthy - 1);
  lengthy[sizeof lengthy - 1] = '\0';
  struct mw_log_field fields[21] = {{NULL, NULL}};
  for (int i = 0; i < 20; i++) fields[i] = (struct mw_log_field){"key", lengthy};
  mw_log(MW_LOG_INFO, fields, "x");
  const char *text = line(state);
  assert_true(strlen(text) < 16384);
  assert_string_equal(text + strlen(text) - 5, "...\"\n");
}

static void lines_below_the_level_are_dropped(void **state) {
  mw_log(MW_LOG_DEBUG, NULL, "x");
  assert_false(mw_log_enabled(MW_LOG_DEBUG));
  mw_log_set_level(MW_LOG_OFF);
  mw_log(MW_LOG_ERROR, NULL, "x");
  assert_string_equal(logged(state), "");
  mw_log_set_level(MW_LOG_DEBUG);
  assert_true(mw_log_enabled(MW_LOG_DEBUG));
  mw_log(MW_LOG_DEBUG, NULL, "x");
  assert_string_equal(line(state), "debug msg=\"x\"\n");
}

static void levels_have_names(void **state) {
  assert_int_equal(mw_log_level_from_name("debug"), MW_LOG_DEBUG);
  assert_int_equal(mw_log_level_from_name("error"), MW_LOG_ERROR);
  assert_int_equal(mw_log_level_from_name("off"), MW_LOG_OFF);
  assert_int_equal(mw_log_level_from_name("INFO"), -1);
}

static void *log_all(void *arg) {
  mw_log_context()->worker = *(int *)arg;
  for (int i = 0; i < EACH; i++) mw_log(MW_LOG_INFO, NULL, "line");
  return NULL;
}

static void lines_of_threads_do_not_mix(void **state) {
  pthread_t threads[THREADS];
  int numbers[THREADS], seen[THREADS] = {0};
  for (int i = 0; i < THREADS; i++) {
    numbers[i] = i;
    assert_int_equal(pthread_create(&threads[i], NULL, log_all, &numbers[i]), 0);
  }
  for (int i = 0; i < THREADS; i++) pthread_join(threads[i], NULL);
  for (const char *text = logged(state); *text; text = strchr(text, '\n') + 1) {
    int worker = -1, used = 0;
    assert_int_equal(sscanf(text, "%*s info  worker=%d msg=\"line\"%n", &worker, &used), 1);
    assert_int_equal(text[used], '\n');
    seen[worker]++;
  }
  for (int i = 0; i < THREADS; i++) assert_int_equal(seen[i], EACH);
}

static bool take_warnings(void *arg, const char *line, size_t len) {
  char *taken = arg;
  if (!strstr(line, " warn ")) return false;
  memcpy(taken, line, len);
  taken[len] = '\0';
  return true;
}

static void a_tap_sees_lines_and_may_keep_them_back(void **state) {
  char taken[256] = "";
  mw_log_set_tap(take_warnings, taken);
  mw_log(MW_LOG_WARN, NULL, "kept back");
  mw_log(MW_LOG_INFO, NULL, "let through");
  mw_log_set_tap(NULL, NULL);
  assert_string_equal(line(state), "info  msg=\"let through\"\n");
  assert_string_equal(taken + strlen(taken) - strlen("msg=\"kept back\""), "msg=\"kept back\"");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(a_line_has_time_level_context_message_and_fields),
      TEST(a_thread_without_context_adds_none),
      TEST(what_comes_in_cannot_forge_a_line),
      TEST(what_is_too_long_is_cut_and_the_rest_stays),
      TEST(fields_without_room_are_left_out_whole),
      TEST(lines_below_the_level_are_dropped),
      TEST(levels_have_names),
      TEST(lines_of_threads_do_not_mix),
      TEST(a_tap_sees_lines_and_may_keep_them_back),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
