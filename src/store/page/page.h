/* Pages of an LMDB data file (version 1 of its format, 64-bit), read without trust: every number is checked before
 * use, so that a damaged page is an error and never a wild read.
 *
 * Layout. A page starts with 16 bytes: its number (8), padding (2), flags (2), then the bounds of its free room (2,
 * 2), or for an overflow run the number of its pages (4). In branch and leaf pages the offsets of their nodes follow
 * (2 each), in key order. A node has a header of 8 bytes, the key, and in a leaf the value, or the number of the
 * first page of an overflow run. The header holds in a leaf the length of the value (4) and flags (2), in a branch a
 * page number (6); then the length of the key (2).
 *
 * A page is checked completely when it is first used; a bit records that. LMDB never changes a page in place; the
 * pages that it writes later come from memory. Bounds are checked every time. Any thread. */
#ifndef MW_STORE_PAGE_PAGE_H
#define MW_STORE_PAGE_PAGE_H

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
  MW_NODE_BIG = 0x01,    /* the value is in overflow pages */
  MW_NODE_TREE = 0x02,   /* the value is the record of a tree */
  MW_NODE_KEY_MAX = 511, /* bytes */
  MW_TREE_RECORD = 48,
  MW_META_SIZE = 136,
  MW_TREE_DEPTH = 32
};

#define MW_NO_PAGE UINT64_MAX

struct mw_pages {
  const uint8_t *base;
  size_t page_size;
  _Atomic uint64_t count;          /* pages in use; only grows */
  void (*grow)(struct mw_pages *); /* reads `count` again; NULL if it is final */
  _Atomic uint8_t *checked;        /* a bit for each page of the map; NULL: check every time */
};

/* Order of the keys, and kind of the values. The keys of LMDB's list of free pages are numbers. The keys of the main
 * tree are names of databases, which sort as bytes; its values are the databases' tree records. */
enum mw_tree_order { MW_TREE_BYTES, MW_TREE_NUMBERS, MW_TREE_NAMES };

struct mw_tree {
  uint64_t root; /* MW_NO_PAGE if the tree is empty */
  uint64_t entries, pages;
  unsigned depth;
  enum mw_tree_order order;
};

struct mw_node {
  struct mw_slice key;
  unsigned flags;
  size_t len;           /* of the value */
  const uint8_t *value; /* NULL if it is in overflow pages */
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

/* Returns the number of nodes of a branch or leaf page. */
static inline unsigned mw_page_nodes(const uint8_t *page) {
  return (mw_read16(page + 12) - (unsigned)MW_PAGE_HEADER) / 2;
}

/* Returns node `i`, which is below mw_page_nodes(), and its key; NULL if the node is not inside the page. */
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

/* Reads node `i` of a leaf or branch. Returns false if it is not inside the page. */
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

/* Returns the address of page `number` if the file has `run` pages from it on; otherwise, or for the two meta pages,
 * NULL. */
const uint8_t *mw_pages_at(struct mw_pages *pages, uint64_t number, uint64_t run);

/* Returns a branch or leaf page with a plausible header, its nodes unchecked; NULL for other pages. */
const uint8_t *mw_pages_tree(struct mw_pages *pages, uint64_t number, bool leaf);

/* True if every node of the page lies inside it, points into the file and is in order. */
bool mw_page_ok(struct mw_pages *pages, const uint8_t *page, bool leaf, enum mw_tree_order order);

/* Bounds of the keys in a page: not less than `low`, and less than `high`; data NULL for no bound. */
struct mw_bounds {
  struct mw_slice low, high;
};

/* Narrows `bounds` from the branch `page` to its child `i`. Returns false for a damaged page. */
bool mw_page_narrow(const struct mw_pages *pages, const uint8_t *page, unsigned i, struct mw_bounds *bounds);

/* True if the keys of a page are within bounds. The page is in order, so only the first and the last key are
 * compared. */
bool mw_page_within(const struct mw_pages *pages, const uint8_t *page, bool leaf, enum mw_tree_order order,
                    const struct mw_bounds *bounds);

/* Returns the value of a leaf's node, in the page or in overflow pages; data NULL if those are damaged. */
struct mw_slice mw_page_value(struct mw_pages *pages, const struct mw_node *node);

/* Returns the number of overflow pages for a value of `len` bytes. */
static inline uint64_t mw_page_need(const struct mw_pages *pages, size_t len) {
  return (MW_PAGE_HEADER - 1 + (uint64_t)len) / pages->page_size + 1;
}

/* Returns the number of overflow pages of a leaf's node, which LMDB frees with it; 0 if they are damaged. It exceeds
 * mw_page_need() if one transaction wrote the value twice, smaller the second time. */
uint64_t mw_page_run(struct mw_pages *pages, const struct mw_node *node);

/* True if the surplus overflow pages belong to the value: none is the first page of another object. */
bool mw_page_run_own(struct mw_pages *pages, const struct mw_node *node);

/* Reads a tree record of MW_TREE_RECORD bytes. Returns false if it is invalid. */
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
