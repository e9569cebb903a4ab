/* What a call sends: the sending half of call.h. */
#ifndef MW_ENGINE_HTTP_REPLY_H
#define MW_ENGINE_HTTP_REPLY_H

#include "engine/http/call.h"

/* As in rpc/engine.h. */
uint8_t *mw_http_reply_reserve(struct mw_call *call, size_t size);
void mw_http_reply_send(struct mw_call *call);
void mw_http_reply_send_headers(struct mw_call *call);
void mw_http_reply_finish(struct mw_call *call, const struct mw_status *status, bool last);

/* Answers a request that no handler gets. */
void mw_http_reply_refuse(struct mw_http_call *call, const struct mw_http_refusal *refusal);

/* Cuts the stream off. */
void mw_http_reply_reset(struct mw_http_call *call);

/* For the session: nghttp2's callback for DATA frames, which come straight from the outbox. */
int mw_http_reply_send_data(nghttp2_session *ng, nghttp2_frame *frame, const uint8_t *head, size_t length,
                            nghttp2_data_source *source, void *user);

#endif
