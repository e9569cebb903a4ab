/* Failures while the store is in use: a disk that fails for a while, in each call that writes to it, and files that
 * are removed or replaced. Reads continue; a write succeeds or is refused; acknowledged writes survive. */
#include "store_fixture.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>

#include "base/clock.h"

/* ---- a failing disk: these replace the C library's functions, also for LMDB ---- */

enum { META_END = 8192 };

static _Atomic int fail_meta, fail_pages, fail_sync; /* the error; 0 for none */
static _Atomic int failures;
static _Atomic bool fail_before; /* fail although the bytes were written */

static ssize_t fail_with(int error) {
  atomic_fetch_add(&failures, 1);
  errno = error;
  return -1;
}

ssize_t pwrite(int fd, const void *bytes, size_t len, off_t at) {
  int error = at < META_END ? atomic_load(&fail_meta) : atomic_load(&fail_pages);
  if (error != 0 && atomic_load(&fail_before)) return fail_with(error);
  ssize_t written = syscall(SYS_pwrite64, fd, bytes, len, at);
  return error != 0 ? fail_with(error) : written;
}

int fdatasync(int fd) {
  int error = atomic_load(&fail_sync);
  if (error != 0) return (int)fail_with(error);
  return (int)syscall(SYS_fdatasync, fd);
}

ssize_t writev(int fd, const struct iovec *parts, int count) {
  int error = atomic_load(&fail_pages);
  return error != 0 ? fail_with(error) : syscall(SYS_writev, fd, parts, count);
}

static void disk_fails(int meta, int pages, int sync, bool before) {
  atomic_store(&fail_before, before);
  atomic_store(&fail_meta, meta);
  atomic_store(&fail_pages, pages);
  atomic_store(&fail_sync, sync);
}

/* ---- the disk ---- */

static void wait_until_healthy(struct fixture *f, bool healthy) {
  char why[300] = "";
  int64_t until = mw_clock_real() + 20 * (int64_t)MW_NS_PER_S;
  while (mw_store_unhealthy(f->store, why, sizeof why) == healthy) {
    if (mw_clock_real() > until) fail_msg("still %s: %s", healthy ? "unhealthy" : "healthy", why);
    usleep(2000);
  }
}

static void goes_on(struct fixture *f) {
  disk_fails(0, 0, 0, false);
  wait_until_healthy(f, true); /* without writers */
  expect(f, "a", "before");
  put(f, "a", "after");
  put(f, "b", "new");
  expect(f, "a", "after");
}

static void with_failures(void **state, int meta, int pages, int sync, bool before, int code) {
  struct fixture *f = *state;
  put(f, "z", "kept");
  for (int round = 0; round < 2; round++) { /* each meta page in turn */
    failures = 0;
    struct mw_store_snapshot *snapshot;
    put(f, "a", "before");
    assert_int_equal(mw_store_snapshot_open(f->store, &snapshot, NULL), 0);
    disk_fails(meta, pages, sync, before);
    for (int i = 0; i < 5; i++) {
      struct outcome outcome = commit(f->store, &f->loop, txn_put("a", "refused"));
      if (outcome.code != code) fail_msg("%d: %s", outcome.code, outcome.text);
      assert_non_null(strstr(outcome.text, "store.mdb: "));
      expect(f, "a", "before");
      struct mw_store_entry entry;
      assert_int_equal(mw_store_snapshot_get(snapshot, str("a"), &entry), 0);
      assert_true(mw_slice_eq_str(entry.value, "before"));
    }
    assert_true(atomic_load(&failures) >= 5);
    if (code == MW_EIO || meta != 0) wait_until_healthy(f, false);
    goes_on(f);
    struct mw_store_entry entry;
    assert_int_equal(mw_store_snapshot_get(snapshot, str("a"), &entry), 0);
    assert_true(mw_slice_eq_str(entry.value, "before"));
    mw_store_snapshot_close(snapshot);
    put(f, "odd", "one commit more");
  }
  fixture_reopen(f);
  expect(f, "a", "after");
  expect(f, "b", "new");
  expect(f, "z", "kept");
}

static void a_meta_page_that_cannot_be_written(void **state) { with_failures(state, EIO, 0, 0, true, MW_EIO); }

/* The bytes are in the page cache all the same, as after a failed write to the disk. */
static void a_meta_page_that_is_written_half(void **state) { with_failures(state, EIO, 0, 0, false, MW_EIO); }

static void a_meta_page_without_room(void **state) { with_failures(state, ENOSPC, 0, 0, true, MW_EFULL); }

static void pages_that_cannot_be_written(void **state) { with_failures(state, 0, EIO, 0, true, MW_EIO); }

static void a_sync_that_fails(void **state) { with_failures(state, 0, 0, EIO, false, MW_EIO); }

static void all_that_fails(void **state) { with_failures(state, EIO, EIO, EIO, false, MW_EIO); }

/* The process dies while the disk fails: the file is unchanged. */
static void a_crash_while_the_disk_fails_loses_nothing(void **state) {
  struct fixture *f = *state;
  mw_store_close(f->store);
  f->store = NULL;
  for (int sync = 0; sync < 2; sync++) {
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
      struct mw_loop loop;
      if (fixture_open(f, 0, NULL) != 0 || mw_loop_init(&loop, NULL) != 0) _exit(1);
      if (commit(f->store, &loop, txn_put("a", "acknowledged")).code != 0) _exit(2);
      disk_fails(sync ? 0 : EIO, 0, sync ? EIO : 0, true);
      if (commit(f->store, &loop, txn_put("a", "refused")).code == 0) _exit(3);
      _exit(0);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    assert_int_equal(fixture_open(f, 0, NULL), 0);
    expect(f, "a", "acknowledged");
    mw_store_close(f->store);
    f->store = NULL;
  }
}

/* ---- the files ---- */

/* Within a second, without traffic; then writes are refused and reads continue. */
static void expect_lost(struct fixture *f, const char *path) {
  int64_t start = mw_clock_real();
  wait_until_healthy(f, false);
  int64_t took = mw_clock_real() - start;
  char why[300], words[300];
  assert_true(mw_store_unhealthy(f->store, why, sizeof why));
  snprintf(words, sizeof words, "%s was removed or replaced while in use", path);
  if (!strstr(why, words)) fail_msg("got: %s", why);
  if (took > (int64_t)MW_NS_PER_S) print_message("noticed after %lld ms\n", (long long)(took / MW_NS_PER_MS));
  struct outcome outcome = commit(f->store, &f->loop, txn_put("a", "2"));
  assert_int_equal(outcome.code, MW_EIO);
  assert_string_equal(outcome.text, why);
  expect(f, "a", "1");
}

static void a_removed_lock_still_excludes_a_second_server(void **state) {
  struct fixture *f = *state;
  struct fixture other = *f;
  put(f, "a", "1");
  char *path = fixture_path(f, "lock");
  unlink(path);
  struct mw_err err = MW_ERR_INIT;
  assert_int_equal(fixture_open(&other, 0, &err), MW_EBUSY);
  assert_non_null(strstr(mw_err_text(&err), "store.mdb: in use by process"));
  mw_err_fini(&err);
  expect_lost(f, path);
  fixture_reopen(f); /* as its text advises */
  put(f, "a", "2");
  free(path);
}

static void a_data_file_that_is_replaced_is_noticed(void **state) {
  struct fixture *f = *state;
  put(f, "a", "1");
  char *path = fixture_path(f, "store.mdb"), *moved = fixture_path(f, "lock.old");
  assert_int_equal(rename(path, moved), 0);
  int fd = open(path, O_WRONLY | O_CREAT, 0600);
  assert_true(fd >= 0);
  close(fd);
  expect_lost(f, path);
  mw_store_close(f->store);
  assert_int_equal(rename(moved, path), 0);
  assert_int_equal(fixture_open(f, 0, NULL), 0);
  expect(f, "a", "1");
  put(f, "a", "2");
  free(moved);
  free(path);
}

static void a_folder_that_is_moved_away_is_noticed(void **state) {
  struct fixture *f = *state;
  put(f, "a", "1");
  char moved[80];
  snprintf(moved, sizeof moved, "%s.moved", f->folder);
  assert_int_equal(rename(f->folder, moved), 0);
  expect_lost(f, f->folder);
  assert_int_equal(rename(moved, f->folder), 0);
  assert_int_equal(commit(f->store, &f->loop, txn_put("a", "2")).code, MW_EIO); /* until a restart */
  fixture_reopen(f);
  expect(f, "a", "1");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(a_meta_page_that_cannot_be_written),
      TEST(a_meta_page_that_is_written_half),
      TEST(a_meta_page_without_room),
      TEST(pages_that_cannot_be_written),
      TEST(a_sync_that_fails),
      TEST(all_that_fails),
      TEST(a_crash_while_the_disk_fails_loses_nothing),
      TEST(a_removed_lock_still_excludes_a_second_server),
      TEST(a_data_file_that_is_replaced_is_noticed),
      TEST(a_folder_that_is_moved_away_is_noticed),
  };
  return cmocka_run_group_tests_name("store_failure", tests, NULL, NULL);
}
