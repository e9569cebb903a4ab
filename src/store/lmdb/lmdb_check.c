#include <errno.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "store/lmdb/lmdb_impl.h"
#include "store/page/walk.h"

/* Bounds on the pages and the time of the check, so that a store of any size starts soon. */
enum { CHECK_PAGES = 65536, SAMPLE_PAGES = 8192 };
#define CHECK_TIME ((int64_t)2 * MW_NS_PER_S)

static int check_trees(struct mw_walk *walk, uint64_t budget, bool *fully_checked) {
  walk->budget = UINT64_MAX;
  walk->until = MW_NEVER;
  if (!mw_walk_free(walk)) return MW_EDATA;
  struct mw_tree data, expiry, meta;
  if (!mw_walk_main(walk, &data, &expiry, &meta) || !mw_walk_tree(walk, &meta)) return MW_EDATA;
  walk->budget = budget > 0 ? budget : CHECK_PAGES;
  walk->until = mw_clock_real() + CHECK_TIME;
  if (!mw_walk_tree(walk, &data) || !mw_walk_tree(walk, &expiry)) return MW_EDATA;
  *fully_checked = !walk->out_of_budget;
  if (*fully_checked) return 0;
  if (mw_walk_truncated(walk)) return MW_EDATA;
  walk->budget = budget > 0 ? budget : SAMPLE_PAGES;
  walk->until = mw_clock_real() + CHECK_TIME;
  return mw_walk_sample(walk, &data) && mw_walk_sample(walk, &expiry) ? 0 : MW_EDATA;
}

static int fail(struct mw_walk *walk, size_t size, const char *path, struct mw_err *err) {
  if (mw_walk_truncated(walk)) {
    return mw_err_set(err, MW_EFORMAT, "%s: truncated: %zu bytes are left of %zu; restore a backup", path, size,
                      (size_t)(walk->last + 1) * walk->pages->page_size);
  }
  return mw_err_set(err, MW_EFORMAT, "%s: damaged: %s; `moonwire store check` lists it all, restore a backup", path,
                    walk->first_finding);
}

static int check_mapped(const uint8_t *base, size_t size, const char *path, uint64_t budget, struct mw_pages *pages,
                        bool *fully_checked, struct mw_err *err) {
  struct mw_walk walk = {.pages = pages};
  int rc = mw_walk_open(&walk, base, size, path, err);
  if (rc == 0 && check_trees(&walk, budget, fully_checked) != 0) rc = fail(&walk, size, path, err);
  mw_walk_close(&walk);
  return rc;
}

int mw_lmdb_check(int fd, const char *path, uint64_t budget, struct mw_pages *pages, bool *fully_checked,
                  struct mw_err *err) {
  struct stat st;
  *fully_checked = true;
  if (fstat(fd, &st) != 0) return mw_err_set(err, MW_EIO, "%s: %s", path, strerror(errno));
  if (!S_ISREG(st.st_mode)) return mw_err_set(err, MW_EIO, "%s: not a regular file", path);
  if (st.st_size == 0) return 0;
  size_t size = (size_t)st.st_size;
  uint8_t *base = mmap(NULL, size, PROT_READ, MAP_SHARED, fd, 0);
  if (base == MAP_FAILED) return mw_err_set(err, MW_EIO, "%s: %s", path, strerror(errno));
  struct mw_mapped_range range;
  mw_mapped_range_watch(&range, base, size);
  struct mw_pages mapped = {.checked = pages->checked};
  int rc = check_mapped(base, size, path, budget, &mapped, fully_checked, err);
  mw_mapped_range_unwatch(&range);
  munmap(base, size);
  if (rc == 0 && atomic_load(&range.faulted))
    return mw_err_set(err, MW_EIO, "%s: part of the file cannot be read", path);
  return rc;
}
