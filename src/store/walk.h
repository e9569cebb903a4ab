/* Walks whole trees of an LMDB file and checks each page: that its nodes lie in it and are in order, that its keys are
 * those its parent gives for it, that it is used once and is not free, and that overflow pages are where they should
 * be. The walk reads a map of the file; nothing is changed. One thread. */
#ifndef MW_STORE_WALK_H
#define MW_STORE_WALK_H

#include "base/err.h"
#include "store/page.h"

struct mw_walk {
  struct mw_pages *pages; /* to be filled in by mw_walk_open(), with the bits of pages that passed, if wanted */
  uint64_t last;          /* the last page in use or free, of the state that is walked; the file may be shorter */
  struct mw_tree free, main;
  uint8_t *used;          /* a bit for each page that was met, or is free */
  uint64_t budget;        /* pages that may still be read; at the end the walk is `cut` */
  int64_t until;          /* of mw_clock_real(), when it is cut as well */
  bool cut;
  bool one_way;           /* of a branch's children only one, by chance */
  uint64_t chance;
  char why[200];          /* the first damage */

  /* For a walk that goes on after damage: takes each finding. NULL ends the walk at the first. */
  void (*found)(struct mw_walk *walk, const char *words);
  /* Each entry of a leaf; returns false when it is damaged, after mw_walk_found(). NULL for none. */
  bool (*entry)(struct mw_walk *walk, struct mw_slice key, struct mw_slice value);
  uint64_t entries, n_pages; /* of the tree that was walked last */
};

/* Reads the meta pages at `base`, a map of `size` bytes of the file `path`. Returns 0, MW_EFORMAT or MW_ENOMEM. */
int mw_walk_open(struct mw_walk *walk, const uint8_t *base, size_t size, const char *path, struct mw_err *err);

/* The same for the state that a transaction of LMDB with the number `txn` sees. Also MW_EBUSY: its meta page was
 * overwritten meanwhile. */
int mw_walk_open_at(struct mw_walk *walk, const uint8_t *base, size_t size, uint64_t txn, const char *path,
                    struct mw_err *err);
void mw_walk_close(struct mw_walk *walk);

/* Each returns false when damage was found: the list of free pages; the three databases' records; a tree; branches of a
 * tree by chance, until the budget is used up. */
bool mw_walk_free(struct mw_walk *walk);
bool mw_walk_main(struct mw_walk *walk, struct mw_tree *data, struct mw_tree *expiry, struct mw_tree *meta);
bool mw_walk_tree(struct mw_walk *walk, const struct mw_tree *tree);
bool mw_walk_sample(struct mw_walk *walk, const struct mw_tree *tree);

/* Whether the file ends before a page that is not free. After mw_walk_free(). */
bool mw_walk_truncated(struct mw_walk *walk);

/* Notes damage. Returns false. */
bool mw_walk_found(struct mw_walk *walk, const char *fmt, ...) MW_PRINTF(2, 3);

#endif
