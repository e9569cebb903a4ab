/* The sending half of a call (call.h). */
#ifndef MW_ENGINE_HTTP_CONN_REPLY_H
#define MW_ENGINE_HTTP_CONN_REPLY_H

#include "engine/http/conn/call.h"

/* Operations of rpc/engine.h. */
uint8_t *mw_http_reply_reserve(struct mw_call *call, size_t size);
void mw_http_reply_send(struct mw_call *call, unsigned flags);
void mw_http_reply_send_headers(struct mw_call *call);
void mw_http_reply_finish(struct mw_call *call, const struct mw_status *status);

/* Answers a request that is refused before it reaches a handler. */
void mw_http_reply_refuse(struct mw_http_call *call, const struct mw_http_refusal *refusal);

/* Sends RST_STREAM with CANCEL. */
void mw_http_reply_reset(struct mw_http_call *call);

/* nghttp2's send_data callback: moves the payload of a DATA frame from the outbox into the batch, without a copy. */
int mw_http_reply_send_data(nghttp2_session *ng, nghttp2_frame *frame, const uint8_t *head, size_t length,
                            nghttp2_data_source *source, void *user);

#endif
