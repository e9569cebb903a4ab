/* The contract of a storage engine (store/backend/backend.h): the cases that every backend passes. A new backend is a
 * line in `kinds`. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "store/lmdb/lmdb.h"

struct kind {
  const char *name;
  bool persists; /* in a folder, beyond a close */
  int (*open)(struct mw_backend **out, const char *folder, size_t map_size, struct mw_err *err);
};

static int open_lmdb(struct mw_backend **out, const char *folder, size_t map_size, struct mw_err *err) {
  return mw_lmdb_open(out, folder, map_size, 65536, err);
}

static int open_lmdb_memory(struct mw_backend **out, const char *folder, size_t map_size, struct mw_err *err) {
  return mw_lmdb_open(out, ":memory:", map_size, 65536, err);
}

static const struct kind kinds[] = {{"lmdb", true, open_lmdb}, {"lmdb in memory", false, open_lmdb_memory}};

enum { MAP_SIZE = 64 << 20, SMALL_MAP_SIZE = 1 << 20 };

static const struct kind *kind; /* that the group runs on */
static char folder[64];
static struct mw_backend *backend;
static const struct mw_backend_ops *ops;

static void open_backend(size_t map_size) {
  struct mw_err err = MW_ERR_INIT;
  if (kind->open(&backend, folder, map_size, &err) != 0) fail_msg("%s", mw_err_text(&err));
  ops = backend->ops;
}

static int setup(void **state) {
  snprintf(folder, sizeof folder, "/tmp/mw-backend-XXXXXX");
  if (!mkdtemp(folder)) return -1;
  open_backend(MAP_SIZE);
  return 0;
}

static int teardown(void **state) {
  char command[96];
  assert_false(ops->in_use(backend));
  ops->close(backend);
  snprintf(command, sizeof command, "rm -r %s", folder);
  return system(command);
}

/* ---- shorthands ---- */

static struct mw_slice str(const char *text) { return mw_slice_str(text); }

static void begin(void) { assert_int_equal(ops->begin(backend, NULL), 0); }
static void commit(void) { assert_int_equal(ops->commit(backend, NULL), 0); }

static uint64_t revision = 1;

static void put_expiring(const char *key, const char *value, int64_t expires) {
  struct mw_record record = {str(key), str(value), revision++, expires};
  assert_int_equal(ops->put(backend, &record, NULL), 0);
}

static void put(const char *key, const char *value) { put_expiring(key, value, 0); }

static void commit_put(const char *key, const char *value) {
  begin();
  put(key, value);
  commit();
}

static struct mw_view *view_open(void) {
  struct mw_view *view;
  assert_int_equal(ops->view_open(backend, &view, NULL), 0);
  return view;
}

/* Asserts the value of a key in a view; NULL for none. */
static void sees(struct mw_view *view, const char *key, const char *value) {
  struct mw_record record;
  assert_int_equal(ops->view_get(view, str(key), &record), value ? 0 : MW_ENOTFOUND);
  if (value) assert_true(mw_slice_eq_str(record.value, value));
}

/* The same in the newest commit. */
static void holds(const char *key, const char *value) {
  struct mw_view *view = view_open();
  sees(view, key, value);
  ops->view_close(view);
}

/* Asserts the keys below `prefix`, from the one after `after` on, as one text. */
static void scans(const char *prefix, const char *after, bool reverse, const char *expected) {
  char keys[256] = "";
  struct mw_view *view = view_open();
  struct mw_slice at = after ? str(after) : mw_slice(NULL, 0);
  struct mw_record record;
  int rc;
  while ((rc = ops->view_next(view, str(prefix), at, reverse, &record)) == 0) {
    size_t len = strlen(keys);
    snprintf(keys + len, sizeof keys - len, "%.*s ", (int)record.key.len, (const char *)record.key.data);
    at = record.key;
  }
  assert_int_equal(rc, MW_ENOTFOUND);
  ops->view_close(view);
  assert_string_equal(keys, expected);
}

/* ---- records ---- */

static void an_empty_backend_has_nothing(void **state) {
  uint64_t number = 1;
  struct mw_view *view = view_open();
  sees(view, "a", NULL);
  assert_int_equal(ops->view_counter(view, str("c"), &number), 0);
  assert_int_equal(number, 0);
  ops->view_close(view);
  scans("", NULL, false, "");
  scans("", NULL, true, "");
  struct mw_record record;
  struct mw_slice key;
  int64_t expires;
  begin();
  assert_int_equal(ops->get(backend, str("a"), &record, NULL), MW_ENOTFOUND);
  assert_int_equal(ops->erase(backend, str("a"), NULL), MW_ENOTFOUND);
  assert_int_equal(ops->first_expiry(backend, &key, &expires, NULL), MW_ENOTFOUND);
  commit();
}

static void a_record_comes_back_whole(void **state) {
  struct mw_record put_record = {mw_slice("k\0\xff", 3), mw_slice("v\0w", 3), 77, 123456789}, record;
  begin();
  assert_int_equal(ops->put(backend, &put_record, NULL), 0);
  assert_int_equal(ops->get(backend, put_record.key, &record, NULL), 0);
  assert_true(mw_slice_eq(record.value, put_record.value));
  commit();
  struct mw_view *view = view_open();
  assert_int_equal(ops->view_get(view, put_record.key, &record), 0);
  assert_true(mw_slice_eq(record.key, put_record.key));
  assert_true(mw_slice_eq(record.value, put_record.value));
  assert_int_equal(record.revision, 77);
  assert_int_equal(record.expires, 123456789);
  ops->view_close(view);
}

static void keys_and_values_have_room(void **state) {
  static char key[MW_STORE_KEY_MAX];
  size_t len = 5 << 20;
  uint8_t *value = malloc(len);
  for (size_t i = 0; i < len; i++) value[i] = (uint8_t)(i * 31);
  memset(key, 'k', sizeof key);
  struct mw_record record = {mw_slice(key, sizeof key), mw_slice(value, len), 1, 0};
  begin();
  assert_int_equal(ops->put(backend, &record, NULL), 0);
  put("empty", "");
  commit();
  struct mw_view *view = view_open();
  assert_int_equal(ops->view_get(view, mw_slice(key, sizeof key), &record), 0);
  assert_int_equal(record.value.len, len);
  assert_memory_equal(record.value.data, value, len);
  sees(view, "empty", "");
  ops->view_close(view);
  free(value);
}

static void a_second_put_replaces(void **state) {
  commit_put("a", "one");
  commit_put("a", "two, which is longer");
  holds("a", "two, which is longer");
  scans("", NULL, false, "a ");
}

static void an_erased_record_is_gone(void **state) {
  begin();
  put("a", "1");
  put("b", "2");
  commit();
  begin();
  assert_int_equal(ops->erase(backend, str("a"), NULL), 0);
  assert_int_equal(ops->erase(backend, str("a"), NULL), MW_ENOTFOUND);
  commit();
  holds("a", NULL);
  holds("b", "2");
}

/* ---- transactions ---- */

static void an_abort_leaves_nothing(void **state) {
  uint64_t number;
  commit_put("a", "old");
  begin();
  put_expiring("a", "new", 5);
  put("b", "new");
  assert_int_equal(ops->set_counter(backend, str("c"), 7, NULL), 0);
  ops->abort(backend);
  holds("a", "old");
  holds("b", NULL);
  struct mw_view *view = view_open();
  assert_int_equal(ops->view_counter(view, str("c"), &number), 0);
  assert_int_equal(number, 0);
  ops->view_close(view);
  struct mw_slice key;
  int64_t expires;
  begin();
  assert_int_equal(ops->first_expiry(backend, &key, &expires, NULL), MW_ENOTFOUND);
  ops->abort(backend);
}

static void writes_are_seen_by_their_writer_alone(void **state) {
  struct mw_record record;
  begin();
  put("a", "1");
  assert_int_equal(ops->get(backend, str("a"), &record, NULL), 0);
  holds("a", NULL);
  commit();
  holds("a", "1");
}

static void a_view_stays_as_it_was_opened(void **state) {
  commit_put("a", "old");
  struct mw_view *view = view_open();
  begin();
  put("a", "new");
  put("b", "new");
  commit();
  sees(view, "a", "old");
  sees(view, "b", NULL);
  holds("a", "new");
  ops->view_close(view);
}

static void memory_of_a_view_stays_valid(void **state) {
  struct mw_record record;
  commit_put("a", "old");
  struct mw_view *view = view_open();
  assert_int_equal(ops->view_get(view, str("a"), &record), 0);
  for (int i = 0; i < 100; i++) commit_put("a", "new");
  assert_true(mw_slice_eq_str(record.value, "old"));
  ops->view_close(view);
}

static void an_open_view_is_use(void **state) {
  assert_false(ops->in_use(backend));
  struct mw_view *view = view_open();
  assert_true(ops->in_use(backend));
  ops->view_close(view);
  assert_false(ops->in_use(backend));
}

static void thousands_of_views_can_be_open(void **state) {
  enum { VIEWS = 8000 };
  static struct mw_view *views[VIEWS];
  commit_put("a", "1");
  for (int i = 0; i < VIEWS; i++) views[i] = view_open();
  commit_put("a", "2");
  for (int i = 0; i < VIEWS; i++) {
    sees(views[i], "a", "1");
    ops->view_close(views[i]);
  }
}

static void healthy_files_are_no_failure(void **state) {
  char words[200] = "";
  commit_put("a", "1");
  ops->inspect(backend);
  assert_false(ops->failure(backend, words, sizeof words));
  assert_false(ops->failure(backend, NULL, 0));
}

/* ---- order ---- */

static void records_are_in_order(void **state) {
  static const char *const keys[] = {"b", "a", "c/2", "c", "c/1", "c/10", "d", "\xff", "\xff\xff", "c0"};
  begin();
  for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) put(keys[i], "v");
  commit();
  scans("", NULL, false, "a b c c/1 c/10 c/2 c0 d \xff \xff\xff ");
  scans("", NULL, true, "\xff\xff \xff d c0 c/2 c/10 c/1 c b a ");
  scans("c/", NULL, false, "c/1 c/10 c/2 ");
  scans("c/", NULL, true, "c/2 c/10 c/1 ");
  scans("c/1", NULL, false, "c/1 c/10 ");
  scans("\xff", NULL, false, "\xff \xff\xff ");
  scans("\xff", NULL, true, "\xff\xff \xff ");
  scans("e", NULL, false, "");
  scans("e", NULL, true, "");
}

static void a_scan_goes_on_after_any_key(void **state) {
  begin();
  put("c/1", "v");
  put("c/3", "v");
  put("c/5", "v");
  put("d", "v");
  commit();
  scans("c/", "c/1", false, "c/3 c/5 ");
  scans("c/", "c/2", false, "c/3 c/5 "); /* a key that is not there */
  scans("c/", "c/5", false, "");
  scans("c/", "c/3", true, "c/1 ");
  scans("c/", "c/4", true, "c/3 c/1 ");
  scans("c/", "c/1", true, "");
  scans("c/", "b", false, "c/1 c/3 c/5 "); /* keys outside of the prefix */
  scans("c/", "d", false, "");
  scans("c/", "d", true, "c/5 c/3 c/1 ");
  scans("c/", "b", true, "");
}

static void a_scan_survives_writes(void **state) {
  struct mw_record record;
  begin();
  put("a", "v");
  put("b", "v");
  put("c", "v");
  commit();
  struct mw_view *view = view_open();
  assert_int_equal(ops->view_next(view, str(""), mw_slice(NULL, 0), false, &record), 0);
  begin();
  assert_int_equal(ops->erase(backend, str("b"), NULL), 0);
  commit();
  assert_int_equal(ops->view_next(view, str(""), record.key, false, &record), 0);
  assert_true(mw_slice_eq_str(record.key, "b"));
  ops->view_close(view);
}

/* ---- counters ---- */

static void counters_are_apart_from_records(void **state) {
  uint64_t number;
  begin();
  put("c", "record");
  assert_int_equal(ops->set_counter(backend, str("c"), UINT64_MAX, NULL), 0);
  assert_int_equal(ops->set_counter(backend, str("d"), 1, NULL), 0);
  assert_int_equal(ops->set_counter(backend, str("d"), 2, NULL), 0);
  commit();
  struct mw_view *view = view_open();
  assert_int_equal(ops->view_counter(view, str("c"), &number), 0);
  assert_true(number == UINT64_MAX);
  assert_int_equal(ops->view_counter(view, str("d"), &number), 0);
  assert_int_equal(number, 2);
  sees(view, "c", "record");
  ops->view_close(view);
  scans("", NULL, false, "c ");
}

/* ---- expiry ---- */

/* Asserts key and time of the first expiry, within a transaction; NULL for none. */
static void expires_first(const char *key, int64_t expires) {
  struct mw_slice first;
  int64_t time;
  assert_int_equal(ops->first_expiry(backend, &first, &time, NULL), key ? 0 : MW_ENOTFOUND);
  if (!key) return;
  assert_true(mw_slice_eq_str(first, key));
  assert_int_equal(time, expires);
}

static void expiries_are_in_the_order_of_time(void **state) {
  begin();
  put_expiring("a", "v", 300);
  put_expiring("b", "v", 100);
  put_expiring("c", "v", 200);
  put("d", "v");
  commit();
  holds("b", "v"); /* the backend has no clock */
  begin();
  expires_first("b", 100);
  assert_int_equal(ops->expire(backend, str("b"), 100, NULL), 0);
  expires_first("c", 200);
  assert_int_equal(ops->expire(backend, str("c"), 200, NULL), 0);
  assert_int_equal(ops->expire(backend, str("a"), 300, NULL), 0);
  expires_first(NULL, 0);
  commit();
  scans("", NULL, false, "d ");
}

static void a_newer_write_has_its_own_expiry(void **state) {
  begin();
  put_expiring("a", "v", 100);
  put_expiring("b", "v", 200);
  commit();
  begin();
  put("a", "v");
  put_expiring("b", "v", 50);
  commit();
  begin();
  expires_first("b", 50);
  assert_int_equal(ops->erase(backend, str("b"), NULL), 0);
  expires_first(NULL, 0);
  assert_int_equal(ops->expire(backend, str("a"), 100, NULL), MW_ENOTFOUND); /* an earlier expiry deletes nothing */
  commit();
  holds("a", "v");
}

/* ---- limits, close, threads ---- */

static void a_full_backend_goes_on(void **state) {
  ops->close(backend);
  open_backend(SMALL_MAP_SIZE);
  static char value[100000];
  struct mw_err err = MW_ERR_INIT;
  int rc = 0, i;
  commit_put("first", "v");
  for (i = 0; rc == 0 && i < 100; i++) {
    char key[16];
    snprintf(key, sizeof key, "k%d", i);
    struct mw_record record = {str(key), mw_slice(value, sizeof value), 1, 0};
    begin();
    rc = ops->put(backend, &record, &err);
    if (rc == 0) {
      rc = ops->commit(backend, &err);
    } else {
      ops->abort(backend);
    }
  }
  assert_int_equal(rc, MW_EFULL);
  assert_true(strlen(mw_err_text(&err)) > 0);
  mw_err_fini(&err);
  holds("first", "v");
  begin();
  assert_int_equal(ops->erase(backend, str("k0"), NULL), 0);
  put("first", "w");
  commit();
  holds("first", "w");
}

static void a_folder_keeps_everything(void **state) {
  if (!kind->persists) return;
  uint64_t number;
  begin();
  put("a", "1");
  put_expiring("b", "2", 100);
  assert_int_equal(ops->set_counter(backend, str("c"), 3, NULL), 0);
  commit();
  ops->close(backend);
  open_backend(MAP_SIZE);
  struct mw_view *view = view_open();
  sees(view, "a", "1");
  sees(view, "b", "2");
  assert_int_equal(ops->view_counter(view, str("c"), &number), 0);
  assert_int_equal(number, 3);
  ops->view_close(view);
  begin();
  expires_first("b", 100);
  ops->abort(backend);
}

static atomic_bool writing;
static atomic_int torn;

/* Reads two keys that every commit writes together. */
static void *read_pairs(void *arg) {
  do {
    struct mw_record a, b;
    struct mw_view *view;
    if (ops->view_open(backend, &view, NULL) != 0) continue;
    int rc_a = ops->view_get(view, str("a"), &a), rc_b = ops->view_get(view, str("b"), &b);
    if (rc_a != 0 || rc_b != 0 || !mw_slice_eq(a.value, b.value)) torn++;
    ops->view_close(view);
  } while (writing);
  return NULL;
}

static void commits_are_whole_for_every_thread(void **state) {
  enum { THREADS = 4, COMMITS = 200 };
  pthread_t threads[THREADS];
  writing = true;
  torn = 0;
  begin();
  put("a", "0");
  put("b", "0");
  commit();
  for (int i = 0; i < THREADS; i++) assert_int_equal(pthread_create(&threads[i], NULL, read_pairs, NULL), 0);
  for (int i = 0; i < COMMITS; i++) {
    char value[16];
    snprintf(value, sizeof value, "%d", i);
    begin();
    put("a", value);
    put("b", value);
    commit();
  }
  writing = false;
  for (int i = 0; i < THREADS; i++) pthread_join(threads[i], NULL);
  assert_int_equal(torn, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
  static const struct CMUnitTest tests[] = {
      TEST(an_empty_backend_has_nothing),
      TEST(a_record_comes_back_whole),
      TEST(keys_and_values_have_room),
      TEST(a_second_put_replaces),
      TEST(an_erased_record_is_gone),
      TEST(an_abort_leaves_nothing),
      TEST(writes_are_seen_by_their_writer_alone),
      TEST(a_view_stays_as_it_was_opened),
      TEST(memory_of_a_view_stays_valid),
      TEST(an_open_view_is_use),
      TEST(thousands_of_views_can_be_open),
      TEST(healthy_files_are_no_failure),
      TEST(records_are_in_order),
      TEST(a_scan_goes_on_after_any_key),
      TEST(a_scan_survives_writes),
      TEST(counters_are_apart_from_records),
      TEST(expiries_are_in_the_order_of_time),
      TEST(a_newer_write_has_its_own_expiry),
      TEST(a_full_backend_goes_on),
      TEST(a_folder_keeps_everything),
      TEST(commits_are_whole_for_every_thread),
  };
  int failed = 0;
  for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
    kind = &kinds[i];
    failed += cmocka_run_group_tests_name(kind->name, tests, NULL, NULL);
  }
  return failed;
}
