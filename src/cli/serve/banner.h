/* The banner of `serve` on a terminal: the served services, and a call to try. */
#ifndef MW_CLI_SERVE_BANNER_H
#define MW_CLI_SERVE_BANNER_H

#include "server/server.h"

/* Appends the banner. */
void mw_banner_write(struct mw_buf *out, const struct mw_server *server, const char *dir);

#endif
