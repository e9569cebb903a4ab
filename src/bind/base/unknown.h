/* Errors for services and methods that are not in the schema. */
#ifndef MW_BIND_BASE_UNKNOWN_H
#define MW_BIND_BASE_UNKNOWN_H

#include "bind/base/bind.h"

/* Raise "WHO: no service NAME in the schema" with the nearest name, or with all names. `word` is the method's own part
 * of `name`. */
int mw_bind_no_service(lua_State *L, const char *who, const struct mw_pool *pool, const char *name);
int mw_bind_no_method(lua_State *L, const char *who, const struct mw_service_type *service, const char *name,
                      const char *word);

#endif
