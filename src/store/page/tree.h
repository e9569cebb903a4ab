/* A cursor over one tree of an LMDB file, as page.h reads it. The caller keeps an LMDB transaction open, so that the
 * tree's pages are not reused while the cursor is in use.
 *
 * Functions that move the cursor return 0 at an entry, MW_ENOTFOUND if there is none, or MW_EDATA for a damaged
 * page; after the latter two the cursor is at no entry. */
#ifndef MW_STORE_PAGE_TREE_H
#define MW_STORE_PAGE_TREE_H

#include "base/err.h"
#include "store/page/page.h"

struct mw_cursor {
  struct mw_pages *pages;
  struct mw_tree tree;
  bool set; /* at an entry */
  struct mw_cursor_place {
    const uint8_t *page;
    unsigned index, nodes;
  } level[MW_TREE_DEPTH], /* from the root to the leaf */
      seek_place;         /* place of the last seek in its leaf; may be after the leaf's last entry */
};

static inline void mw_cursor_init(struct mw_cursor *cursor, struct mw_pages *pages, const struct mw_tree *tree) {
  cursor->pages = pages;
  cursor->tree = *tree;
  cursor->set = false;
}

/* Moves to the entry of `key` (`exact`), or to the next one after it. */
int mw_cursor_seek(struct mw_cursor *cursor, struct mw_slice key, bool *exact);

/* Moves to the last entry. */
int mw_cursor_last(struct mw_cursor *cursor);

/* Move from an entry to the next or previous one. */
int mw_cursor_next(struct mw_cursor *cursor);
int mw_cursor_prev(struct mw_cursor *cursor);

/* Returns the entry's key; data NULL for a damaged page. */
struct mw_slice mw_cursor_key(const struct mw_cursor *cursor);

/* Reads the entry. Returns 0; or MW_EDATA, with the key if only the value is damaged, otherwise with data NULL in
 * `key`. */
int mw_cursor_read(const struct mw_cursor *cursor, struct mw_slice *key, struct mw_slice *value);

/* Reads a neighbour of the sought key in its leaf: the entry before the key's place (`side` -1), or the one at or
 * after it (0). Reads it as if its key had `key_len` bytes; 0 for its stated length. Call it after a seek that
 * returned 0 or MW_ENOTFOUND in a tree that is not empty. Returns 0, MW_ENOTFOUND or MW_EDATA. */
int mw_cursor_neighbour(const struct mw_cursor *cursor, int side, size_t key_len, struct mw_slice *key,
                        struct mw_slice *value);

/* Checks all pages that LMDB may follow when it reads, puts or deletes `key`: the path to it, and for a delete the
 * neighbours of those pages, with which LMDB may merge them. Returns 0 or MW_EDATA. */
int mw_cursor_check_path(struct mw_cursor *cursor, struct mw_slice key, bool deletes);

#endif
