#include "store/page.h"

_Static_assert(sizeof(size_t) == 8, "the layout is that of 64-bit LMDB");

bool mw_tree_read(const uint8_t *record, enum mw_tree_order order, struct mw_tree *out) {
  *out = (struct mw_tree){mw_read64(record + 40), mw_read64(record + 32), mw_read16(record + 6), order};
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
  if ((mw_read16(page + 10) & MW_PAGE_KINDS) != (leaf ? MW_PAGE_LEAF : MW_PAGE_BRANCH)) return NULL;
  size_t lower = mw_read16(page + 12), upper = mw_read16(page + 14);
  if (lower < MW_PAGE_HEADER + (leaf ? 2 : 4) || lower > upper || lower % 2 != 0) return NULL;
  if (upper > pages->page_size) return NULL;
  return page;
}

/* Whether the overflow run of a node lies in the file. */
static bool run_ok(struct mw_pages *pages, const struct mw_node *node) {
  return mw_pages_at(pages, node->page, mw_page_run(pages, node->len)) != NULL;
}

/* The room that a node takes up: LMDB keeps them at even offsets, without gaps. */
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
    if (leaf ? node.flags & MW_NODE_BIG && !run_ok(pages, &node) : !mw_pages_at(pages, node.page, 1)) return false;
    room += node_room(&node, leaf);
    if (!leaf && i == 0) continue; /* a branch's first key stands for all that are less than the second */
    if (node.key.len == 0 || (order == MW_TREE_NUMBERS && node.key.len != 8)) return false;
    if (before.data && mw_key_compare(order, before, node.key) >= 0) return false;
    before = node.key;
  }
  return room == pages->page_size - upper; /* no node is missing */
}

bool mw_page_narrow(const struct mw_pages *pages, const uint8_t *page, unsigned i, struct mw_bounds *bounds) {
  if (i > 0 && !mw_page_key(pages, page, i, &bounds->low)) return false; /* a branch's first key is not used */
  return i + 1 >= mw_page_nodes(page) || mw_page_key(pages, page, i + 1, &bounds->high);
}

bool mw_page_within(const struct mw_pages *pages, const uint8_t *page, bool leaf, enum mw_tree_order order,
                    const struct mw_bounds *bounds) {
  struct mw_slice key;
  if (bounds->low.data && (!mw_page_key(pages, page, leaf ? 0 : 1, &key) ||
                           mw_key_compare(order, key, bounds->low) < 0)) {
    return false;
  }
  if (!bounds->high.data) return true;
  return mw_page_key(pages, page, mw_page_nodes(page) - 1, &key) && mw_key_compare(order, key, bounds->high) < 0;
}

struct mw_slice mw_page_value(struct mw_pages *pages, const struct mw_node *node) {
  if (node->value) return mw_slice(node->value, node->len);
  uint64_t run = mw_page_run(pages, node->len);
  const uint8_t *page = mw_pages_at(pages, node->page, run);
  if (!page || mw_read64(page) != node->page || (mw_read16(page + 10) & MW_PAGE_KINDS) != MW_PAGE_OVERFLOW ||
      mw_read32(page + 12) < run) {
    return mw_slice(NULL, 0);
  }
  return mw_slice(page + MW_PAGE_HEADER, node->len);
}
