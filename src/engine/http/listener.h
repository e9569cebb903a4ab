/* Admits the connections that an engine's acceptors (loop/acceptor.h) accept. Closes connections beyond the limit, and
 * those for which memory is missing. */
#ifndef MW_ENGINE_HTTP_LISTENER_H
#define MW_ENGINE_HTTP_LISTENER_H

#include "engine/http/conn/engine.h"

void mw_http_listeners_init(struct mw_http_engine *engine);

#endif
