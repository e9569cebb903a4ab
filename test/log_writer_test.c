/* The writer of the log: a blocked stderr, queued and dropped lines, and the end of the process. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/clock.h"
#include "observe/log.h"
#include "observe/log_output.h"

/* MANY lines exceed the queue and a pipe; a stalled test dies after STALL_S seconds */
enum { MANY = 40000, STALL_S = 30 };

static const char long_text[] = "a line of some length, so that many of them are more than the queue takes";

struct fixture {
  int ends[2], saved; /* the previous stderr, while ends[1] replaces it */
};

static int setup(void **state) {
  struct fixture *f = calloc(1, sizeof *f);
  *state = f;
  alarm(STALL_S);
  if (pipe2(f->ends, O_CLOEXEC) != 0) return -1;
  f->saved = dup(STDERR_FILENO);
  mw_log_set_level(MW_LOG_INFO);
  if (dup2(f->ends[1], STDERR_FILENO) < 0) return -1;
  close(f->ends[1]);
  return mw_log_start();
}

static int teardown(void **state) {
  struct fixture *f = *state;
  mw_log_stop_writer(0);
  dup2(f->saved, STDERR_FILENO);
  close(f->saved);
  if (f->ends[0] >= 0) close(f->ends[0]);
  free(f);
  alarm(0);
  return 0;
}

static void log_many(int n) {
  for (int i = 0; i < n; i++) {
    char number[16];
    snprintf(number, sizeof number, "%d", i);
    struct mw_log_field fields[] = {{"n", number}, {NULL, NULL}};
    mw_log(MW_LOG_INFO, fields, "%s", long_text);
  }
}

/* Reads until a line contains `words`. */
static void read_until(int fd, struct mw_buf *text, const char *words) {
  for (;;) {
    const char *found = strstr(mw_buf_str(text), words);
    if (found && strchr(found, '\n')) return;
    assert_int_equal(mw_buf_reserve(text, 65536), 0);
    ssize_t n = read(fd, text->data + text->len, 65536);
    assert_true(n > 0);
    text->len += (size_t)n;
    text->data[text->len] = '\0';
  }
}

/* Checks that the lines are whole, in order from `*next` on, and adds the reported numbers of dropped lines. */
static void check_lines(const struct mw_buf *text, int *next, unsigned long *dropped) {
  for (const char *line = mw_buf_str(text); *line; line = strchr(line, '\n') + 1) {
    int n = -1, used = 0;
    unsigned long lines = 0;
    char shape[160];
    snprintf(shape, sizeof shape, "%%*s info  msg=\"%s\" n=%%d%%n", long_text);
    if (sscanf(line, shape, &n, &used) == 1) {
      assert_int_equal(line[used], '\n');
      assert_true(n >= *next);
      *next = n + 1;
    } else {
      assert_int_equal(
          sscanf(line, "%*s warn  msg=\"log lines were dropped: stderr did not take them in time\" lines=%lu%n", &lines,
                 &used),
          1);
      assert_int_equal(line[used], '\n');
      *dropped += lines;
    }
  }
}

static void a_stderr_that_nobody_reads_delays_nobody(void **state) {
  struct fixture *f = *state;
  struct mw_metrics *metrics = mw_metrics_new();
  const struct mw_metric_definition lines = {.kind = MW_METRIC_COUNTER, .name = "dropped_total"};
  struct mw_metric *counter = mw_metrics_open(metrics, &lines, NULL);
  assert_non_null(counter);
  mw_log_set_dropped_counter(counter);
  log_many(MANY); /* would wait for ever */
  struct mw_buf text = MW_BUF_INIT;
  read_until(f->ends[0], &text, "lines were dropped");
  mw_log(MW_LOG_ERROR, NULL, "it flows again");
  read_until(f->ends[0], &text, "it flows again");
  char *last = strstr(mw_buf_str(&text), "it flows again");
  while (last[-1] != '\n') last--;
  *last = '\0';
  text.len = (size_t)(last - (char *)text.data);
  int next = 0;
  unsigned long dropped = 0;
  check_lines(&text, &next, &dropped);
  unsigned long seen = 0;
  for (const char *line = strstr(mw_buf_str(&text), " info "); line; line = strstr(line + 1, " info ")) seen++;
  assert_true(dropped > 0);
  assert_int_equal(seen + dropped, MANY);
  assert_true(mw_metric_value(counter, NULL) == (double)dropped);
  mw_log_set_dropped_counter(NULL);
  mw_metrics_free(metrics);
  mw_buf_fini(&text);
}

/* Leaves a blocked thread, in a process of its own. Returns true if everything was correct. */
static bool stop_without_a_reader(int fd) {
  alarm(STALL_S);
  dup2(fd, STDERR_FILENO);
  if (mw_log_start() != 0) return false;
  log_many(MANY);
  int64_t began = mw_clock_real();
  bool empty = mw_log_stop_writer(MW_NS_PER_S / 10);
  int64_t took = mw_clock_real() - began;
  mw_log(MW_LOG_INFO, NULL, "dropped"); /* returns */
  return !empty && took >= MW_NS_PER_S / 10 && took < MW_NS_PER_S;
}

static void the_end_waits_for_a_reader_no_longer_than_it_may(void **state) {
  mw_log_stop_writer(0);
  pid_t child = fork();
  if (child == 0) _exit(stop_without_a_reader(STDERR_FILENO) ? 0 : 1);
  int status;
  assert_int_equal(waitpid(child, &status, 0), child);
  assert_true(WIFEXITED(status));
  assert_int_equal(WEXITSTATUS(status), 0);
}

static void the_end_leaves_no_line_behind(void **state) {
  struct fixture *f = *state;
  log_many(100);
  assert_true(mw_log_stop_writer(10 * (int64_t)MW_NS_PER_S));
  mw_log(MW_LOG_INFO, NULL, "written directly");
  struct mw_buf text = MW_BUF_INIT;
  read_until(f->ends[0], &text, "written directly");
  assert_non_null(strstr(mw_buf_str(&text), " n=99\n"));
  mw_buf_fini(&text);
}

static void a_flush_returns_when_all_is_written(void **state) {
  struct fixture *f = *state;
  log_many(10);
  assert_true(mw_log_flush(10 * (int64_t)MW_NS_PER_S));
  char bytes[8192];
  assert_int_equal(poll(&(struct pollfd){.fd = f->ends[0], .events = POLLIN}, 1, 0), 1);
  ssize_t n = read(f->ends[0], bytes, sizeof bytes);
  assert_non_null(memmem(bytes, (size_t)n, " n=9\n", 5));
}

static void a_stderr_that_does_not_block_loses_nothing(void **state) {
  struct fixture *f = *state;
  assert_int_equal(fcntl(STDERR_FILENO, F_SETFL, O_NONBLOCK), 0);
  log_many(4000); /* more than the pipe, less than the queue */
  struct mw_buf text = MW_BUF_INIT;
  read_until(f->ends[0], &text, " n=3999\n");
  int next = 0;
  unsigned long dropped = 0;
  check_lines(&text, &next, &dropped);
  assert_int_equal(next, 4000);
  assert_int_equal(dropped, 0);
  mw_buf_fini(&text);
}

static void a_closed_stderr_loses_lines_and_nothing_else(void **state) {
  struct fixture *f = *state;
  signal(SIGPIPE, SIG_IGN);
  close(f->ends[0]);
  f->ends[0] = -1;
  log_many(MANY);
  assert_true(mw_log_stop_writer(10 * (int64_t)MW_NS_PER_S));
  signal(SIGPIPE, SIG_DFL);
}

/* Runs in a process of its own, with its own writer. */
static void log_and_abort(int fd) {
  dup2(fd, STDERR_FILENO);
  for (int number = 1; number < NSIG; number++) signal(number, SIG_DFL); /* also the test runner's */
  if (mw_log_start() != 0) _exit(1);
  log_many(3000);
  abort();
}

static void a_fault_leaves_no_line_behind(void **state) {
  FILE *file = tmpfile();
  mw_log_stop_writer(0);
  pid_t child = fork();
  if (child == 0) log_and_abort(fileno(file));
  int status;
  assert_int_equal(waitpid(child, &status, 0), child);
  assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
  struct mw_buf text = MW_BUF_INIT;
  assert_int_equal(mw_buf_reserve(&text, 1 << 20), 0);
  ssize_t n = pread(fileno(file), text.data, 1 << 20, 0);
  assert_true(n > 0);
  text.data[n] = '\0';
  int next = 0;
  unsigned long dropped = 0;
  check_lines(&text, &next, &dropped);
  assert_int_equal(next, 3000);
  mw_buf_fini(&text);
  fclose(file);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(a_fault_leaves_no_line_behind), /* these two fork while there is one thread */
      TEST(the_end_waits_for_a_reader_no_longer_than_it_may),
      TEST(a_stderr_that_nobody_reads_delays_nobody),
      TEST(the_end_leaves_no_line_behind),
      TEST(a_flush_returns_when_all_is_written),
      TEST(a_stderr_that_does_not_block_loses_nothing),
      TEST(a_closed_stderr_loses_lines_and_nothing_else),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
