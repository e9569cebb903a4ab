/* The sending half of a call (call.h). */
#ifndef MW_ENGINE_CORE_REPLY_H
#define MW_ENGINE_CORE_REPLY_H

#include "engine/core/call.h"

/* Initialises the members of a call that this file uses. */
void mw_core_reply_init(struct mw_core_call *core);

/* Operations of rpc/engine.h. */
bool mw_core_reply_has_room(struct mw_call *call, size_t size);
uint8_t *mw_core_reply_reserve(struct mw_call *call, size_t size);
void mw_core_reply_send(struct mw_call *call, unsigned flags);
void mw_core_reply_send_headers(struct mw_call *call);
void mw_core_reply_finish(struct mw_call *call, const struct mw_status *status);

#endif
