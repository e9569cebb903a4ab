#include "store/page/page.h"

_Static_assert(sizeof(size_t) == 8, "the layout is that of 64-bit LMDB");

/* Flags of a database select how LMDB compares its keys. The list of free pages, whose keys are numbers, also holds
 * a flag of the environment: its path is a file. */
enum { DB_NUMBERS = 0x08, ENV_FILE = 0x4000 };

bool mw_tree_read(const uint8_t *record, enum mw_tree_order order, struct mw_tree *out) {
  unsigned flags = mw_read16(record + 4);
  *out = (struct mw_tree){.root = mw_read64(record + 40),
                          .entries = mw_read64(record + 32),
                          .pages = mw_read64(record + 8) + mw_read64(record + 16) + mw_read64(record + 24),
                          .depth = mw_read16(record + 6),
                          .order = order};
  if (order == MW_TREE_NUMBERS ? (flags | ENV_FILE) != (DB_NUMBERS | ENV_FILE) : flags != 0) return false;
  if (out->root == MW_NO_PAGE) return true;
  return out->depth >= 1 && out->depth <= MW_TREE_DEPTH;
}

const uint8_t *mw_pages_at(struct mw_pages *pages, uint64_t number, uint64_t run) {
  uint64_t count = atomic_load_explicit(&pages->count, memory_order_relaxed);
  if (number >= count || run > count - number) {
    if (!pages->grow) return NULL;
    pages->grow(pages);
    count = atomic_load_explicit(&pages->count, memory_order_relaxed);
    if (number >= count || run > count - number) return NULL;
  }
  return number < 2 ? NULL : pages->base + number * pages->page_size;
}

const uint8_t *mw_pages_tree(struct mw_pages *pages, uint64_t number, bool leaf) {
  const uint8_t *page = mw_pages_at(pages, number, 1);
  if (!page || mw_read64(page) != number) return NULL;
  if (mw_read16(page + 10) != (leaf ? MW_PAGE_LEAF : MW_PAGE_BRANCH)) return NULL;
  size_t lower = mw_read16(page + 12), upper = mw_read16(page + 14);
  if (lower < MW_PAGE_HEADER + (leaf ? 2 : 4) || lower > upper || lower % 2 != 0) return NULL;
  if (upper > pages->page_size) return NULL;
  return page;
}

/* True if a leaf's node has valid flags, and its value is in overflow pages exactly if LMDB would put it there: if
 * two such nodes do not fit into a page. The overflow pages must be in the file. */
static bool leaf_node_ok(struct mw_pages *pages, const struct mw_node *node, enum mw_tree_order order) {
  if (node->flags & ~(unsigned)(order == MW_TREE_NAMES ? MW_NODE_TREE : MW_NODE_BIG)) return false;
  if (node->flags & MW_NODE_BIG) return mw_pages_at(pages, node->page, mw_page_need(pages, node->len)) != NULL;
  return MW_NODE_HEADER + node->key.len + node->len <= (pages->page_size - MW_PAGE_HEADER) / 2 - 2;
}

/* Returns the room of a node: LMDB places nodes at even offsets, without gaps. */
static size_t node_room(const struct mw_node *node, bool leaf) {
  size_t room = MW_NODE_HEADER + node->key.len;
  if (leaf) room += node->flags & MW_NODE_BIG ? 8 : node->len;
  return room + room % 2;
}

bool mw_page_ok(struct mw_pages *pages, const uint8_t *page, bool leaf, enum mw_tree_order order) {
  unsigned count = mw_page_nodes(page);
  size_t upper = mw_read16(page + 14), room = 0;
  struct mw_slice before = mw_slice(NULL, 0);
  for (unsigned i = 0; i < count; i++) {
    struct mw_node node;
    if (mw_read16(page + MW_PAGE_HEADER + 2 * i) < upper || !mw_page_node(pages, page, i, leaf, &node)) return false;
    if (leaf ? !leaf_node_ok(pages, &node, order) : !mw_pages_at(pages, node.page, 1)) return false;
    if (node.key.len > MW_NODE_KEY_MAX) return false;
    room += node_room(&node, leaf);
    if (!leaf && i == 0) continue; /* a branch's first key stands for all keys below the second */
    if (node.key.len == 0 || (order == MW_TREE_NUMBERS && node.key.len != 8)) return false;
    if (before.data && mw_key_compare(order, before, node.key) >= 0) return false;
    before = node.key;
  }
  return room == pages->page_size - upper; /* no node is missing */
}

bool mw_page_narrow(const struct mw_pages *pages, const uint8_t *page, unsigned i, struct mw_bounds *bounds) {
  if (i > 0 && !mw_page_key(pages, page, i, &bounds->low)) return false; /* the first key of a branch is unused */
  return i + 1 >= mw_page_nodes(page) || mw_page_key(pages, page, i + 1, &bounds->high);
}

bool mw_page_within(const struct mw_pages *pages, const uint8_t *page, bool leaf, enum mw_tree_order order,
                    const struct mw_bounds *bounds) {
  struct mw_slice key;
  if (bounds->low.data &&
      (!mw_page_key(pages, page, leaf ? 0 : 1, &key) || mw_key_compare(order, key, bounds->low) < 0)) {
    return false;
  }
  if (!bounds->high.data) return true;
  return mw_page_key(pages, page, mw_page_nodes(page) - 1, &key) && mw_key_compare(order, key, bounds->high) < 0;
}

uint64_t mw_page_run(struct mw_pages *pages, const struct mw_node *node) {
  const uint8_t *page = mw_pages_at(pages, node->page, 1);
  if (!page || mw_read64(page) != node->page || mw_read16(page + 10) != MW_PAGE_OVERFLOW) return 0;
  uint64_t run = mw_read32(page + 12);
  return run >= mw_page_need(pages, node->len) && mw_pages_at(pages, node->page, run) ? run : 0;
}

bool mw_page_run_own(struct mw_pages *pages, const struct mw_node *node) {
  uint64_t end = node->page + mw_page_run(pages, node);
  for (uint64_t page = node->page + mw_page_need(pages, node->len); page < end; page++) {
    if (mw_read64(pages->base + page * pages->page_size) == page) return false;
  }
  return end > node->page;
}

struct mw_slice mw_page_value(struct mw_pages *pages, const struct mw_node *node) {
  if (node->value) return mw_slice(node->value, node->len);
  if (mw_page_run(pages, node) == 0) return mw_slice(NULL, 0);
  return mw_slice(pages->base + node->page * pages->page_size + MW_PAGE_HEADER, node->len);
}
