/* Finds a definition by its name or the end of its name. */
#ifndef MW_CLI_CALL_CALL_FIND_H
#define MW_CLI_CALL_CALL_FIND_H

#include "schema/pool/pool.h"

struct mw_call_found {
  const struct mw_method_type *method; /* one of the four is set */
  const struct mw_service_type *service;
  const struct mw_message_type *message;
  const struct mw_enum_type *enumeration;
};

/* Finds the method, or with `any` the definition of any kind, called `name`: a full name, or the end of one after a dot
 * or slash. A full name takes precedence over the end of one, and a definition of the schema over one of the built-in
 * files. `where` names the schema in messages. Returns 0; MW_ENOTFOUND with the nearest names; or MW_EEXIST with all
 * matching names. */
int mw_call_find(const struct mw_pool *pool, const char *name, bool any, const char *where, struct mw_call_found *out,
                 struct mw_err *err);

/* True if the name is in a package of the built-in files, which every pool has. */
bool mw_call_is_builtin(const char *full_name);

#endif
