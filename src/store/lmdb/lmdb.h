/* The storage engine on LMDB. */
#ifndef MW_STORE_LMDB_LMDB_H
#define MW_STORE_LMDB_LMDB_H

#include "store/backend/backend.h"

/* Opens the engine on the folder `path`, created if absent, or for ":memory:" on unlinked files. The records take at
 * most `map_size` bytes. At opening it checks up to `check_pages` pages of their trees; 0 for the default. Errors as
 * for mw_store_open(). */
int mw_lmdb_open(struct mw_backend **out, const char *path, size_t map_size, uint64_t check_pages, struct mw_err *err);

#endif
