/* The server's end of a call (call.h): the handler's operations and events. */
#ifndef MW_ENGINE_INPROC_HANDLER_H
#define MW_ENGINE_INPROC_HANDLER_H

#include "engine/inproc/call.h"

/* The operations of rpc/engine.h. */
extern const struct mw_engine_call_ops mw_inproc_call_ops;

/* Runs the next event of the server's end. */
void mw_inproc_step_server(struct mw_client_call *call);

#endif
