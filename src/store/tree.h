/* A cursor over one tree of an LMDB file, as page.h reads it. The caller keeps the tree's pages from being reused while
 * the cursor is in use, by a transaction of LMDB.
 *
 * Functions that move return 0 and stand on an entry, MW_ENOTFOUND where there is none, or MW_EDATA for a damaged page;
 * after the latter two the cursor stands nowhere. */
#ifndef MW_STORE_TREE_H
#define MW_STORE_TREE_H

#include "base/err.h"
#include "store/page.h"

struct mw_cursor {
  struct mw_pages *pages;
  struct mw_tree tree;
  bool set; /* stands on an entry */
  struct mw_cursor_place {
    const uint8_t *page;
    unsigned index, nodes;
  } level[MW_TREE_DEPTH], /* from the root to the leaf */
      sought;             /* where the last seek has ended in its leaf; after the last entry when that is less */
};

static inline void mw_cursor_init(struct mw_cursor *cursor, struct mw_pages *pages, const struct mw_tree *tree) {
  cursor->pages = pages;
  cursor->tree = *tree;
  cursor->set = false;
}

/* To the entry of `key` (`exact`), or to the next one after it. */
int mw_cursor_seek(struct mw_cursor *cursor, struct mw_slice key, bool *exact);

/* To the last entry. */
int mw_cursor_last(struct mw_cursor *cursor);

/* From an entry to the one after or before it. */
int mw_cursor_next(struct mw_cursor *cursor);
int mw_cursor_prev(struct mw_cursor *cursor);

/* The entry's key; data NULL for a damaged page. */
struct mw_slice mw_cursor_key(const struct mw_cursor *cursor);

/* Reads the entry. Returns 0; or MW_EDATA with the key, if only the value is damaged, or else with data NULL in `key`. */
int mw_cursor_read(const struct mw_cursor *cursor, struct mw_slice *key, struct mw_slice *value);

/* After a seek that returned 0 or MW_ENOTFOUND in a tree that is not empty: reads the entry in the leaf of the sought key
 * before the key's place (`side` -1), or at or after it (0), as one whose key has `key_len` bytes; 0 for the length that
 * it states. Returns 0, MW_ENOTFOUND or MW_EDATA. */
int mw_cursor_beside(const struct mw_cursor *cursor, int side, size_t key_len, struct mw_slice *key,
                     struct mw_slice *value);

/* Checks all pages that LMDB may follow when it reads, puts or deletes `key`: those on the way to it, and for a delete
 * their neighbours, which LMDB may merge with them. Returns 0 or MW_EDATA. */
int mw_cursor_guard(struct mw_cursor *cursor, struct mw_slice key, bool deletes);

#endif
