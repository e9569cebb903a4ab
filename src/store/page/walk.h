/* Walks whole trees of an LMDB file and checks each page: its nodes lie inside it and are in order, its keys are
 * within the bounds of its parent, it is used once and not free, and its overflow pages are in place. The walk reads
 * a map of the file and changes nothing. One thread. */
#ifndef MW_STORE_PAGE_WALK_H
#define MW_STORE_PAGE_WALK_H

#include "base/err.h"
#include "store/page/page.h"

struct mw_walk {
  struct mw_pages *pages; /* filled by mw_walk_open(); with `checked`, the walk marks sound pages */
  uint64_t last;          /* the last page, used or free, of the walked state; the file may be shorter */
  struct mw_tree free, main;
  uint8_t *used;   /* a bit for each page that was visited or is free */
  uint64_t budget; /* pages that may still be read; the walk is then `out_of_budget` */
  int64_t until;   /* mw_clock_real() time, after which the walk is `out_of_budget` too */
  bool out_of_budget;
  bool sampling; /* follow only one random child of each branch */
  uint64_t random_state;
  char first_finding[200]; /* the first damage */

  /* Receives each finding, and the walk continues. NULL ends the walk at the first. */
  void (*found)(struct mw_walk *walk, const char *words);
  /* Receives each entry of a leaf; returns false for a damaged one, after mw_walk_report(). NULL for none. */
  bool (*entry)(struct mw_walk *walk, struct mw_slice key, struct mw_slice value);
  uint64_t entries, n_pages; /* of the last tree */
};

/* Reads the meta pages at `base`, a map of `size` bytes of the file `path`. Returns 0, MW_EFORMAT or MW_ENOMEM. */
int mw_walk_open(struct mw_walk *walk, const uint8_t *base, size_t size, const char *path, struct mw_err *err);

/* The same for the state of the LMDB transaction number `txn`. May also return MW_EBUSY: its meta page was
 * overwritten meanwhile. */
int mw_walk_open_at(struct mw_walk *walk, const uint8_t *base, size_t size, uint64_t txn, const char *path,
                    struct mw_err *err);
void mw_walk_close(struct mw_walk *walk);

/* Each returns false if it found damage. They walk the list of free pages; the three databases' tree records; a
 * tree; random branches of a tree until the budget is used up. */
bool mw_walk_free(struct mw_walk *walk);
bool mw_walk_main(struct mw_walk *walk, struct mw_tree *data, struct mw_tree *expiry, struct mw_tree *meta);
bool mw_walk_tree(struct mw_walk *walk, const struct mw_tree *tree);
bool mw_walk_sample(struct mw_walk *walk, const struct mw_tree *tree);

/* True if the file ends before a page that is not free. After mw_walk_free(). */
bool mw_walk_truncated(struct mw_walk *walk);

/* Records damage. Returns false. */
bool mw_walk_report(struct mw_walk *walk, const char *fmt, ...) MW_PRINTF(2, 3);

#endif
