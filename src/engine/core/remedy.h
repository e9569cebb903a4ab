/* Remedies for connections that fail for a mistake about TLS. */
#ifndef MW_ENGINE_CORE_REMEDY_H
#define MW_ENGINE_CORE_REMEDY_H

#include <stdbool.h>

#include "base/slice.h"

/* The remedy for core's message about a connection that failed, with TLS or without: a static text to append, or
 * NULL. */
const char *mw_core_remedy(struct mw_slice message, bool tls);

#endif
