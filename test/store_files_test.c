/* Errors of a store's files: in use, foreign, newer, damaged, truncated, full. */
#include "store_fixture.h"

#include <fcntl.h>
#include <lmdb.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

/* Closes the store, so that its files can be modified. */
static char *closed_file(struct fixture *f) {
  mw_store_close(f->store);
  f->store = NULL;
  return fixture_path(f, "store.mdb");
}

static void expect_refusal(struct fixture *f, int code, const char *words) {
  struct mw_err err = MW_ERR_INIT;
  assert_int_equal(fixture_open(f, 0, &err), code);
  assert_non_null(strstr(mw_err_text(&err), f->folder));
  if (!strstr(mw_err_text(&err), words)) fail_msg("got: %s", mw_err_text(&err));
  mw_err_fini(&err);
}

static void fill(struct fixture *f, int count, size_t each) {
  char *value = calloc(1, each);
  for (int i = 0; i < count; i++) {
    char key[16];
    snprintf(key, sizeof key, "k%06d", i);
    struct mw_store_txn *txn = mw_store_txn_new();
    assert_int_equal(mw_store_txn_put(txn, str(key), mw_slice(value, each), 0), 0);
    assert_int_equal(commit(f->store, &f->loop, txn).code, 0);
  }
  free(value);
}

static void write_file(const char *path, const char *bytes, size_t len) {
  FILE *file = fopen(path, "wb");
  assert_non_null(file);
  assert_int_equal(fwrite(bytes, 1, len, file), len);
  fclose(file);
}

static void a_folder_in_use_is_refused(void **state) {
  struct fixture *f = *state;
  struct fixture other = *f;
  char words[80];
  snprintf(words, sizeof words, "/lock: in use by process %ld: one server at a time", (long)getpid());
  expect_refusal(&other, MW_EBUSY, words);
  fixture_reopen(f);
}

static void a_folder_that_cannot_be_is_refused(void **state) {
  struct fixture *f = *state;
  struct fixture other = *f;
  snprintf(other.folder, sizeof other.folder, "/proc/none/here");
  expect_refusal(&other, MW_EIO, "/proc/none/here: No such file or directory");
}

static void a_foreign_file_is_refused(void **state) {
  struct fixture *f = *state;
  char *path = closed_file(f);
  char text[9000];
  memset(text, 'x', sizeof text);
  write_file(path, text, sizeof text);
  expect_refusal(f, MW_EFORMAT, "store.mdb: not a Moonwire store");
  write_file(path, text, 10);
  expect_refusal(f, MW_EFORMAT, "store.mdb: not a Moonwire store");
  write_file(path, "", 0); /* the state after a crash just after creation */
  assert_int_equal(fixture_open(f, 0, NULL), 0);
  free(path);
}

static void expect_lmdb(int rc) { assert_int_equal(rc, 0); }

/* Puts one value into an LMDB file like another program. */
static void write_lmdb(const char *path, const char *database, const char *key, const void *value, size_t len) {
  MDB_env *env;
  MDB_txn *txn;
  MDB_dbi dbi;
  expect_lmdb(mdb_env_create(&env));
  expect_lmdb(mdb_env_set_maxdbs(env, 4));
  expect_lmdb(mdb_env_open(env, path, MDB_NOSUBDIR, 0600));
  expect_lmdb(mdb_txn_begin(env, NULL, 0, &txn));
  expect_lmdb(mdb_dbi_open(txn, database, MDB_CREATE, &dbi));
  MDB_val k = {strlen(key), (void *)(uintptr_t)key}, v = {len, (void *)(uintptr_t)value};
  expect_lmdb(mdb_put(txn, dbi, &k, &v, 0));
  expect_lmdb(mdb_txn_commit(txn));
  mdb_env_close(env);
}

static void another_programs_lmdb_file_is_refused(void **state) {
  struct fixture *f = *state;
  char *path = closed_file(f);
  unlink(path);
  write_lmdb(path, NULL, "key", "value", 5);
  expect_refusal(f, MW_EFORMAT, "but another program's LMDB file");
  free(path);
}

static void a_newer_format_is_refused(void **state) {
  struct fixture *f = *state;
  char *path = closed_file(f);
  uint64_t format = 3;
  write_lmdb(path, "meta", "f", &format, sizeof format);
  expect_refusal(f, MW_EFORMAT, "written by a newer Moonwire (format 3, this one reads up to 2)");
  write_lmdb(path, "meta", "f", "?", 1);
  expect_refusal(f, MW_EFORMAT, "it has no format number");
  free(path);
}

static void a_truncated_file_is_refused_and_left_as_it_is(void **state) {
  struct fixture *f = *state;
  fill(f, 200, 3000);
  char *path = closed_file(f);
  struct stat st;
  assert_int_equal(stat(path, &st), 0);
  for (off_t size = st.st_size - 4096; size > 0; size -= size > 20000 ? 37 * 1024 : 1000) {
    assert_int_equal(truncate(path, size), 0);
    expect_refusal(f, MW_EFORMAT, "store.mdb: ");
    struct stat now;
    assert_int_equal(stat(path, &now), 0);
    assert_int_equal(now.st_size, size);
  }
  free(path);
}

/* Overwrites pages one by one: each is detected, or nothing refers to it. Nothing crashes. */
static void damaged_pages_are_found(void **state) {
  struct fixture *f = *state;
  fill(f, 60, 500);
  fill(f, 2, 9000);
  char *path = closed_file(f);
  struct mw_buf whole = MW_BUF_INIT;
  assert_int_equal(mw_buf_read_file(&whole, path, SIZE_MAX / 4, NULL), 0);
  size_t pages = whole.len / 4096, refused = 0;
  for (size_t page = 0; page < pages; page++) {
    for (int fill_byte = 0; fill_byte < 256; fill_byte += 255) {
      char *bytes = malloc(whole.len);
      memcpy(bytes, whole.data, whole.len);
      memset(bytes + page * 4096, fill_byte, page < 2 ? 200 : 4096);
      write_file(path, bytes, whole.len);
      free(bytes);
      struct mw_err err = MW_ERR_INIT;
      int rc = fixture_open(f, 0, &err);
      if (rc != 0) {
        assert_int_equal(rc, MW_EFORMAT);
        assert_non_null(strstr(mw_err_text(&err), "store.mdb: "));
        refused++;
      } else {
        expect(f, "never there", NULL);
        mw_store_close(f->store);
        f->store = NULL;
      }
      mw_err_fini(&err);
    }
  }
  assert_true(refused > 16);
  mw_buf_fini(&whole);
  free(path);
}

/* A process that dies without closing; its file may end before its last free page. */
static void a_file_that_ends_in_free_pages_is_fine(void **state) {
  struct fixture *f = *state;
  mw_store_close(f->store);
  f->store = NULL;
  pid_t child = fork();
  assert_true(child >= 0);
  if (child == 0) {
    struct mw_loop loop;
    if (fixture_open(f, 0, NULL) != 0 || mw_loop_init(&loop, NULL) != 0) _exit(1);
    struct mw_store_txn *txn;
    for (int i = 0; i < 20; i++) commit(f->store, &loop, txn_put("a", "frees pages, so that no new ones are needed"));
    txn = txn_put("a", "small");
    size_t len = 1 << 20;
    mw_store_txn_put(txn, str("b"), mw_slice(calloc(1, len), len), 0);
    mw_store_txn_delete(txn, str("b"));
    _exit(commit(f->store, &loop, txn).code == 0 ? 0 : 2);
  }
  int status;
  assert_int_equal(waitpid(child, &status, 0), child);
  assert_int_equal(status, 0);
  char *path = fixture_path(f, "store.mdb");
  struct stat st;
  assert_int_equal(stat(path, &st), 0);
  assert_true(st.st_size < 1 << 20);
  free(path);
  struct mw_store_options partly = {.path = f->folder, .clock = fixture_clock, .check_pages = 1};
  assert_int_equal(mw_store_open(&f->store, &partly, NULL), 0);
  fixture_reopen(f);
  expect(f, "a", "small");
  put(f, "b", "goes on");
}

/* ---- full ---- */

static struct outcome put_sized(struct fixture *f, const char *key, size_t len) {
  struct mw_store_txn *txn = mw_store_txn_new();
  char *value = calloc(1, len);
  assert_int_equal(mw_store_txn_put(txn, str(key), mw_slice(value, len), 0), 0);
  free(value);
  return commit(f->store, &f->loop, txn);
}

static void a_full_map_refuses_puts_and_still_deletes(void **state) {
  struct fixture *f = *state;
  mw_store_close(f->store);
  f->store = NULL;
  assert_int_equal(fixture_open(f, 1 << 20, NULL), 0);
  int count = 0;
  struct outcome outcome;
  char key[16];
  do {
    snprintf(key, sizeof key, "k%06d", count++);
    outcome = put_sized(f, key, 2000);
  } while (outcome.code == 0);
  assert_int_equal(outcome.code, MW_EFULL);
  assert_non_null(strstr(outcome.text, "the store is full (1 MiB): delete from it"));
  assert_true(count > 200);
  struct mw_buf value = MW_BUF_INIT;
  assert_int_equal(mw_store_get(f->store, str("k000000"), &value, NULL), 0);
  mw_buf_fini(&value);
  for (int i = 0; i < 100; i++) {
    snprintf(key, sizeof key, "k%06d", i);
    erase(f, key);
  }
  assert_int_equal(put_sized(f, "k", 2000).code, 0);
  assert_int_equal(put_sized(f, "fat", 2 << 20).code, MW_EFULL);
}

static void a_fat_transaction_does_not_fail_its_neighbours(void **state) {
  struct fixture *f = *state;
  mw_store_close(f->store);
  f->store = NULL;
  assert_int_equal(fixture_open(f, 1 << 20, NULL), 0);
  enum { COUNT = 100, FAT = 37 };
  static struct outcome outcomes[COUNT];
  memset(outcomes, 0, sizeof outcomes);
  char *value = calloc(1, 2 << 20);
  for (int i = 0; i < COUNT; i++) {
    struct mw_store_txn *txn = mw_store_txn_new();
    char key[16];
    snprintf(key, sizeof key, "k%d", i);
    assert_int_equal(mw_store_txn_put(txn, str(key), mw_slice(value, i == FAT ? 2 << 20 : 10), 0), 0);
    mw_store_commit(f->store, txn, &f->loop, take_outcome, &outcomes[i]);
  }
  free(value);
  for (int i = 0; i < COUNT; i++) {
    assert_int_equal(wait_for(&f->loop, &outcomes[i]).code, i == FAT ? MW_EFULL : 0);
  }
  expect(f, "k37", NULL);
}

static void a_full_disk_fails_writes_and_only_them(void **state) {
  struct fixture *f = *state;
  put(f, "a", "1");
  assert_int_equal(signal(SIGXFSZ, SIG_IGN) == SIG_ERR, false);
  struct rlimit old, small;
  assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
  small = old;
  small.rlim_cur = 300000; /* greatest size of a file, in place of a full disk */
  assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
  struct outcome outcome = put_sized(f, "b", 1 << 20);
  assert_int_equal(outcome.code, MW_EFULL);
  assert_int_equal(put_sized(f, "c", 1 << 20).code, MW_EFULL);
  expect(f, "a", "1");
  expect(f, "b", NULL);
  put(f, "d", "fits");
  assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
  assert_int_equal(put_sized(f, "b", 1 << 20).code, 0);
  fixture_reopen(f);
  expect(f, "d", "fits");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(a_folder_in_use_is_refused),
      TEST(a_folder_that_cannot_be_is_refused),
      TEST(a_foreign_file_is_refused),
      TEST(another_programs_lmdb_file_is_refused),
      TEST(a_newer_format_is_refused),
      TEST(a_truncated_file_is_refused_and_left_as_it_is),
      TEST(damaged_pages_are_found),
      TEST(a_file_that_ends_in_free_pages_is_fine),
      TEST(a_full_map_refuses_puts_and_still_deletes),
      TEST(a_fat_transaction_does_not_fail_its_neighbours),
      TEST(a_full_disk_fails_writes_and_only_them),
  };
  return cmocka_run_group_tests_name("store_files", tests, NULL, NULL);
}
