/* The option `where` of each and count: conditions on fields of the stored messages. */
#ifndef MW_BIND_STORE_STORE_WHERE_H
#define MW_BIND_STORE_STORE_WHERE_H

#include "bind/store/store.h"
#include "schema/wire/filter.h"

enum { MW_WHERE_VALUES = 1000 }; /* most values of one field */

/* Reads `where` from the options table at `arg` into `filter`, which is empty: {status = "DONE", ["owner.id"] = 7,
 * priority = {"LOW", "HIGH"}, owner = mw.null}. Returns false if there is none. Raises, with `what` and the field's
 * path, for an unknown field, one that cannot be compared, or a value of another type. */
bool mw_store_where(lua_State *L, int arg, const char *what, const struct mw_collection *collection,
                    struct mw_filter *filter);

#endif
