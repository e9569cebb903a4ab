/* The engines that can serve, by name. */
#ifndef MW_SERVER_SETTINGS_ENGINES_H
#define MW_SERVER_SETTINGS_ENGINES_H

#include "rpc/engine.h"

/* The names of the engines, for messages. */
#define MW_SERVER_ENGINES "http or core"

/* Returns the engine of that name, or NULL. Any thread. */
const struct mw_engine_ops *mw_server_engine(const char *name);

#endif
