/* Damage that leaves a page plausible: keys still in order, flags, counts and headers. */
#include "store_damage.h"

#include "store/lmdb/store_check.h"

/* Opens it like a store that is too large to be checked completely. */
static int open_large(struct fixture *f) {
  struct mw_store_options options = {.path = f->folder, .clock = fixture_clock, .check_pages = 1};
  return mw_store_open(&f->store, &options, NULL);
}

/* Asserts that the store does not open, with an error that contains `words`. */
static void refuse(struct fixture *f, const char *words) {
  struct mw_err err = MW_ERR_INIT;
  assert_int_equal(fixture_open(f, 0, &err), MW_EFORMAT);
  if (!strstr(mw_err_text(&err), words)) fail_msg("%s", mw_err_text(&err));
  mw_err_fini(&err);
  f->store = NULL;
}

/* ---- keys ---- */

/* Writes the keys a1, c1 and k1, and changes the second to `changed`. */
static void stray(struct fixture *f, const char *changed) {
  put(f, "a1", "first");
  put(f, "c1", "second");
  put(f, "k1", "third");
  char *path = closed_file(f);
  damage_text(path, "c1", 0, changed, 2);
  free(path);
  assert_int_equal(fixture_open(f, 0, NULL), 0);
}

static int insert(struct fixture *f, const char *key) {
  struct mw_store_txn *txn = txn_put(key, "another");
  assert_int_equal(mw_store_txn_compare(txn, str(key), MW_STORE_ABSENT), 0);
  return commit(f->store, &f->loop, txn).code;
}

static void a_record_with_a_damaged_key_is_not_absent(void **state) {
  struct fixture *f = *state;
  stray(f, "g1");
  assert_int_equal(get(f, "c1"), MW_EDATA);
  assert_int_equal(insert(f, "c1"), MW_EDATA);
  assert_int_equal(commit(f->store, &f->loop, txn_delete("c1")).code, MW_EDATA);
  assert_int_equal(get(f, "b1"), MW_ENOTFOUND);
  assert_int_equal(get(f, "d1"), MW_ENOTFOUND);
  erase(f, "g1");
  assert_int_equal(get(f, "c1"), MW_ENOTFOUND);
  assert_int_equal(insert(f, "c1"), 0);
}

/* The length of the key of c10, in its node, is one less: its last byte becomes part of the value. */
static void a_record_with_a_damaged_length_of_its_key_is_not_absent(void **state) {
  struct fixture *f = *state;
  put(f, "a", "value of a");
  put(f, "c10", "value of c1");
  char *path = closed_file(f);
  damage_text(path, "c10", -2, "\2", 1);
  assert_int_equal(fixture_open(f, 0, NULL), 0);
  assert_int_equal(get(f, "c10"), MW_EDATA);
  assert_int_equal(get(f, "c1"), MW_EDATA);
  assert_int_equal(get(f, "c2"), MW_ENOTFOUND);
  free(path);
}

static void a_damaged_value_beside_an_absent_key_is_nothing_to_it(void **state) {
  struct fixture *f = *state;
  put(f, "c1", "value of c1");
  char *path = closed_file(f);
  damage_text(path, "value of c1", 0, "V", 1);
  assert_int_equal(fixture_open(f, 0, NULL), 0);
  assert_int_equal(get(f, "b1"), MW_ENOTFOUND);
  assert_int_equal(insert(f, "d1"), 0);
  struct mw_store_snapshot *snapshot;
  struct mw_store_entry entry;
  assert_int_equal(mw_store_snapshot_open(f->store, &snapshot, NULL), 0);
  for (int reverse = 0; reverse < 2; reverse++) {
    assert_int_equal(mw_store_snapshot_next(snapshot, str("b"), mw_slice(NULL, 0), reverse, &entry), MW_ENOTFOUND);
  }
  mw_store_snapshot_close(snapshot);
  free(path);
}

/* Scans the prefix `c`, whose only record has left it with the key `strayed`. */
static void expect_stray(struct fixture *f, const char *after, bool reverse, const char *strayed) {
  struct mw_store_snapshot *snapshot;
  struct mw_store_entry entry;
  struct mw_slice from = after ? str(after) : mw_slice(NULL, 0);
  assert_int_equal(mw_store_snapshot_open(f->store, &snapshot, NULL), 0);
  assert_int_equal(mw_store_snapshot_next(snapshot, str("c"), from, reverse, &entry), MW_EDATA);
  assert_true(mw_slice_eq_str(entry.key, strayed));
  assert_int_equal(mw_store_snapshot_next(snapshot, str("c"), entry.key, reverse, &entry), MW_ENOTFOUND);
  mw_store_snapshot_close(snapshot);
}

static void a_scan_does_not_miss_a_record_that_leaves_its_end(void **state) {
  struct fixture *f = *state;
  stray(f, "g1");
  expect_stray(f, NULL, false, "g1");
  expect_stray(f, NULL, true, "g1");
  expect_stray(f, "c0", false, "g1");
}

static void a_scan_does_not_miss_a_record_that_leaves_its_start(void **state) {
  struct fixture *f = *state;
  stray(f, "b1");
  expect_stray(f, NULL, false, "b1");
  expect_stray(f, NULL, true, "b1");
  expect_stray(f, "c3", true, "b1");
}

static void a_page_of_messages_does_not_miss_one_that_leaves_it(void **state) {
  struct fixture *f = *state;
  put(f, "c1", "value of c1");
  put(f, "c5", "second");
  char *path = closed_file(f);
  damage_text(path, "c5", 0, "c4", 2);
  assert_int_equal(fixture_open(f, 0, NULL), 0);
  expect_stray(f, "c44", false, "c4");
  free(path);
}

static void a_counter_with_a_damaged_name_issues_no_number_twice(void **state) {
  struct fixture *f = *state;
  assert_int_equal(next_number(f->store, &f->loop, "ids"), 1);
  char *path = closed_file(f);
  damage_text(path, "csids", 4, "r", 1);
  assert_int_equal(fixture_open(f, 0, NULL), 0);
  uint64_t number;
  assert_int_equal(mw_store_sequence_next(f->store, str("ids"), &number, &f->loop, take_outcome, NULL), MW_EDATA);
  assert_int_equal(next_number(f->store, &f->loop, "others"), 1);
  free(path);
}

/* ---- headers ---- */

enum { HEADER = 16, PAGE_SIZE_AT = HEADER + 24, FLAGS_AT = HEADER + 28, TRANSACTION_AT = HEADER + 128 };

static void headers_that_do_not_belong_together_are_refused(void **state) {
  static const struct {
    size_t at;
    uint8_t bit;
    const char *words;
  } damages[] = {{PAGE_SIZE_AT + 1, 0x08, "two headers are not of one file"},
                 {PAGE_SIZE_AT + 2, 0x20, "two headers are not of one file"},
                 {FLAGS_AT, 0x04, "two headers are not of one file"},
                 {TRANSACTION_AT, 0x02, "two headers are not of successive transactions"},
                 {TRANSACTION_AT + 1, 0x01, "two headers are not of successive transactions"}};
  struct fixture *f = *state;
  for (int i = 0; i < 3; i++) put(f, "k", "v");
  char *path = closed_file(f);
  struct mw_buf bytes = read_all(path);
  for (size_t i = 0; i < sizeof damages / sizeof *damages; i++) {
    size_t at = PAGE + damages[i].at;
    uint8_t byte = bytes.data[at] ^ damages[i].bit;
    write_at(path, at, &byte, 1);
    refuse(f, damages[i].words);
    write_at(path, at, bytes.data + at, 1);
  }
  assert_int_equal(fixture_open(f, 0, NULL), 0);
  mw_buf_fini(&bytes);
  free(path);
}

/* ---- flags and counts ---- */

/* LMDB uses flags of a page, a node or a database without validating them. */
static void flags_that_cannot_be_are_damage(void **state) {
  static const struct {
    const char *text;
    int offset;
    uint8_t byte;
  } damages[] = {{"key-of-it", -4, 0x04},   /* a node: the values of one key, in a tree of their own */
                 {"key-of-it", -4, 0x02},   /* a node: a database */
                 {"\4\0data", 6 + 4, 0x02}, /* a database: keys compared from their ends */
                 {"\6\0expiry", 8 + 4, 0x04}};
  struct fixture *f = *state;
  put(f, "key-of-it", "value of it");
  char *path = closed_file(f);
  struct mw_buf bytes = read_all(path);
  for (size_t i = 0; i < sizeof damages / sizeof *damages; i++) {
    struct mw_slice text = mw_slice(damages[i].text, damages[i].text[1] ? 9 : 2 + (size_t)damages[i].text[0]);
    size_t found = 0;
    for (uint8_t *at = bytes.data, *end = at + bytes.len; (at = memmem(at, (size_t)(end - at), text.data, text.len));
         at++, found++) {
      write_at(path, (size_t)(at - bytes.data) + (size_t)damages[i].offset, &damages[i].byte, 1);
    }
    assert_true(found > 0);
    refuse(f, "damaged");
    write_at(path, 0, bytes.data, bytes.len);
  }
  size_t leaf = find_text(&bytes, 0, "value of it") / PAGE;
  write_at(path, leaf * PAGE + 10, "\x12", 1); /* a page in memory, which LMDB would write in place */
  for (leaf++; leaf < bytes.len / PAGE; leaf++) {
    if (memmem(bytes.data + leaf * PAGE, PAGE, "value of it", 11)) write_at(path, leaf * PAGE + 10, "\x12", 1);
  }
  refuse(f, "damaged");
  mw_buf_fini(&bytes);
  free(path);
}

/* Finds the first overflow page of the value that begins with `text`. */
static size_t find_run(const struct mw_buf *bytes, const char *text) {
  size_t at = 0;
  for (; (at = find_text(bytes, at, text)) < bytes->len; at++) {
    if ((at - HEADER - 24) % PAGE == 0 && bytes->data[at - HEADER - 24 + 10] == 0x04) return at / PAGE;
  }
  fail_msg("no overflow page has %s", text);
  return 0;
}

/* LMDB frees as many pages as the first one states, and would overwrite those of other records. */
static void too_many_overflow_pages_are_not_freed(void **state) {
  struct fixture *f = *state;
  char *fat = calloc(1, 20001);
  for (int i = 0; i < 4; i++) {
    memset(fat, 'a' + i, 20000);
    put(f, (char[]){'f', (char)('0' + i), 0}, fat);
  }
  char *path = closed_file(f);
  struct mw_buf bytes = read_all(path);
  size_t page = find_run(&bytes, "aaaaaaaa");
  uint8_t count = (uint8_t)(bytes.data[page * PAGE + 12] + 2);
  write_at(path, page * PAGE + 12, &count, 1);
  refuse(f, "used twice");
  assert_int_equal(open_large(f), 0);
  assert_int_equal(commit(f->store, &f->loop, txn_delete("f0")).code, MW_EDATA);
  assert_int_equal(commit(f->store, &f->loop, txn_put("f0", "new")).code, MW_EDATA);
  for (int i = 0; i < 20; i++) put(f, "other", fat);
  memset(fat, 'b', 20000);
  expect(f, "f1", fat);
  mw_buf_fini(&bytes);
  free(path);
  free(fat);
}

/* A value that one transaction wrote twice, smaller the second time, keeps the pages of the first. */
static void surplus_overflow_pages_are_sound(void **state) {
  struct fixture *f = *state;
  char *fat = calloc(1, 40000);
  memset(fat, 'x', 40000);
  struct mw_store_txn *txn = mw_store_txn_new();
  assert_int_equal(mw_store_txn_put(txn, str("k"), mw_slice(fat, 40000), 0), 0);
  assert_int_equal(mw_store_txn_put(txn, str("k"), mw_slice(fat, 9000), 0), 0);
  assert_int_equal(commit(f->store, &f->loop, txn).code, 0);
  put(f, "other", "value");
  char *path = closed_file(f);
  struct mw_buf bytes = read_all(path);
  size_t page = find_run(&bytes, "xxxxxxxx");
  assert_true(bytes.data[page * PAGE + 12] > 3);
  assert_int_equal(fixture_open(f, 0, NULL), 0);
  mw_store_close(f->store);
  assert_int_equal(open_large(f), 0);
  erase(f, "k");
  fixture_reopen(f);
  mw_buf_fini(&bytes);
  free(path);
  free(fat);
}

static void note_finding(void *arg, const char *words) { snprintf(arg, 200, "%s", words); }

static void a_damaged_count_of_pages_makes_no_store_full(void **state) {
  struct fixture *f = *state;
  put(f, "k", "v");
  char *path = closed_file(f);
  struct mw_buf bytes = read_all(path);
  for (uint8_t *at = bytes.data, *end = at + bytes.len; (at = memmem(at, (size_t)(end - at), "\4\0data", 6)); at++) {
    write_at(path, (size_t)(at - bytes.data) + 6 + 16 + 4, "\1", 1);
  }
  char found[200] = "";
  struct mw_store_check check = {.found = note_finding, .arg = found};
  assert_int_equal(mw_store_check(f->folder, &check, NULL), 0);
  assert_false(check.is_sound);
  assert_string_equal(found, "1 of 4294967297 pages are present");
  assert_int_equal(fixture_open(f, 0, NULL), 0);
  put(f, "k", "new");
  mw_buf_fini(&bytes);
  free(path);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(a_record_with_a_damaged_key_is_not_absent),
      TEST(a_record_with_a_damaged_length_of_its_key_is_not_absent),
      TEST(a_damaged_value_beside_an_absent_key_is_nothing_to_it),
      TEST(a_scan_does_not_miss_a_record_that_leaves_its_end),
      TEST(a_scan_does_not_miss_a_record_that_leaves_its_start),
      TEST(a_page_of_messages_does_not_miss_one_that_leaves_it),
      TEST(a_counter_with_a_damaged_name_issues_no_number_twice),
      TEST(headers_that_do_not_belong_together_are_refused),
      TEST(flags_that_cannot_be_are_damage),
      TEST(too_many_overflow_pages_are_not_freed),
      TEST(surplus_overflow_pages_are_sound),
      TEST(a_damaged_count_of_pages_makes_no_store_full),
  };
  return cmocka_run_group_tests_name("store_structure", tests, NULL, NULL);
}
