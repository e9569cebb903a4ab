#include "store_fixture.h"

int64_t fixture_now = 1000000000000;

int64_t fixture_clock(void) { return __atomic_load_n(&fixture_now, __ATOMIC_SEQ_CST); }

int fixture_open(struct fixture *f, size_t map_size, struct mw_err *err) {
  struct mw_store_options options = {.path = f->folder, .map_size = map_size, .clock = fixture_clock};
  return mw_store_open(&f->store, &options, err);
}

void fixture_reopen(struct fixture *f) {
  mw_store_close(f->store);
  f->store = NULL;
  assert_int_equal(fixture_open(f, 0, NULL), 0);
}

char *fixture_path(const struct fixture *f, const char *name) {
  char *path = NULL;
  assert_true(asprintf(&path, "%s/%s", f->folder, name) > 0);
  return path;
}

int fixture_make_folder(struct fixture *f) {
  const char *tmp = getenv("TMPDIR");
  snprintf(f->folder, sizeof f->folder, "%.30s/mw-store-XXXXXX", tmp ? tmp : "/tmp");
  return mkdtemp(f->folder) ? 0 : -1;
}

int fixture_setup(void **state) {
  struct fixture *f = calloc(1, sizeof *f);
  *state = f;
  if (fixture_make_folder(f) != 0 || mw_loop_init(&f->loop, NULL) != 0) return -1;
  return fixture_open(f, 0, NULL);
}

void fixture_remove_folder(const struct fixture *f) {
  const char *const names[] = {"store.mdb", "store.mdb-lock", "lock"};
  for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
    char *path = fixture_path(f, names[i]);
    unlink(path);
    free(path);
  }
  rmdir(f->folder);
}

int fixture_teardown(void **state) {
  struct fixture *f = *state;
  mw_store_close(f->store);
  mw_loop_fini(&f->loop);
  fixture_remove_folder(f);
  free(f);
  return 0;
}

/* ---- calls that wait ---- */

void take_outcome(void *arg, const struct mw_store_result *result) {
  struct outcome *outcome = arg;
  assert_false(outcome->done);
  outcome->done = true;
  outcome->code = result->code;
  outcome->revision = result->revision;
  snprintf(outcome->text, sizeof outcome->text, "%s", result->text);
}

struct outcome wait_for(struct mw_loop *loop, struct outcome *outcome) {
  while (!outcome->done) uv_run(&loop->uv, UV_RUN_ONCE);
  return *outcome;
}

struct outcome commit(struct mw_store *store, struct mw_loop *loop, struct mw_store_txn *txn) {
  struct outcome outcome = {0};
  mw_store_commit(store, txn, loop, take_outcome, &outcome);
  return wait_for(loop, &outcome);
}

struct mw_store_txn *txn_put(const char *key, const char *value) {
  struct mw_store_txn *txn = mw_store_txn_new();
  assert_int_equal(mw_store_txn_put(txn, str(key), str(value), 0), 0);
  return txn;
}

struct mw_store_txn *txn_delete(const char *key) {
  struct mw_store_txn *txn = mw_store_txn_new();
  assert_int_equal(mw_store_txn_delete(txn, str(key)), 0);
  return txn;
}

uint64_t put(struct fixture *f, const char *key, const char *value) {
  struct outcome outcome = commit(f->store, &f->loop, txn_put(key, value));
  assert_int_equal(outcome.code, 0);
  return outcome.revision;
}

void erase(struct fixture *f, const char *key) {
  assert_int_equal(commit(f->store, &f->loop, txn_delete(key)).code, 0);
}

uint64_t next_number(struct mw_store *store, struct mw_loop *loop, const char *name) {
  uint64_t number = 0;
  struct outcome outcome = {0};
  int rc = mw_store_sequence_next(store, str(name), &number, loop, take_outcome, &outcome);
  if (rc == 0) return number;
  assert_int_equal(rc, MW_EBUSY);
  wait_for(loop, &outcome);
  assert_int_equal(outcome.code, 0);
  return outcome.revision;
}

void expect(struct fixture *f, const char *key, const char *value) {
  struct mw_buf got = MW_BUF_INIT;
  int rc = mw_store_get(f->store, str(key), &got, NULL);
  assert_int_equal(rc, value ? 0 : MW_ENOTFOUND);
  if (value) assert_string_equal(mw_buf_str(&got), value);
  mw_buf_fini(&got);
}
