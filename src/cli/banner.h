/* What `serve` shows on a terminal: what it serves, and a call to try. */
#ifndef MW_CLI_BANNER_H
#define MW_CLI_BANNER_H

#include "server/server.h"

void mw_banner_print(const struct mw_server *server, const char *dir);

#endif
