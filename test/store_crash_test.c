/* Kills a process under writes, a thousand times: acknowledged writes must survive, and no number may repeat.
 *
 * In each round a child opens the store, keeps transactions in flight and reports each acknowledged one through a
 * pipe. The parent kills it at a random moment, opens the store itself and checks all of them. */
#include "store_fixture.h"

#include <signal.h>
#include <sys/wait.h>
#include <time.h>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__) || defined(MW_COVERAGE)
enum { ROUNDS = 60 };
#else
enum { ROUNDS = 1000 };
#endif

enum { IN_FLIGHT = 16, MOST_ACKS = 60, MOST_DELAY = 1500000 /* ns */ };

/* ---- the child ---- */

struct writer {
  struct fixture *f;
  int pipe;
  uint64_t number;
};

static void write_next(struct writer *w);

static void acknowledged(void *arg, const struct mw_store_result *result) {
  struct writer *w = arg;
  if (result->code != 0) _exit(1);
  if (write(w->pipe, &w->number, sizeof w->number) != sizeof w->number) _exit(2);
  write_next(w);
}

static void key_of(uint64_t number, char *key) { sprintf(key, "task-%08llu", (unsigned long long)number); }

static void numbered(void *arg, const struct mw_store_result *result) {
  struct writer *w = arg;
  if (result->code != 0) _exit(3);
  w->number = result->revision;
  char key[32];
  key_of(w->number, key);
  struct mw_store_txn *txn = txn_put(key, key);
  mw_store_txn_compare(txn, str(key), MW_STORE_ABSENT);
  mw_store_commit(w->f->store, txn, &w->f->loop, acknowledged, w);
}

static void write_next(struct writer *w) {
  struct mw_store_result result = {0};
  int rc = mw_store_sequence_next(w->f->store, str("ids"), &result.revision, &w->f->loop, numbered, w);
  if (rc == 0) numbered(w, &result);
  else if (rc != MW_EBUSY) _exit(4);
}

_Noreturn static void run_child(struct fixture *f, int pipe) {
  struct writer writers[IN_FLIGHT];
  if (mw_loop_init(&f->loop, NULL) != 0 || fixture_open(f, 0, NULL) != 0) _exit(5);
  for (int i = 0; i < IN_FLIGHT; i++) {
    writers[i] = (struct writer){f, pipe, 0};
    write_next(&writers[i]);
  }
  for (;;) uv_run(&f->loop.uv, UV_RUN_ONCE);
}

/* ---- the parent ---- */

static unsigned seed = 20261121;

static long random_below(long limit) { return rand_r(&seed) % limit; }

/* Reads acknowledged numbers until `most` have come and a moment has passed; kills the child; reads the rest. */
static size_t kill_and_collect(pid_t child, int pipe, uint64_t *acks, size_t cap) {
  size_t n = 0, most = (size_t)random_below(MOST_ACKS) + 1;
  while (n < most && read(pipe, &acks[n], sizeof *acks) == sizeof *acks) n++;
  nanosleep(&(struct timespec){0, random_below(MOST_DELAY)}, NULL);
  kill(child, SIGKILL);
  int status;
  assert_int_equal(waitpid(child, &status, 0), child);
  assert_true(WIFSIGNALED(status));
  while (n < cap && read(pipe, &acks[n], sizeof *acks) == sizeof *acks) n++;
  return n;
}

static void expect_all(struct fixture *f, const uint64_t *acks, size_t n) {
  assert_int_equal(fixture_open(f, 0, NULL), 0);
  for (size_t i = 0; i < n; i++) {
    char key[32];
    key_of(acks[i], key);
    expect(f, key, key);
  }
  mw_store_close(f->store);
}

static void nothing_acknowledged_is_lost(void **state) {
  struct fixture f = {.store = NULL};
  assert_int_equal(fixture_make_folder(&f), 0);
  static uint64_t acks[1 << 20];
  size_t total = 0;
  for (int round = 0; round < ROUNDS; round++) {
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) run_child(&f, ends[1]);
    close(ends[1]);
    size_t n = kill_and_collect(child, ends[0], acks + total, sizeof acks / sizeof *acks - total);
    close(ends[0]);
    expect_all(&f, acks + total, n);
    total += n;
  }
  assert_true(total > ROUNDS);
  expect_all(&f, acks, total); /* those of earlier rounds too */
  fixture_remove_folder(&f);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(nothing_acknowledged_is_lost)};
  return cmocka_run_group_tests_name("store_crash", tests, NULL, NULL);
}
