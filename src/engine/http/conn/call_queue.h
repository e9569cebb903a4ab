/* The way of a call into the run queue (rpc/run_queue.h). */
#ifndef MW_ENGINE_HTTP_CONN_CALL_QUEUE_H
#define MW_ENGINE_HTTP_CONN_CALL_QUEUE_H

#include "engine/http/conn/call.h"

/* Queues the call's item, or a call that is over for recycling. Does nothing while the item runs. */
void mw_http_call_queue(struct mw_http_call *call);

#endif
