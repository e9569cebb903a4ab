#include "store/page/tree.h"

static unsigned leaf_of(const struct mw_cursor *c) { return c->tree.depth - 1; }

static int damaged(struct mw_cursor *c) {
  c->set = false;
  return MW_EDATA;
}

/* True if all keys of `page` are within the bounds that its parent, at `level` - 1, has for it. */
static bool in_bounds(const struct mw_cursor *c, unsigned level, const uint8_t *page, bool leaf) {
  if (level == 0) return true;
  const uint8_t *parent = c->level[level - 1].page;
  unsigned index = c->level[level - 1].index;
  struct mw_bounds bounds = {{NULL, 0}, {NULL, 0}};
  if (!mw_page_narrow(c->pages, parent, index, &bounds)) return false;
  return mw_page_within(c->pages, page, leaf, c->tree.order, &bounds);
}

/* Returns the page at `level`, child of the parent's present index; NULL if it is damaged. */
static const uint8_t *page_at(const struct mw_cursor *c, unsigned level, uint64_t number) {
  bool leaf = level == leaf_of(c);
  const uint8_t *page = mw_pages_tree(c->pages, number, leaf);
  if (!page || mw_pages_checked(c->pages, number)) return page;
  if (!mw_page_ok(c->pages, page, leaf, c->tree.order) || !in_bounds(c, level, page, leaf)) return NULL;
  mw_pages_set_checked(c->pages, number);
  return page;
}

/* Enters page `number` at `level`. Returns false if it is damaged. */
static bool enter(struct mw_cursor *c, unsigned level, uint64_t number) {
  const uint8_t *page = page_at(c, level, number);
  if (!page) return false;
  c->level[level].page = page;
  c->level[level].nodes = mw_page_nodes(page);
  return true;
}

/* Enters the present child of the branch at `level`. */
static bool enter_child(struct mw_cursor *c, unsigned level) {
  struct mw_node node;
  return mw_page_node(c->pages, c->level[level].page, c->level[level].index, false, &node) &&
         enter(c, level + 1, node.page);
}

/* Returns 0, MW_ENOTFOUND for an empty tree, or MW_EDATA. */
static int enter_root(struct mw_cursor *c) {
  c->set = false;
  if (c->tree.root == MW_NO_PAGE) return MW_ENOTFOUND;
  return enter(c, 0, c->tree.root) ? 0 : MW_EDATA;
}

/* Descends from `level` to the first or last entry. */
static int descend(struct mw_cursor *c, unsigned level, bool last) {
  for (;; level++) {
    c->level[level].index = last ? c->level[level].nodes - 1 : 0;
    if (level == leaf_of(c)) break;
    if (!enter_child(c, level)) return damaged(c);
  }
  c->set = true;
  return 0;
}

int mw_cursor_last(struct mw_cursor *c) {
  int rc = enter_root(c);
  return rc != 0 ? rc : descend(c, 0, true);
}

/* Moves to the first entry of the next leaf, or to the last one of the previous leaf. */
static int turn_leaf(struct mw_cursor *c, bool back) {
  unsigned level = leaf_of(c);
  for (;;) {
    if (level == 0) {
      c->set = false;
      return MW_ENOTFOUND;
    }
    level--;
    if (back ? c->level[level].index > 0 : c->level[level].index + 1 < c->level[level].nodes) break;
  }
  c->level[level].index += back ? UINT32_MAX : 1;
  return enter_child(c, level) ? descend(c, level + 1, back) : damaged(c);
}

int mw_cursor_next(struct mw_cursor *c) {
  unsigned leaf = leaf_of(c);
  if (c->level[leaf].index + 1 >= c->level[leaf].nodes) return turn_leaf(c, false);
  c->level[leaf].index++;
  return 0;
}

int mw_cursor_prev(struct mw_cursor *c) {
  unsigned leaf = leaf_of(c);
  if (c->level[leaf].index == 0) return turn_leaf(c, true);
  c->level[leaf].index--;
  return 0;
}

/* Sets the index of `level` to the first node, from `low` on, whose key is not less than `key`, or after the last.
 * Returns false for a damaged page. Only for trees of records: the list of free pages is never searched. */
static bool search(struct mw_cursor *c, unsigned level, struct mw_slice key, unsigned low, bool *exact) {
  unsigned high = c->level[level].nodes;
  const uint8_t *page = c->level[level].page;
  *exact = false;
  while (low < high) {
    unsigned middle = (low + high) / 2;
    struct mw_slice found;
    if (!mw_page_key(c->pages, page, middle, &found)) return false;
    int order = mw_bytes_compare(found, key);
    if (order == 0) {
      *exact = true;
      low = middle;
      break;
    }
    if (order > 0) high = middle;
    else low = middle + 1;
  }
  c->level[level].index = low;
  return true;
}

int mw_cursor_seek(struct mw_cursor *c, struct mw_slice key, bool *exact) {
  int rc = enter_root(c);
  if (rc != 0) return rc;
  unsigned leaf = leaf_of(c);
  for (unsigned level = 0; level < leaf; level++) {
    if (!search(c, level, key, 1, exact)) return damaged(c);
    if (!*exact) c->level[level].index--; /* the last child whose first key is not greater than `key` */
    if (!enter_child(c, level)) return damaged(c);
  }
  if (!search(c, leaf, key, 0, exact)) return damaged(c);
  c->set = true;
  c->seek_place = c->level[leaf];
  return c->level[leaf].index < c->level[leaf].nodes ? 0 : turn_leaf(c, false);
}

struct mw_slice mw_cursor_key(const struct mw_cursor *c) {
  unsigned leaf = leaf_of(c);
  struct mw_slice key;
  if (!mw_page_key(c->pages, c->level[leaf].page, c->level[leaf].index, &key)) return mw_slice(NULL, 0);
  return key;
}

int mw_cursor_read(const struct mw_cursor *c, struct mw_slice *key, struct mw_slice *value) {
  unsigned leaf = leaf_of(c);
  struct mw_node node;
  bool there = mw_page_node(c->pages, c->level[leaf].page, c->level[leaf].index, true, &node);
  *key = there ? node.key : mw_slice(NULL, 0);
  if (!there) return MW_EDATA;
  *value = node.value ? mw_slice(node.value, node.len) : mw_page_value(c->pages, &node);
  return value->data ? 0 : MW_EDATA;
}

int mw_cursor_neighbour(const struct mw_cursor *c, int side, size_t key_len, struct mw_slice *key,
                        struct mw_slice *value) {
  unsigned index = c->seek_place.index + (unsigned)side;
  struct mw_node node;
  if (index >= c->seek_place.nodes) return MW_ENOTFOUND;
  if (!mw_page_node(c->pages, c->seek_place.page, index, true, &node)) return MW_EDATA;
  *value = mw_page_value(c->pages, &node);
  if (!value->data) return MW_EDATA;
  if (key_len == 0) key_len = node.key.len;
  *key = mw_slice(node.key.data, key_len);
  if (!node.value) return 0;
  size_t at = (size_t)(key->data - c->seek_place.page) + key_len;
  value->data = c->seek_place.page + at;
  return at + value->len <= c->pages->page_size ? 0 : MW_EDATA;
}

/* Checks the neighbours of the present child of the branch at `level`. */
static bool check_neighbours(struct mw_cursor *c, unsigned level) {
  unsigned index = c->level[level].index;
  bool good = true;
  for (int side = -1; good && side <= 1; side += 2) {
    if (side < 0 ? index == 0 : index + 1 >= c->level[level].nodes) continue;
    c->level[level].index = index + (unsigned)side;
    struct mw_node node;
    good = mw_page_node(c->pages, c->level[level].page, c->level[level].index, false, &node) &&
           page_at(c, level + 1, node.page);
  }
  c->level[level].index = index;
  return good;
}

/* True if LMDB can read and free the value of the entry. */
static bool value_ok(const struct mw_cursor *c) {
  unsigned leaf = leaf_of(c);
  struct mw_node node;
  return mw_page_node(c->pages, c->level[leaf].page, c->level[leaf].index, true, &node) &&
         (node.value || mw_page_run_own(c->pages, &node));
}

int mw_cursor_check_path(struct mw_cursor *c, struct mw_slice key, bool deletes) {
  bool exact;
  int rc = mw_cursor_seek(c, key, &exact);
  if (rc == MW_ENOTFOUND && c->tree.root != MW_NO_PAGE) rc = mw_cursor_last(c);
  if (rc != 0) return rc == MW_ENOTFOUND ? 0 : rc;
  if (exact && !value_ok(c)) return damaged(c);
  if (!deletes) return 0;
  for (unsigned level = 0; level + 1 < c->tree.depth; level++) {
    if (!check_neighbours(c, level)) return damaged(c);
  }
  struct mw_cursor beside = *c;
  if (turn_leaf(&beside, false) == MW_EDATA) return MW_EDATA;
  beside = *c;
  return turn_leaf(&beside, true) == MW_EDATA ? MW_EDATA : 0;
}
