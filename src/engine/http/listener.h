/* Admits connections to an engine: its acceptors (loop/acceptor.h) hand them over here. One beyond the limit of connections
 * is closed, and so is one for which there is no memory. */
#ifndef MW_ENGINE_HTTP_LISTENER_H
#define MW_ENGINE_HTTP_LISTENER_H

#include "engine/http/engine.h"

void mw_http_listeners_init(struct mw_http_engine *engine);

#endif
