/* The client's end of a call (call.h): its operations and events, and the step, which runs the events of both ends. */
#ifndef MW_ENGINE_INPROC_CLIENT_H
#define MW_ENGINE_INPROC_CLIENT_H

#include "engine/inproc/call.h"

/* Operations of rpc/channel.h. */
int mw_inproc_call_start(struct mw_channel *channel, const struct mw_client_request *request,
                         const struct mw_client_events *events, void *user, struct mw_client_call **out,
                         struct mw_err *err);
uint8_t *mw_inproc_call_reserve(struct mw_client_call *call, size_t size);
bool mw_inproc_call_send(struct mw_client_call *call);
bool mw_inproc_call_over(const struct mw_client_call *call);
void mw_inproc_call_half_close(struct mw_client_call *call);
void mw_inproc_call_read(struct mw_client_call *call);
struct mw_client_failure mw_inproc_call_fate(const struct mw_client_call *call);
void mw_inproc_call_cancel(struct mw_client_call *call);
void mw_inproc_call_release(struct mw_client_call *call);

#endif
