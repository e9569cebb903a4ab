/* Reads an LMDB data file as LMDB lays it out (version 1 of its format, 64-bit): two meta pages, then B+trees of branch
 * and leaf pages. Every page, node and overflow run that the newer meta page leads to must lie where it can be, so that
 * LMDB, which checks none of this, does not run off the file. What free pages hold, or whether they are there at
 * all, does not matter: a file may end before its last free page. */
#include <errno.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "store/lmdb.h"

_Static_assert(sizeof(size_t) == 8, "the layout below is that of 64-bit LMDB");

enum {
  PAGE_HEADER = 16,
  PAGE_BRANCH = 0x01,
  PAGE_LEAF = 0x02,
  PAGE_OVERFLOW = 0x04,
  PAGE_META = 0x08,
  NODE_HEADER = 8,
  NODE_BIG = 0x01, /* the value is in overflow pages, the node has their number */
  NODE_TREE = 0x02, /* the value is a database's record */
  TREE_SIZE = 48,
  META_SIZE = 136,
  MAX_DEPTH = 32
};

#define META_MAGIC 0xBEEFC0DEu
#define NO_PAGE UINT64_MAX

struct check {
  const uint8_t *base;
  size_t size, page_size;
  uint64_t last;    /* the last page in use, as the meta page has it */
  uint64_t budget;  /* pages that may still be visited: more would be a cycle */
};

static uint16_t read16(const uint8_t *at) {
  uint16_t v;
  memcpy(&v, at, sizeof v);
  return v;
}

static uint32_t read32(const uint8_t *at) {
  uint32_t v;
  memcpy(&v, at, sizeof v);
  return v;
}

static uint64_t read64(const uint8_t *at) {
  uint64_t v;
  memcpy(&v, at, sizeof v);
  return v;
}

/* `count` pages from number `first`, or NULL when they are not all in the file or the first is not of `kind`. */
static const uint8_t *pages_at(struct check *c, uint64_t first, uint64_t count, int kind) {
  if (first > c->last || count == 0 || count > c->last - first + 1 || count > c->budget) return NULL;
  if ((first + count) * c->page_size > c->size) return NULL;
  c->budget -= count;
  const uint8_t *page = c->base + first * c->page_size;
  return read64(page) == first && (read16(page + 10) & 0x0f) == kind ? page : NULL;
}

static bool tree_ok(struct check *c, const uint8_t *tree);

static bool overflow_ok(struct check *c, uint64_t first, size_t len) {
  uint64_t count = (PAGE_HEADER - 1 + len) / c->page_size + 1;
  const uint8_t *page = pages_at(c, first, count, PAGE_OVERFLOW);
  return page && read32(page + 12) >= count;
}

static bool leaf_node_ok(struct check *c, const uint8_t *node, size_t room) {
  size_t len = read32(node), flags = read16(node + 4), key = read16(node + 6);
  size_t inside = flags & NODE_BIG ? 8 : len;
  if (inside > room - NODE_HEADER || key > room - NODE_HEADER - inside) return false;
  const uint8_t *value = node + NODE_HEADER + key;
  if (flags & NODE_BIG) return overflow_ok(c, read64(value), len);
  if (flags & NODE_TREE) return len == TREE_SIZE && tree_ok(c, value);
  return true;
}

static bool page_ok(struct check *c, uint64_t number, unsigned depth) {
  bool leaf = depth == 1;
  const uint8_t *page = pages_at(c, number, 1, leaf ? PAGE_LEAF : PAGE_BRANCH);
  if (!page) return false;
  size_t lower = read16(page + 12), upper = read16(page + 14);
  if (lower < PAGE_HEADER || lower > upper || upper > c->page_size || lower % 2 != 0) return false;
  size_t count = (lower - PAGE_HEADER) / 2;
  if (count < (leaf ? 1u : 2u)) return false;
  for (size_t i = 0; i < count; i++) {
    size_t at = read16(page + PAGE_HEADER + 2 * i);
    if (at < upper || at + NODE_HEADER > c->page_size) return false;
    const uint8_t *node = page + at;
    if (leaf) {
      if (!leaf_node_ok(c, node, c->page_size - at)) return false;
      continue;
    }
    if ((size_t)read16(node + 6) > c->page_size - at - NODE_HEADER) return false;
    uint64_t child = read32(node) | (uint64_t)read16(node + 4) << 32;
    if (!page_ok(c, child, depth - 1)) return false;
  }
  return true;
}

static bool tree_ok(struct check *c, const uint8_t *tree) {
  unsigned depth = read16(tree + 6);
  uint64_t root = read64(tree + 40);
  if (root == NO_PAGE) return true;
  return depth >= 1 && depth <= MAX_DEPTH && page_ok(c, root, depth);
}

static bool is_meta(const uint8_t *page) {
  return (read16(page + 10) & PAGE_META) && read32(page + PAGE_HEADER) == META_MAGIC &&
         read32(page + PAGE_HEADER + 4) == 1;
}

static int check_mapped(const uint8_t *base, size_t size, const char *path, struct mw_err *err) {
  if (size < PAGE_HEADER + META_SIZE || !is_meta(base)) {
    return mw_err_set(err, MW_EFORMAT, "%s: not a Moonwire store (no LMDB file of format 1): move it away, or choose "
                      "another data folder", path);
  }
  size_t page_size = read32(base + PAGE_HEADER + 24);
  if (page_size < 512 || page_size > 65536 || (page_size & (page_size - 1)) != 0) {
    return mw_err_set(err, MW_EFORMAT, "%s: damaged: a page size of %zu bytes cannot be", path, page_size);
  }
  if (size < 2 * page_size || !is_meta(base + page_size)) {
    return mw_err_set(err, MW_EFORMAT, "%s: damaged: the second header is missing; restore a backup", path);
  }
  const uint8_t *meta = base + PAGE_HEADER, *other = meta + page_size;
  if (read64(other + 128) > read64(meta + 128)) meta = other;
  struct check c = {base, size, page_size, read64(meta + 120), read64(meta + 120) + 1};
  if (size > MW_LMDB_CHECK_MAX && c.last < size / page_size) return 0;
  if (c.last < SIZE_MAX / page_size - 1 && tree_ok(&c, meta + 24) && tree_ok(&c, meta + 24 + TREE_SIZE)) return 0;
  if (c.last >= size / page_size) {
    return mw_err_set(err, MW_EFORMAT, "%s: truncated: %zu bytes are left of %zu; restore a backup", path, size,
                      (size_t)(c.last + 1) * page_size);
  }
  return mw_err_set(err, MW_EFORMAT, "%s: damaged: pages are not what the index says; restore a backup", path);
}

int mw_lmdb_check(int fd, const char *path, struct mw_err *err) {
  struct stat st;
  if (fstat(fd, &st) != 0) return mw_err_set(err, MW_EIO, "%s: %s", path, strerror(errno));
  if (!S_ISREG(st.st_mode)) return mw_err_set(err, MW_EIO, "%s: not a regular file", path);
  if (st.st_size == 0) return 0;
  size_t size = (size_t)st.st_size;
  uint8_t *base = mmap(NULL, size, PROT_READ, MAP_SHARED, fd, 0);
  if (base == MAP_FAILED) return mw_err_set(err, MW_EIO, "%s: %s", path, strerror(errno));
  int rc = check_mapped(base, size, path, err);
  munmap(base, size);
  return rc;
}
