/* Messages that have a mapping of their own in Lua and in JSON. */
#ifndef MW_SCHEMA_WELLKNOWN_H
#define MW_SCHEMA_WELLKNOWN_H

#include "schema/pool.h"

/* Which of them `type`, complete but for its layout, is. A folder may bring its own copy of these files;
 * code that relies on these messages relies on their fields, so a copy that differs in them is refused.
 * Returns 0, MW_EFORMAT (the words say what it should be) or MW_ENOMEM. */
int mw_wellknown_classify(const struct mw_message_type *type, enum mw_wellknown *out, struct mw_err *err);

#endif
