#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "store/lmdb/lmdb_impl.h"

/* ---- the environment ---- */

static int open_env(struct mw_lmdb *lm, size_t map_size, unsigned flags, struct mw_err *err) {
  int major, minor;
  const char *version = mdb_version(&major, &minor, NULL);
  if (major != MDB_VERSION_MAJOR || minor != MDB_VERSION_MINOR) {
    return mw_err_set(err, MW_EUNSUPPORTED, "%s: needs LMDB %d.%d, the library is %s", lm->path, MDB_VERSION_MAJOR,
                      MDB_VERSION_MINOR, version);
  }
  int rc = mdb_env_create(&lm->env);
  if (rc != 0) return mw_lmdb_fail_open(lm, rc, err);
  lm->page_size = (size_t)sysconf(_SC_PAGESIZE);
  lm->limit_pages = map_size / lm->page_size;
  size_t spare = lm->limit_pages / 16 + 1024;
  mw_lmdb_find_flags(lm);
  mw_lmdb_set_trap(lm->env);
  rc = mdb_env_set_mapsize(lm->env, (lm->limit_pages + spare) * lm->page_size);
  if (rc == 0) rc = mdb_env_set_maxreaders(lm->env, MW_LMDB_READERS);
  if (rc == 0) rc = mdb_env_set_maxdbs(lm->env, 3);
  if (rc == 0) rc = mdb_env_open(lm->env, lm->path, flags | MDB_NOSUBDIR | MDB_NOTLS, 0600);
  return rc == 0 ? 0 : mw_lmdb_fail_open(lm, rc, err);
}

/* ---- the map ----
 * LMDB's API does not return the address of its map. But the record of a database lies in the map, in the only page
 * of the main tree, and the meta pages hold the number of that page. */

/* Reads the page number of the main tree's root, as of the last commit. */
static int read_root(struct mw_lmdb *lm, uint64_t *root, size_t *page_size) {
  int fd;
  uint8_t first[MW_LMDB_META], second[MW_LMDB_META];
  if (mdb_env_get_fd(lm->env, &fd) != 0 || pread(fd, first, sizeof first, 0) != sizeof first) return EIO;
  *page_size = mw_read32(first + MW_PAGE_HEADER + 24);
  if (pread(fd, second, sizeof second, (off_t)*page_size) != sizeof second) return EIO;
  bool newer = mw_read64(second + MW_PAGE_HEADER + 128) > mw_read64(first + MW_PAGE_HEADER + 128);
  *root = mw_read64((newer ? second : first) + MW_PAGE_HEADER + 24 + MW_TREE_RECORD + 40);
  return 0;
}

static int find_map(struct mw_lmdb *lm, const uint8_t *record) {
  uint64_t root;
  int rc = read_root(lm, &root, &lm->page_size);
  if (rc != 0) return rc;
  size_t step = (size_t)sysconf(_SC_PAGESIZE);
  const uint8_t *page = record - (uintptr_t)record % step;
  for (size_t back = 0; back < lm->page_size; back += step, page -= step) {
    if (mw_read64(page) != root) continue;
    lm->pages.base = page - root * lm->page_size;
    return 0;
  }
  return MDB_CORRUPTED;
}

static void grow(struct mw_pages *pages) {
  struct mw_lmdb *lm = MW_CONTAINER(pages, struct mw_lmdb, pages);
  MDB_envinfo info;
  if (mdb_env_info(lm->env, &info) != 0 || info.me_last_pgno >= info.me_mapsize / pages->page_size) return;
  uint64_t count = info.me_last_pgno + 1, old = atomic_load(&pages->count);
  while (old < count && !atomic_compare_exchange_weak(&pages->count, &old, count)) {
  }
}

/* After the databases are open. */
static int open_pages(struct mw_lmdb *lm, struct mw_err *err) {
  MDB_txn *txn;
  int rc = mdb_txn_begin(lm->env, NULL, MDB_RDONLY, &txn);
  if (rc != 0) return mw_lmdb_fail_open(lm, rc, err);
  MDB_val k = {4, "data"}, v;
  rc = mdb_get(txn, lm->main, &k, &v);
  if (rc == 0) rc = find_map(lm, v.mv_data);
  mdb_txn_abort(txn);
  MDB_envinfo info;
  if (rc == 0) rc = mdb_env_info(lm->env, &info);
  if (rc != 0) return mw_lmdb_fail_open(lm, rc, err);
  lm->pages.page_size = lm->page_size;
  lm->pages.grow = grow;
  grow(&lm->pages);
  mw_mapped_range_watch(&lm->mapped, lm->pages.base, info.me_mapsize);
  return 0;
}

/* ---- with files ---- */

/* Makes the names of new files durable. */
static int sync_folder(const char *folder, struct mw_err *err) {
  int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return mw_lmdb_fail_errno(err, folder);
  int rc = fsync(fd) == 0 ? 0 : mw_lmdb_fail_errno(err, folder);
  close(fd);
  return rc;
}

/* Allocates a bit for each page that the map can have with the smallest page size. */
static int make_bits(struct mw_lmdb *lm, size_t map_size, struct mw_err *err) {
  struct stat st;
  size_t size = lm->data_fd >= 0 && fstat(lm->data_fd, &st) == 0 ? (size_t)st.st_size : 0;
  size_t pages = (map_size + map_size / 16 + size) / 512 + 65536;
  lm->pages.checked = calloc(pages / 8 + 1, 1);
  return lm->pages.checked ? 0 : mw_err_set(err, MW_ENOMEM, "%s: out of memory", lm->path);
}

static int open_in_folder(struct mw_lmdb *lm, const char *folder, size_t map_size, uint64_t check_pages,
                          struct mw_err *err) {
  int rc = mw_lmdb_files_open(lm, folder, err);
  if (rc == 0) rc = make_bits(lm, map_size, err);
  if (rc == 0) rc = mw_lmdb_check(lm->data_fd, lm->path, check_pages, &lm->pages, &lm->fully_checked, err);
  if (rc == 0) rc = open_env(lm, map_size, 0, err);
  if (rc == 0) rc = mw_lmdb_databases(lm, err);
  if (rc == 0) rc = open_pages(lm, err);
  if (rc == 0) rc = sync_folder(folder, err);
  return rc;
}

/* ---- without files ---- */

static char *make_hidden_folder(void) {
  const char *tmp = getenv("TMPDIR");
  const char *const places[] = {"/dev/shm", tmp, "/tmp"};
  for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
    char *folder = places[i] && places[i][0] ? mw_lmdb_join(places[i], "moonwire-XXXXXX") : NULL;
    if (folder && mkdtemp(folder)) return folder;
    free(folder);
  }
  return NULL;
}

static int open_in_memory(struct mw_lmdb *lm, size_t map_size, struct mw_err *err) {
  char *folder = make_hidden_folder();
  if (!folder) return mw_err_set(err, MW_EIO, ":memory:: no temporary folder can be made in /dev/shm, TMPDIR or /tmp");
  lm->path = mw_lmdb_join(folder, MW_STORE_FILE);
  char *lock = mw_lmdb_join(folder, MW_STORE_FILE "-lock");
  int rc = lm->path && lock ? 0 : mw_err_set(err, MW_ENOMEM, ":memory:: out of memory");
  if (rc == 0) rc = open_env(lm, map_size, MDB_NOSYNC, err);
  /* Unlinked while open: the kernel frees them at the end of the process. */
  if (lm->path) unlink(lm->path);
  if (lock) unlink(lock);
  rmdir(folder);
  free(lock);
  free(folder);
  if (rc == 0) rc = make_bits(lm, map_size, err);
  if (rc == 0) rc = mw_lmdb_databases(lm, err);
  lm->fully_checked = true;
  return rc == 0 ? open_pages(lm, err) : rc;
}

int mw_lmdb_open(struct mw_backend **out, const char *path, size_t map_size, uint64_t check_pages, struct mw_err *err) {
  struct mw_lmdb *lm = aligned_alloc(_Alignof(struct mw_lmdb), sizeof *lm);
  if (!lm) return mw_err_set(err, MW_ENOMEM, "%s: out of memory", path);
  *lm = (struct mw_lmdb){.base = {&mw_lmdb_ops}, .lock_fd = -1, .data_fd = -1};
  mw_lmdb_views_init(lm);
  bool memory = strcmp(path, ":memory:") == 0;
  int rc = memory ? open_in_memory(lm, map_size, err) : open_in_folder(lm, path, map_size, check_pages, err);
  if (rc != 0) {
    mw_lmdb_ops.close(&lm->base);
    return rc;
  }
  *out = &lm->base;
  return 0;
}
