/* usage: store [FOLDER]
 *
 * Measures the store, in operations per second: durable inserts of a task of 175 bytes by one caller and by 64, each of
 * which waits for its insert before the next; and reads of a key and of a scan. FOLDER is created and kept; without it
 * a temporary folder is used. */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "store/store.h"

enum { MS = 2000, KEYS = 100000, VALUE = 175 };

static struct mw_store *store;
static struct mw_loop loop;
static int64_t end;
static long inserted, under_way;
static uint64_t number;

static void fail(const char *what) {
  fprintf(stderr, "store: %s\n", what);
  exit(1);
}

static struct mw_slice key_of(uint64_t n, char *key) {
  int len = snprintf(key, 32, "tasks%ctask-%09llu", 0, (unsigned long long)n);
  return mw_slice(key, (size_t)len);
}

static void done(void *arg, const struct mw_store_result *result);

static void insert(void) {
  static const uint8_t value[VALUE];
  char key[32];
  struct mw_slice at = key_of(++number, key);
  struct mw_store_txn *txn = mw_store_txn_new();
  if (!txn || mw_store_txn_compare(txn, at, MW_STORE_ABSENT) != 0 ||
      mw_store_txn_put(txn, at, mw_slice(value, sizeof value), 0) != 0) {
    fail("out of memory");
  }
  under_way++;
  mw_store_commit(store, txn, &loop, done, NULL);
}

static void done(void *arg, const struct mw_store_result *result) {
  if (result->code != 0) fail(result->text);
  inserted++;
  under_way--;
  if (mw_clock_mono() < end) insert();
}

static void measure_inserts(int callers) {
  inserted = 0;
  uint64_t commits = mw_store_commits(store);
  int64_t start = mw_clock_mono();
  end = start + (int64_t)MS * MW_NS_PER_MS;
  for (int i = 0; i < callers; i++) insert();
  while (under_way > 0) uv_run(&loop.uv, UV_RUN_ONCE);
  double seconds = (double)(mw_clock_mono() - start) / MW_NS_PER_S;
  commits = mw_store_commits(store) - commits;
  printf("durable inserts, %2d callers %12.0f per s   %6.1f in a commit   %6.0f us a commit\n", callers,
         (double)inserted / seconds, (double)inserted / (double)commits, seconds * 1e6 / (double)commits);
}

/* Fills the store in one transaction, so that reads have a tree of some depth. */
static void fill(void) {
  static const uint8_t value[VALUE];
  struct mw_store_txn *txn = mw_store_txn_new();
  for (uint64_t n = 0; txn && n < KEYS; n++) {
    char key[32];
    if (mw_store_txn_put(txn, key_of(n, key), mw_slice(value, sizeof value), 0) != 0) fail("out of memory");
  }
  end = 0;
  under_way++;
  mw_store_commit(store, txn, &loop, done, NULL);
  while (under_way > 0) uv_run(&loop.uv, UV_RUN_ONCE);
}

static void measure_gets(void) {
  struct mw_buf value = MW_BUF_INIT;
  char key[32];
  uint64_t n = 0;
  int64_t start = mw_clock_mono();
  for (long i = 0; i < 2000000; i++) {
    n = (n + 40503) % KEYS;
    mw_buf_clear(&value);
    if (mw_store_get(store, key_of(n, key), &value, NULL) != 0) fail("a key is missing");
  }
  printf("gets                        %12.0f per s\n", 2e6 / ((double)(mw_clock_mono() - start) / MW_NS_PER_S));
  mw_buf_fini(&value);
}

static void measure_scan(void) {
  struct mw_store_snapshot *snapshot;
  if (mw_store_snapshot_open(store, &snapshot, NULL) != 0) fail("no snapshot");
  long count = 0;
  int64_t start = mw_clock_mono();
  for (int round = 0; round < 10; round++) {
    struct mw_store_entry entry = {.key = {NULL, 0}};
    while (mw_store_snapshot_next(snapshot, mw_slice("tasks", 6), entry.key, false, &entry) == 0) count++;
  }
  printf("scanned                     %12.0f per s\n",
         (double)count / ((double)(mw_clock_mono() - start) / MW_NS_PER_S));
  mw_store_snapshot_close(snapshot);
}

int main(int argc, char **argv) {
  char folder[] = "/tmp/moonwire-bench-XXXXXX";
  struct mw_store_options options = {.path = argc > 1 ? argv[1] : mkdtemp(folder)};
  struct mw_err err = MW_ERR_INIT;
  if (!options.path || mw_loop_init(&loop, &err) != 0 || mw_store_open(&store, &options, &err) != 0) {
    fail(mw_err_text(&err));
  }
  fill();
  number = KEYS;
  measure_inserts(1);
  measure_inserts(64);
  measure_gets();
  measure_scan();
  mw_store_close(store);
  mw_loop_fini(&loop);
  if (argc > 1) return 0;
  const char *const names[] = {"store.mdb", "store.mdb-lock", "lock"};
  for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
    char path[64];
    snprintf(path, sizeof path, "%s/%s", folder, names[i]);
    unlink(path);
  }
  rmdir(folder);
  return 0;
}
