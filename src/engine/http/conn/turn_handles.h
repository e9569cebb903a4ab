/* The handles of the loop that work off a turn (turn.h): after the poll and before the next one. */
#ifndef MW_ENGINE_HTTP_CONN_TURN_HANDLES_H
#define MW_ENGINE_HTTP_CONN_TURN_HANDLES_H

#include "engine/http/conn/engine.h"

/* Starts the handles, which count for the engine (mw_http_engine_enter()). */
void mw_http_turn_open(struct mw_http_engine *engine);
void mw_http_turn_close(struct mw_http_engine *engine);

#endif
