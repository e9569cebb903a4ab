#include "store/page/walk.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "store/backend/backend.h"

#define META_MAGIC 0xBEEFC0DEu

enum { META_FREE = 24, META_MAIN = 72, META_LAST = 120, META_TXN = 128 };

bool mw_walk_report(struct mw_walk *walk, const char *fmt, ...) {
  char words[sizeof walk->first_finding];
  va_list args;
  va_start(args, fmt);
  vsnprintf(words, sizeof words, fmt, args);
  va_end(args);
  if (!walk->first_finding[0]) memcpy(walk->first_finding, words, sizeof words);
  if (walk->found) walk->found(walk, words);
  return false;
}

/* ---- the meta pages ---- */

static bool is_meta(const uint8_t *page) {
  return (mw_read16(page + 10) & MW_PAGE_META) && mw_read32(page + MW_PAGE_HEADER) == META_MAGIC &&
         mw_read32(page + MW_PAGE_HEADER + 4) == 1;
}

/* True if two headers have the same page size and flags, which never change: LMDB uses those of the newer one. */
static bool same_file(const uint8_t *meta, const uint8_t *other) {
  return mw_read32(meta + META_FREE) == mw_read32(other + META_FREE) &&
         mw_read16(meta + META_FREE + 4) == mw_read16(other + META_FREE + 4);
}

/* True if two headers are of successive transactions; each transaction writes the page of its parity. Both are 0 in
 * a new file. */
static bool successive(const uint8_t *even, const uint8_t *odd) {
  uint64_t a = mw_read64(even + META_TXN), b = mw_read64(odd + META_TXN);
  return a % 2 == 0 && (a + 1 == b || a == b + 1 || (a == 0 && b == 0));
}

static int check_metas(const uint8_t *base, size_t size, size_t *page_size, const char *path, struct mw_err *err) {
  if (size < MW_PAGE_HEADER + MW_META_SIZE || !is_meta(base)) {
    return mw_err_set(err, MW_EFORMAT,
                      "%s: not a Moonwire store (no LMDB file): move it away, or choose "
                      "another data folder",
                      path);
  }
  *page_size = mw_read32(base + MW_PAGE_HEADER + 24);
  if (*page_size < 512 || *page_size > 65536 || (*page_size & (*page_size - 1)) != 0) {
    return mw_err_set(err, MW_EFORMAT, "%s: damaged: its page size of %zu bytes is invalid; restore a backup", path,
                      *page_size);
  }
  if (size < 2 * *page_size || !is_meta(base + *page_size)) {
    return mw_err_set(err, MW_EFORMAT, "%s: damaged: the second header is missing; restore a backup", path);
  }
  if (!same_file(base + MW_PAGE_HEADER, base + *page_size + MW_PAGE_HEADER)) {
    return mw_err_set(err, MW_EFORMAT, "%s: damaged: its two headers are not of one file; restore a backup", path);
  }
  return 0;
}

/* `meta` is a copy of a meta page. */
static int open_meta(struct mw_walk *walk, const uint8_t *base, size_t size, size_t page_size, const uint8_t *meta,
                     const char *path, struct mw_err *err) {
  walk->last = mw_read64(meta + META_LAST);
  uint64_t in_file = size / page_size;
  if (walk->last < 1 || walk->last >= SIZE_MAX / page_size - 1 || walk->last / 8 > size ||
      !mw_tree_read(meta + META_FREE, MW_TREE_NUMBERS, &walk->free) ||
      !mw_tree_read(meta + META_MAIN, MW_TREE_NAMES, &walk->main)) {
    return mw_err_set(err, MW_EFORMAT, "%s: damaged: its header is invalid; restore a backup", path);
  }
  walk->pages->base = base;
  walk->pages->page_size = page_size;
  walk->pages->count = walk->last + 1 < in_file ? walk->last + 1 : in_file;
  walk->random_state = (uint64_t)mw_clock_real() | 1;
  walk->used = calloc(walk->last / 8 + 1, 1);
  return walk->used ? 0 : mw_err_set(err, MW_ENOMEM, "%s: out of memory", path);
}

int mw_walk_open(struct mw_walk *walk, const uint8_t *base, size_t size, const char *path, struct mw_err *err) {
  size_t page_size;
  int rc = check_metas(base, size, &page_size, path, err);
  if (rc != 0) return rc;
  const uint8_t *meta = base + MW_PAGE_HEADER, *other = meta + page_size;
  if (!successive(meta, other)) {
    return mw_err_set(err, MW_EFORMAT,
                      "%s: damaged: its two headers are not of successive transactions; restore a backup", path);
  }
  if (mw_read64(other + META_TXN) > mw_read64(meta + META_TXN)) meta = other;
  return open_meta(walk, base, size, page_size, meta, path, err);
}

int mw_walk_open_at(struct mw_walk *walk, const uint8_t *base, size_t size, uint64_t txn, const char *path,
                    struct mw_err *err) {
  size_t page_size;
  int rc = check_metas(base, size, &page_size, path, err);
  if (rc != 0) return rc;
  const uint8_t *page = base + (txn & 1) * page_size + MW_PAGE_HEADER;
  uint8_t meta[MW_META_SIZE];
  memcpy(meta, page, sizeof meta);
  atomic_thread_fence(memory_order_acquire);
  if (mw_read64(meta + META_TXN) != txn || memcmp(meta, page, sizeof meta) != 0) {
    return mw_err_set(err, MW_EBUSY, "%s: written to meanwhile", path);
  }
  return open_meta(walk, base, size, page_size, meta, path, err);
}

void mw_walk_close(struct mw_walk *walk) {
  free(walk->used);
  walk->used = NULL;
}

/* ---- pages ---- */

/* Takes `n` pages from the budget. Returns false, and cuts the walk, if it is exhausted. */
static bool afford(struct mw_walk *walk, uint64_t n) {
  if (walk->out_of_budget) return false;
  if (walk->budget >= n && mw_clock_real() < walk->until) walk->budget -= n;
  else walk->out_of_budget = true;
  return !walk->out_of_budget;
}

/* Marks `n` pages from `first`, which exist, as used. Returns true if all were unused. */
static bool use(struct mw_walk *walk, uint64_t first, uint64_t n) {
  bool fresh = true;
  for (uint64_t page = first; page < first + n; page++) {
    uint8_t bit = (uint8_t)(1u << (page % 8));
    fresh = fresh && !(walk->used[page / 8] & bit);
    walk->used[page / 8] |= bit;
  }
  return fresh;
}

static bool walk_leaf(struct mw_walk *walk, const uint8_t *page) {
  bool good = true;
  for (unsigned i = 0, count = mw_page_nodes(page); i < count && (good || walk->found); i++) {
    struct mw_node node = {.page = 0};
    mw_page_node(walk->pages, page, i, true, &node); /* the page was checked */
    char words[MW_STORE_KEY_WORDS];
    if (!node.value) {
      uint64_t run = mw_page_run(walk->pages, &node);
      if (!afford(walk, walk->entry ? run : 1)) return good;
      walk->n_pages += run;
      if (!walk->sampling && !use(walk, node.page, run)) {
        good = mw_walk_report(walk, "%s: its pages from %llu on are used twice", mw_store_key_words(node.key, words),
                              (unsigned long long)node.page);
      }
    }
    struct mw_slice value = mw_page_value(walk->pages, &node);
    if (!value.data) {
      good = mw_walk_report(walk, "%s: its pages from %llu on are damaged", mw_store_key_words(node.key, words),
                            (unsigned long long)node.page);
    } else if (walk->entry) {
      good = walk->entry(walk, node.key, value) && good;
    }
    walk->entries++;
  }
  return good;
}

/* Records damage of page `number`, whose keys begin with `low`. */
static bool found_at(struct mw_walk *walk, const struct mw_tree *tree, uint64_t number, struct mw_slice low,
                     const char *problem) {
  char words[MW_STORE_KEY_WORDS] = "the first";
  if (tree->order == MW_TREE_BYTES && low.data) mw_store_key_words(low, words);
  return mw_walk_report(walk, "page %llu is %s, and with it the records from %s on", (unsigned long long)number,
                        problem, words);
}

static bool walk_page(struct mw_walk *walk, const struct mw_tree *tree, uint64_t number, unsigned depth,
                      struct mw_bounds bounds);

static bool walk_child(struct mw_walk *walk, const struct mw_tree *tree, const uint8_t *page, unsigned i,
                       unsigned depth, struct mw_bounds bounds) {
  struct mw_node node = {.page = 0};
  mw_page_node(walk->pages, page, i, false, &node); /* the page was checked */
  mw_page_narrow(walk->pages, page, i, &bounds);
  return walk_page(walk, tree, node.page, depth - 1, bounds);
}

static unsigned random_below(struct mw_walk *walk, unsigned n) {
  walk->random_state ^= walk->random_state << 13;
  walk->random_state ^= walk->random_state >> 7;
  walk->random_state ^= walk->random_state << 17;
  return (unsigned)(walk->random_state % n);
}

static bool walk_page(struct mw_walk *walk, const struct mw_tree *tree, uint64_t number, unsigned depth,
                      struct mw_bounds bounds) {
  if (!afford(walk, 1)) return true;
  bool leaf = depth == 1, good = true;
  const uint8_t *page = mw_pages_tree(walk->pages, number, leaf);
  if (!page || !mw_page_ok(walk->pages, page, leaf, tree->order) ||
      !mw_page_within(walk->pages, page, leaf, tree->order, &bounds)) {
    return found_at(walk, tree, number, bounds.low, "damaged");
  }
  if (!walk->sampling && !use(walk, number, 1)) {
    return found_at(walk, tree, number, bounds.low, "used twice");
  }
  mw_pages_set_checked(walk->pages, number);
  walk->n_pages++;
  if (leaf) return walk_leaf(walk, page);
  unsigned count = mw_page_nodes(page);
  if (walk->sampling) return walk_child(walk, tree, page, random_below(walk, count), depth, bounds);
  for (unsigned i = 0; i < count && (good || walk->found) && !walk->out_of_budget; i++) {
    good = walk_child(walk, tree, page, i, depth, bounds) && good;
  }
  return good;
}

/* ---- trees ---- */

bool mw_walk_tree(struct mw_walk *walk, const struct mw_tree *tree) {
  walk->entries = walk->n_pages = 0;
  if (tree->root == MW_NO_PAGE) return true;
  if (!walk_page(walk, tree, tree->root, tree->depth, (struct mw_bounds){0})) return false;
  if (walk->out_of_budget) return true;
  if (walk->entries != tree->entries) {
    return mw_walk_report(walk, "%llu of %llu entries are present", (unsigned long long)walk->entries,
                          (unsigned long long)tree->entries);
  }
  if (walk->n_pages == tree->pages || !walk->found) return true; /* a wrong count only makes the store full too soon */
  return mw_walk_report(walk, "%llu of %llu pages are present", (unsigned long long)walk->n_pages,
                        (unsigned long long)tree->pages);
}

bool mw_walk_sample(struct mw_walk *walk, const struct mw_tree *tree) {
  if (tree->root == MW_NO_PAGE) return true;
  bool good = true;
  walk->sampling = true;
  walk->out_of_budget = false;
  while (good && !walk->out_of_budget) good = walk_page(walk, tree, tree->root, tree->depth, (struct mw_bounds){0});
  walk->sampling = false;
  walk->out_of_budget = true;
  return good;
}

/* Reads a record of the list of free pages: a count, then page numbers in descending order. */
static bool free_entry(struct mw_walk *walk, struct mw_slice key, struct mw_slice value) {
  uint64_t count = value.len >= 8 ? mw_read64(value.data) : 0, before = walk->last + 1;
  if (value.len < 8 || count > value.len / 8 - 1) return mw_walk_report(walk, "the list of free pages is damaged");
  for (uint64_t i = 1; i <= count; i++) {
    uint64_t page = mw_read64(value.data + 8 * i);
    if (page < 2 || page >= before) return mw_walk_report(walk, "the list of free pages is damaged");
    if (!use(walk, page, 1)) {
      return mw_walk_report(walk, "page %llu is both free and used", (unsigned long long)page);
    }
    before = page;
  }
  return true;
}

bool mw_walk_free(struct mw_walk *walk) {
  bool (*entry)(struct mw_walk *, struct mw_slice, struct mw_slice) = walk->entry;
  walk->entry = free_entry;
  bool good = mw_walk_tree(walk, &walk->free);
  walk->entry = entry;
  return good;
}

bool mw_walk_truncated(struct mw_walk *walk) {
  for (uint64_t page = walk->pages->count; page <= walk->last; page++) {
    if (!(walk->used[page / 8] >> (page % 8) & 1)) return true;
  }
  return false;
}

/* Reads the tree record of the database `name` from the main tree's page. An absent one is reported when the
 * database is opened. */
static bool read_tree(struct mw_walk *walk, const uint8_t *page, const char *name, struct mw_tree *out) {
  *out = (struct mw_tree){.root = MW_NO_PAGE};
  for (unsigned i = 0; page && i < mw_page_nodes(page); i++) {
    struct mw_node node;
    if (!mw_page_node(walk->pages, page, i, true, &node) || !mw_slice_eq_str(node.key, name)) continue;
    bool good = node.value && node.flags & MW_NODE_TREE && node.len == MW_TREE_RECORD &&
                mw_tree_read(node.value, MW_TREE_BYTES, out);
    return good || mw_walk_report(walk, "the record of the database %s is damaged", name);
  }
  return true;
}

bool mw_walk_main(struct mw_walk *walk, struct mw_tree *data, struct mw_tree *expiry, struct mw_tree *meta) {
  bool (*entry)(struct mw_walk *, struct mw_slice, struct mw_slice) = walk->entry;
  walk->entry = NULL;
  bool good = mw_walk_tree(walk, &walk->main);
  walk->entry = entry;
  if (!good) return false;
  const uint8_t *page = walk->main.root == MW_NO_PAGE || walk->main.depth != 1
                            ? NULL
                            : mw_pages_tree(walk->pages, walk->main.root, true);
  return read_tree(walk, page, "data", data) && read_tree(walk, page, "expiry", expiry) &&
         read_tree(walk, page, "meta", meta);
}
