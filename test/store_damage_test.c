/* Damage in the store's file, at rest: a damaged page or record is an error for its readers, and never wrong data,
 * missing records, or a crash. Also stores of the format before checksums. */
#include "store_damage.h"

#include <lmdb.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "store/lmdb/store_check.h"

/* ---- records ---- */

static void a_damaged_record_is_reported(void **state) {
  struct fixture *f = *state;
  put(f, "a", "value of a");
  put(f, "b", "value of b");
  put(f, "c", "value of c");
  char *path = closed_file(f);
  damage_text(path, "value of b", 0, "V", 1);
  assert_int_equal(fixture_open(f, 0, NULL), 0);
  expect(f, "a", "value of a");
  expect(f, "c", "value of c");
  assert_int_equal(get(f, "b"), MW_EDATA);

  struct mw_store_snapshot *snapshot;
  struct mw_store_entry entry;
  assert_int_equal(mw_store_snapshot_open(f->store, &snapshot, NULL), 0);
  assert_int_equal(mw_store_snapshot_get(snapshot, str("b"), &entry), MW_EDATA);
  assert_int_equal(mw_store_snapshot_next(snapshot, str(""), mw_slice(NULL, 0), false, &entry), 0);
  assert_int_equal(mw_store_snapshot_next(snapshot, str(""), entry.key, false, &entry), MW_EDATA);
  assert_true(mw_slice_eq_str(entry.key, "b"));
  assert_int_equal(mw_store_snapshot_next(snapshot, str(""), entry.key, false, &entry), 0); /* after it */
  assert_true(mw_slice_eq_str(entry.key, "c"));
  assert_int_equal(mw_store_snapshot_next(snapshot, str(""), entry.key, true, &entry), MW_EDATA);
  assert_true(mw_slice_eq_str(entry.key, "b"));
  mw_store_snapshot_close(snapshot);

  struct mw_store_txn *txn = txn_put("b", "new");
  assert_int_equal(mw_store_txn_compare(txn, str("b"), MW_STORE_ABSENT), 0);
  struct outcome outcome = commit(f->store, &f->loop, txn);
  assert_int_equal(outcome.code, MW_EDATA);
  assert_non_null(strstr(outcome.text, "the record of b is damaged: delete it or put it anew, or restore a backup"));
  put(f, "b", "anew");
  expect(f, "b", "anew");
  free(path);
}

static void a_damaged_record_can_be_deleted(void **state) {
  struct fixture *f = *state;
  put(f, "b", "value of b");
  char *path = closed_file(f);
  damage_text(path, "value of b", 0, "V", 1);
  assert_int_equal(fixture_open(f, 0, NULL), 0);
  assert_int_equal(get(f, "b"), MW_EDATA);
  erase(f, "b");
  expect(f, "b", NULL);
  free(path);
}

/* Copies header and value of another record, which are sound by themselves. */
static void a_record_under_another_key_is_reported(void **state) {
  struct fixture *f = *state;
  put(f, "a", "value of a");
  put(f, "b", "value of b");
  char *path = closed_file(f);
  struct mw_buf bytes = read_all(path);
  damage_text(path, "value of b", -24, bytes.data + find_text(&bytes, 0, "value of a") - 24, 34);
  mw_buf_fini(&bytes);
  assert_int_equal(fixture_open(f, 0, NULL), 0);
  expect(f, "a", "value of a");
  assert_int_equal(get(f, "b"), MW_EDATA);
  free(path);
}

/* Flips each bit of header, value and key in turn. */
static void no_bit_of_a_record_changes_unnoticed(void **state) {
  struct fixture *f = *state;
  put(f, "key-of-it", "value of it");
  char *path = closed_file(f);
  struct mw_buf bytes = read_all(path);
  size_t end = find_text(&bytes, 0, "value of it") + strlen("value of it"), start = end - 11 - 24 - 9;
  for (size_t at = start; at < end; at++) {
    for (int bit = 0; bit < 8; bit++) {
      uint8_t byte = (uint8_t)(bytes.data[at] ^ 1u << bit);
      write_at(path, at, &byte, 1);
      assert_int_equal(fixture_open(f, 0, NULL), 0);
      assert_int_equal(get(f, "key-of-it"), MW_EDATA);
      struct mw_store_snapshot *snapshot;
      struct mw_store_entry entry;
      assert_int_equal(mw_store_snapshot_open(f->store, &snapshot, NULL), 0);
      assert_int_equal(mw_store_snapshot_next(snapshot, str(""), mw_slice(NULL, 0), false, &entry), MW_EDATA);
      mw_store_snapshot_close(snapshot);
      mw_store_close(f->store);
      f->store = NULL;
    }
    write_at(path, at, bytes.data + at, 1);
  }
  mw_buf_fini(&bytes);
  free(path);
}

static void a_damaged_counter_issues_no_number_twice(void **state) {
  struct fixture *f = *state;
  assert_int_equal(next_number(f->store, &f->loop, "ids"), 1);
  char *path = closed_file(f);
  damage_text(path, "csids", 5, "\x00\x01", 2);
  assert_int_equal(fixture_open(f, 0, NULL), 0);
  uint64_t number;
  assert_int_equal(mw_store_sequence_next(f->store, str("ids"), &number, &f->loop, take_outcome, NULL), MW_EDATA);
  free(path);
}

/* ---- pages ---- */

static void value_of(int i, char *value) { sprintf(value, "value %06d %0200d", i, i * 7); }

enum { KEYS = 3000, LONG = 7 };

static void fill(struct fixture *f) {
  struct mw_store_txn *txn = mw_store_txn_new();
  for (int i = 0; i < KEYS; i++) {
    char key[16], value[300];
    snprintf(key, sizeof key, "k%06d", i);
    value_of(i, value);
    assert_int_equal(mw_store_txn_put(txn, str(key), str(value), i % 10 == 0 ? fixture_now * 2 : 0), 0);
  }
  char *fat = calloc(1, 20000);
  for (int i = 0; i < LONG; i++) {
    char key[16];
    snprintf(key, sizeof key, "fat%d", i);
    memset(fat, 'a' + i, 20000);
    assert_int_equal(mw_store_txn_put(txn, str(key), mw_slice(fat, 20000), 0), 0);
  }
  free(fat);
  assert_int_equal(commit(f->store, &f->loop, txn).code, 0);
  for (int i = 0; i < 40; i++) put(f, "changes", i % 2 ? "often" : "often, so that pages are freed");
  assert_int_equal(next_number(f->store, &f->loop, "ids"), 1);
}

/* Reads everything. Each record is right, or an error. Returns true if there was an error. */
static bool read_everything(struct fixture *f) {
  bool reported = false;
  for (int i = 0; i < KEYS; i += 3) {
    char key[16], value[300];
    snprintf(key, sizeof key, "k%06d", i);
    value_of(i, value);
    struct mw_buf got = MW_BUF_INIT;
    int rc = mw_store_get(f->store, str(key), &got, NULL);
    if (rc == 0) assert_string_equal(mw_buf_str(&got), value);
    else assert_int_equal(rc, MW_EDATA);
    reported = reported || rc != 0;
    mw_buf_fini(&got);
  }
  for (int reverse = 0; reverse < 2; reverse++) {
    struct mw_store_snapshot *snapshot;
    struct mw_store_entry entry = {.key = {NULL, 0}};
    if (mw_store_snapshot_open(f->store, &snapshot, NULL) != 0) return true;
    int rc, count = 0;
    while ((rc = mw_store_snapshot_next(snapshot, str(""), entry.key, reverse, &entry)) == 0) count++;
    if (rc == MW_ENOTFOUND) assert_int_equal(count, KEYS + LONG + 1);
    else assert_int_equal(rc, MW_EDATA);
    reported = reported || rc == MW_EDATA;
    mw_store_snapshot_close(snapshot);
  }
  return reported;
}

/* Writes all over the tree. Each write succeeds or is refused. */
static void write_everything(struct fixture *f) {
  for (int i = 0; i < KEYS; i += 300) {
    char key[16];
    snprintf(key, sizeof key, "k%06d", i);
    struct outcome outcome = commit(f->store, &f->loop, i % 600 ? txn_put(key, "changed") : txn_delete(key));
    if (outcome.code == 0) continue;
    if (outcome.code != MW_EDATA && outcome.code != MW_EIO) fail_msg("%d: %s", outcome.code, outcome.text);
  }
}

static void damage_page(const struct mw_buf *whole, uint8_t *bytes, size_t page, int kind, unsigned *seed) {
  memcpy(bytes, whole->data, whole->len);
  uint8_t *at = bytes + page * PAGE;
  switch (kind) {
    case 0: memset(at, 0, PAGE); break;
    case 1: memset(at, 0xff, PAGE); break;
    case 2: memcpy(at, whole->data + (page + 7) % (whole->len / PAGE) * PAGE, PAGE); break; /* another page */
    case 3: memset(at + 16, 0x7f, 600); break;
    case 4: /* bytes of the header and the nodes' offsets */
      for (int i = 0; i < 3; i++) at[rand_r(seed) % 64] ^= (uint8_t)(1 << rand_r(seed) % 8);
      break;
    default: /* anywhere */
      for (int i = 0; i < 3; i++) at[rand_r(seed) % PAGE] ^= (uint8_t)(1 << rand_r(seed) % 8);
  }
}

/* Opens it like a store that is too large to be checked completely. */
static void damaged_pages_of_a_large_store_are_found(void **state) {
  struct fixture *f = *state;
  fill(f);
  char *path = closed_file(f);
  struct mw_buf whole = read_all(path);
  uint8_t *bytes = malloc(whole.len);
  unsigned seed = 20261130, reported = 0;
  size_t pages = whole.len / PAGE;
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  size_t step = 41;
#else
  size_t step = 11;
#endif
  for (size_t page = 2; page < pages; page += step) {
    for (int kind = 0; kind < 6; kind++) {
      damage_page(&whole, bytes, page, kind, &seed);
      write_at(path, 0, bytes, whole.len);
      assert_int_equal(truncate(path, (off_t)whole.len), 0);
      struct mw_store_options options = {.path = f->folder, .clock = fixture_clock, .check_pages = 2};
      struct mw_err err = MW_ERR_INIT;
      int rc = mw_store_open(&f->store, &options, &err);
      mw_err_fini(&err);
      if (rc != 0) {
        assert_int_equal(rc, MW_EFORMAT);
        f->store = NULL;
        reported++;
        continue;
      }
      reported += read_everything(f);
      write_everything(f);
      mw_store_close(f->store);
      f->store = NULL;
    }
  }
  assert_true(reported > 20);
  free(bytes);
  mw_buf_fini(&whole);
  free(path);
}

/* A record may expire by its header alone, or by the expiry entry of another one. */
static void damage_expires_nothing(void **state) {
  struct fixture *f = *state;
  int64_t soon = fixture_now + MW_NS_PER_S;
  struct mw_store_txn *txn = mw_store_txn_new();
  assert_int_equal(mw_store_txn_put(txn, str("goes"), str("soon"), soon), 0);
  assert_int_equal(mw_store_txn_put(txn, str("damaged"), str("value of it"), soon), 0);
  assert_int_equal(mw_store_txn_put(txn, str("stays"), str("for ever"), 0), 0);
  assert_int_equal(commit(f->store, &f->loop, txn).code, 0);
  char *path = closed_file(f);
  damage_text(path, "value of it", 0, "V", 1);
  MDB_env *env;
  MDB_txn *raw;
  MDB_dbi expiry;
  assert_int_equal(mdb_env_create(&env), 0);
  assert_int_equal(mdb_env_set_maxdbs(env, 4), 0);
  assert_int_equal(mdb_env_open(env, path, MDB_NOSUBDIR, 0600), 0);
  assert_int_equal(mdb_txn_begin(env, NULL, 0, &raw), 0);
  assert_int_equal(mdb_dbi_open(raw, "expiry", 0, &expiry), 0);
  const char *const extra[] = {"stays", "never there"};
  for (int i = 0; i < 2; i++) {
    uint8_t key[64];
    for (int at = 0; at < 8; at++) key[at] = (uint8_t)((uint64_t)soon >> (56 - 8 * at));
    memcpy(key + 8, extra[i], strlen(extra[i]));
    MDB_val k = {8 + strlen(extra[i]), key}, v = {0, NULL};
    assert_int_equal(mdb_put(raw, expiry, &k, &v, 0), 0);
  }
  assert_int_equal(mdb_txn_commit(raw), 0);
  mdb_env_close(env);
  assert_int_equal(fixture_open(f, 0, NULL), 0);
  uint64_t commits = mw_store_commits(f->store);
  __atomic_store_n(&fixture_now, soon + 2 * (int64_t)MW_NS_PER_S, __ATOMIC_SEQ_CST);
  put(f, "wakes", "the writer");
  while (mw_store_commits(f->store) < commits + 2) usleep(1000);
  expect(f, "goes", NULL);
  expect(f, "stays", "for ever");
  assert_int_equal(get(f, "damaged"), MW_EDATA);
  uint64_t after = mw_store_commits(f->store);
  put(f, "more", "of it");
  mw_store_flush(f->store);
  assert_int_equal(mw_store_commits(f->store), after + 1); /* the entries are gone, so nothing is retried */
  free(path);
}

/* ---- truncated while in use ---- */

static void a_file_cut_short_under_the_store_is_survived(void **state) {
  struct fixture *f = *state;
  fill(f);
  fixture_reopen(f); /* after cmocka has installed its signal handlers */
  char *path = fixture_path(f, "store.mdb");
  assert_int_equal(truncate(path, 8 * PAGE), 0);
  assert_true(read_everything(f));
  char why[200];
  struct outcome outcome = commit(f->store, &f->loop, txn_put("k", "v"));
  assert_int_equal(outcome.code, MW_EIO);
  assert_non_null(strstr(outcome.text, "store.mdb: a page of the file cannot be read"));
  assert_true(mw_store_unhealthy(f->store, why, sizeof why));
  assert_non_null(strstr(why, "restart to recover"));
  free(path);
}

/* A delete makes LMDB merge a page with the previous one. Keys put in reverse order give that page the greater
 * number, so that it is lost when the file is truncated. */
static void deletes_in_a_file_cut_short_are_refused(void **state) {
  struct fixture *f = *state;
  enum { MERGED = 1000 };
  struct mw_store_txn *puts = mw_store_txn_new(), *deletes = mw_store_txn_new();
  for (int i = MERGED; i-- > 0;) {
    char key[16], value[300];
    snprintf(key, sizeof key, "k%06d", i);
    value_of(i, value);
    assert_int_equal(mw_store_txn_put(puts, str(key), str(value), 0), 0);
    assert_int_equal(mw_store_txn_delete(deletes, str(key)), 0);
  }
  assert_int_equal(commit(f->store, &f->loop, puts).code, 0);
  fixture_reopen(f);
  char *path = fixture_path(f, "store.mdb");
  struct stat st;
  assert_int_equal(stat(path, &st), 0);
  assert_int_equal(truncate(path, st.st_size / PAGE / 2 * PAGE), 0);
  struct outcome outcome = commit(f->store, &f->loop, deletes);
  assert_int_equal(outcome.code, MW_EIO);
  if (!strstr(outcome.text, "store.mdb: a page of the file cannot be read")) fail_msg("got: %s", outcome.text);
  free(path);
}

/* ---- format 1 ---- */

static void put_raw(MDB_txn *txn, MDB_dbi dbi, const char *key, const void *value, size_t len) {
  MDB_val k = {strlen(key), (void *)(uintptr_t)key}, v = {len, (void *)(uintptr_t)value};
  assert_int_equal(mdb_put(txn, dbi, &k, &v, 0), 0);
}

/* Makes a store as the previous version wrote it. */
static void write_old(const char *path) {
  MDB_env *env;
  MDB_txn *txn;
  MDB_dbi meta, data, expiry;
  unlink(path);
  assert_int_equal(mdb_env_create(&env), 0);
  assert_int_equal(mdb_env_set_maxdbs(env, 4), 0);
  assert_int_equal(mdb_env_open(env, path, MDB_NOSUBDIR, 0600), 0);
  assert_int_equal(mdb_txn_begin(env, NULL, 0, &txn), 0);
  assert_int_equal(mdb_dbi_open(txn, "meta", MDB_CREATE, &meta), 0);
  assert_int_equal(mdb_dbi_open(txn, "data", MDB_CREATE, &data), 0);
  assert_int_equal(mdb_dbi_open(txn, "expiry", MDB_CREATE, &expiry), 0);
  uint64_t format = 1, revision = 9, number = 16;
  put_raw(txn, meta, "f", &format, 8);
  put_raw(txn, meta, "cr", &revision, 8);
  put_raw(txn, meta, "csids", &number, 8);
  put_raw(txn, data, "old",
          "\x05\0\0\0\0\0\0\0"
          "\0\0\0\0\0\0\0\0"
          "an old value",
          28);
  put_raw(txn, data, "empty",
          "\x09\0\0\0\0\0\0\0"
          "\0\0\0\0\0\0\0\0",
          16);
  put_raw(txn, data, "newer than all",
          "\x0a\0\0\0\0\0\0\0"
          "\0\0\0\0\0\0\0\0"
          "?",
          17);
  assert_int_equal(mdb_txn_commit(txn), 0);
  mdb_env_close(env);
}

static void a_store_of_the_format_before_goes_on(void **state) {
  struct fixture *f = *state;
  char *path = closed_file(f);
  write_old(path);
  for (int round = 0; round < 2; round++) {
    assert_int_equal(fixture_open(f, 0, NULL), 0);
    expect(f, "old", "an old value");
    expect(f, "empty", "");
    assert_int_equal(get(f, "newer than all"), MW_EDATA); /* later records have a checksum */
    mw_store_close(f->store);
  }
  assert_int_equal(fixture_open(f, 0, NULL), 0);
  assert_int_equal(next_number(f->store, &f->loop, "ids"), 17);
  assert_int_equal(put(f, "new", "one"), 10);
  put(f, "empty", "no longer");
  fixture_reopen(f);
  expect(f, "old", "an old value");
  expect(f, "new", "one");
  expect(f, "empty", "no longer");
  free(path);
}

/* ---- the complete check ---- */

struct findings {
  int count;
  char text[2000];
};

static void take_finding(void *arg, const char *words) {
  struct findings *findings = arg;
  findings->count++;
  strncat(findings->text, words, sizeof findings->text - strlen(findings->text) - 2);
  strcat(findings->text, "\n");
}

static struct mw_store_check check(struct fixture *f, struct findings *findings, int expected) {
  *findings = (struct findings){0};
  struct mw_store_check check = {.found = take_finding, .arg = findings};
  struct mw_err err = MW_ERR_INIT;
  int rc = mw_store_check(f->folder, &check, &err);
  if (rc != expected) fail_msg("%d: %s", rc, mw_err_text(&err));
  mw_err_fini(&err);
  return check;
}

static void the_check_finds_damage(void **state) {
  struct fixture *f = *state;
  struct findings findings;
  fill(f);
  struct mw_slice key = mw_slice("tasks\0task-7", 12);
  struct mw_store_txn *txn = mw_store_txn_new();
  assert_int_equal(mw_store_txn_put(txn, key, str("value of task-7"), 0), 0);
  assert_int_equal(mw_store_txn_put(txn, mw_slice("numbers\0\x80\0\0\0\0\0\0\x2a", 16), str("value of 42"), 0), 0);
  assert_int_equal(commit(f->store, &f->loop, txn).code, 0);
  char *path = closed_file(f);
  struct mw_store_check sound = check(f, &findings, 0);
  assert_true(!sound.running && sound.is_sound);
  assert_int_equal(sound.records, KEYS + LONG + 3);
  assert_int_equal(findings.count, 0);

  damage_text(path, "value of task-7", 0, "V", 1);
  damage_text(path, "value of 42", 0, "V", 1);
  struct mw_store_check damaged = check(f, &findings, 0);
  assert_false(damaged.is_sound);
  assert_int_equal(damaged.damaged, 2);
  assert_int_equal(findings.count, 2);
  assert_non_null(strstr(findings.text, "the record of tasks task-7 is damaged: its checksum does not match\n"));
  assert_non_null(strstr(findings.text, "the record of numbers 42 is damaged"));

  struct mw_buf bytes = read_all(path);
  size_t leaf = find_text(&bytes, 0, "value 001500") / PAGE;
  mw_buf_fini(&bytes);
  write_at(path, leaf * PAGE, "\xff\xff\xff", 3);
  check(f, &findings, 0);
  char words[100];
  snprintf(words, sizeof words, "page %zu is damaged, and with it the records from k0014", leaf);
  assert_non_null(strstr(findings.text, words));
  assert_int_equal(findings.count, 3);
  free(path);
}

static void the_check_reports_a_truncated_file(void **state) {
  struct fixture *f = *state;
  struct findings findings;
  char *path = closed_file(f);
  struct mw_buf bytes = read_all(path);
  size_t size = bytes.len;
  mw_buf_fini(&bytes);
  assert_int_equal(truncate(path, 2 * PAGE + 100), 0);
  assert_false(check(f, &findings, 0).is_sound);
  char words[100];
  snprintf(words, sizeof words, "the file is truncated: %d bytes are left of %zu\n", 2 * PAGE + 100, size);
  assert_ptr_equal(strstr(findings.text, words), findings.text);
  free(path);
}

static void the_check_refuses_other_files(void **state) {
  struct fixture *f = *state;
  struct findings findings;
  char *path = closed_file(f);
  write_old(path);
  struct mw_store_check old = check(f, &findings, 0);
  assert_int_equal(old.without_checksum, 3);
  assert_true(old.is_sound);
  assert_int_equal(truncate(path, 0), 0);
  check(f, &findings, MW_EFORMAT);
  write_at(path, 0, "something else", 14);
  check(f, &findings, MW_EFORMAT);
  unlink(path);
  check(f, &findings, MW_ENOTFOUND);
  assert_int_equal(mkfifo(path, 0600), 0); /* which must not block the check */
  check(f, &findings, MW_EIO);
  free(path);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(a_damaged_record_is_reported),
      TEST(a_damaged_record_can_be_deleted),
      TEST(a_record_under_another_key_is_reported),
      TEST(no_bit_of_a_record_changes_unnoticed),
      TEST(a_damaged_counter_issues_no_number_twice),
      TEST(damaged_pages_of_a_large_store_are_found),
      TEST(damage_expires_nothing),
      TEST(a_file_cut_short_under_the_store_is_survived),
      TEST(deletes_in_a_file_cut_short_are_refused),
      TEST(a_store_of_the_format_before_goes_on),
      TEST(the_check_finds_damage),
      TEST(the_check_reports_a_truncated_file),
      TEST(the_check_refuses_other_files),
  };
  return cmocka_run_group_tests_name("store_damage", tests, NULL, NULL);
}
