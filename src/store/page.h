/* Pages of an LMDB data file (version 1 of its format, 64-bit), read without trust: every number is checked before it
 * is followed, so that a damaged page is an error and never a wild read.
 *
 * Layout. A page starts with 16 bytes: its number (8), padding (2), flags (2), then the bounds of its free room (2,
 * 2), or for an overflow run the number of its pages (4). Branch and leaf pages go on with the offsets of their nodes
 * (2 each), in key order. A node has 8 bytes (of a leaf: the value's length in 4, flags in 2; of a branch: a page
 * number in 6; then the key's length in 2), the key, and in a leaf the value, or the number of the first page of an
 * overflow run.
 *
 * A page is checked whole when it is met for the first time; a bit remembers that. LMDB never changes a page in place;
 * a page that it writes later comes from memory. Bounds are checked every time. Any thread. */
#ifndef MW_STORE_PAGE_H
#define MW_STORE_PAGE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "base/slice.h"

enum {
  MW_PAGE_HEADER = 16,
  MW_PAGE_BRANCH = 0x01,
  MW_PAGE_LEAF = 0x02,
  MW_PAGE_OVERFLOW = 0x04,
  MW_PAGE_META = 0x08,
  MW_NODE_HEADER = 8,
  MW_NODE_BIG = 0x01,  /* the value is in overflow pages */
  MW_NODE_TREE = 0x02, /* the value is a tree's record */
  MW_NODE_KEY_MAX = 511, /* bytes */
  MW_TREE_RECORD = 48,
  MW_META_SIZE = 136,
  MW_TREE_DEPTH = 32
};

#define MW_NO_PAGE UINT64_MAX

struct mw_pages {
  const uint8_t *base;
  size_t page_size;
  _Atomic uint64_t count;            /* that are in use; only grows */
  void (*grow)(struct mw_pages *);   /* reads `count` again; NULL when it is final */
  _Atomic uint8_t *checked;          /* a bit for each page of the map; NULL: check every time */
};

/* How keys sort, and what the values are: those of LMDB's list of free pages are numbers; those of the main tree are names
 * of databases, which sort as bytes, with the databases' records as values. */
enum mw_tree_order { MW_TREE_BYTES, MW_TREE_NUMBERS, MW_TREE_NAMES };

struct mw_tree {
  uint64_t root; /* MW_NO_PAGE when it is empty */
  uint64_t entries, pages;
  unsigned depth;
  enum mw_tree_order order;
};

struct mw_node {
  struct mw_slice key;
  unsigned flags;
  size_t len;           /* of the value */
  const uint8_t *value; /* NULL when it is in overflow pages */
  uint64_t page;        /* the child, or the first overflow page; 0 for none */
};

static inline uint16_t mw_read16(const uint8_t *at) {
  uint16_t v;
  memcpy(&v, at, sizeof v);
  return v;
}

static inline uint32_t mw_read32(const uint8_t *at) {
  uint32_t v;
  memcpy(&v, at, sizeof v);
  return v;
}

static inline uint64_t mw_read64(const uint8_t *at) {
  uint64_t v;
  memcpy(&v, at, sizeof v);
  return v;
}

/* How many nodes a branch or leaf page has. */
static inline unsigned mw_page_nodes(const uint8_t *page) {
  return (mw_read16(page + 12) - (unsigned)MW_PAGE_HEADER) / 2;
}

/* The node at `i`, which is below mw_page_nodes(), and its key. Returns NULL when it is not in its page. */
static inline const uint8_t *mw_page_key(const struct mw_pages *pages, const uint8_t *page, unsigned i,
                                         struct mw_slice *key) {
  size_t at = mw_read16(page + MW_PAGE_HEADER + 2 * i);
  if (at < MW_PAGE_HEADER || at + MW_NODE_HEADER > pages->page_size) return NULL;
  const uint8_t *node = page + at;
  size_t len = mw_read16(node + 6);
  if (len > pages->page_size - at - MW_NODE_HEADER) return NULL;
  *key = mw_slice(node + MW_NODE_HEADER, len);
  return node;
}

/* Reads the node at `i` of a leaf or branch. Returns false when it is not in its page. */
static inline bool mw_page_node(const struct mw_pages *pages, const uint8_t *page, unsigned i, bool leaf,
                                struct mw_node *out) {
  const uint8_t *node = mw_page_key(pages, page, i, &out->key);
  if (!node) return false;
  if (!leaf) {
    out->page = mw_read32(node) | (uint64_t)mw_read16(node + 4) << 32;
    out->len = 0;
    out->flags = 0;
    return true;
  }
  out->page = 0;
  out->len = mw_read32(node);
  out->flags = mw_read16(node + 4);
  out->value = out->key.data + out->key.len;
  size_t left = (size_t)(page + pages->page_size - out->value);
  if (!(out->flags & MW_NODE_BIG)) return out->len <= left;
  if (left < 8) return false;
  out->page = mw_read64(out->value);
  out->value = NULL;
  return true;
}

/* Where page `number` is, when the file has `run` pages from it on; NULL when not, or for the two meta pages. */
const uint8_t *mw_pages_at(struct mw_pages *pages, uint64_t number, uint64_t run);

/* A branch or leaf whose header can be true; its nodes were not looked at. NULL for others. */
const uint8_t *mw_pages_tree(struct mw_pages *pages, uint64_t number, bool leaf);

/* Whether every node of the page lies in it, points into the file and is in order. */
bool mw_page_ok(struct mw_pages *pages, const uint8_t *page, bool leaf, enum mw_tree_order order);

/* Bounds of the keys in a page: not less than `low`, and less than `high`; data NULL for no bound. */
struct mw_bounds {
  struct mw_slice low, high;
};

/* Narrows `bounds`, those of the branch `page`, to those of its child `i`. Returns false for a damaged page. */
bool mw_page_narrow(const struct mw_pages *pages, const uint8_t *page, unsigned i, struct mw_bounds *bounds);

/* Whether the keys of a page are within bounds. The page is in order, so the first and the last one count. */
bool mw_page_within(const struct mw_pages *pages, const uint8_t *page, bool leaf, enum mw_tree_order order,
                    const struct mw_bounds *bounds);

/* The value of a leaf's node, wherever it is; data NULL when its overflow pages are damaged. */
struct mw_slice mw_page_value(struct mw_pages *pages, const struct mw_node *node);

/* How many overflow pages a value of `len` bytes takes. */
static inline uint64_t mw_page_need(const struct mw_pages *pages, size_t len) {
  return (MW_PAGE_HEADER - 1 + (uint64_t)len) / pages->page_size + 1;
}

/* How many overflow pages the value of a leaf's node has, which LMDB frees with it; 0 when they are damaged. More than it needs
 * when it was written twice in one transaction, smaller the second time. */
uint64_t mw_page_run(struct mw_pages *pages, const struct mw_node *node);

/* Whether the surplus ones can be the value's: none is the first page of anything else. */
bool mw_page_run_own(struct mw_pages *pages, const struct mw_node *node);

/* Reads a tree's record of MW_TREE_RECORD bytes. Returns false when it cannot be one. */
bool mw_tree_read(const uint8_t *record, enum mw_tree_order order, struct mw_tree *out);

/* Compares two keys. */
static inline int mw_bytes_compare(struct mw_slice a, struct mw_slice b) {
  size_t shorter = a.len < b.len ? a.len : b.len;
  int found = shorter > 0 ? memcmp(a.data, b.data, shorter) : 0;
  return found != 0 ? found : (a.len > b.len) - (a.len < b.len);
}

static inline int mw_key_compare(enum mw_tree_order order, struct mw_slice a, struct mw_slice b) {
  if (order != MW_TREE_NUMBERS) return mw_bytes_compare(a, b);
  uint64_t left = mw_read64(a.data), right = mw_read64(b.data);
  return (left > right) - (left < right);
}

static inline bool mw_pages_checked(const struct mw_pages *pages, uint64_t number) {
  if (!pages->checked) return false;
  return atomic_load_explicit(&pages->checked[number / 8], memory_order_relaxed) >> (number % 8) & 1;
}

static inline void mw_pages_set_checked(struct mw_pages *pages, uint64_t number) {
  if (!pages->checked) return;
  atomic_fetch_or_explicit(&pages->checked[number / 8], (uint8_t)(1u << (number % 8)), memory_order_relaxed);
}

#endif
