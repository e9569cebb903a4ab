#include <stdlib.h>

#include "engine/inproc/client.h"
#include "engine/inproc/inproc.h"
#include "rpc/rules.h"

enum { MAX_RECEIVE = 4 * 1024 * 1024 };

static struct mw_inproc_engine *engine_of(struct mw_engine *base) {
  return MW_CONTAINER(base, struct mw_inproc_engine, base);
}

static int engine_open(const struct mw_engine_config *config, struct mw_engine **out, struct mw_err *err) {
  struct mw_inproc_engine *engine = calloc(1, sizeof *engine);
  if (!engine) return mw_err_set(err, MW_ENOMEM, "out of memory");
  engine->base.ops = &mw_engine_inproc;
  engine->loop = config->loop;
  engine->dispatch = config->dispatch;
  engine->max_receive_bytes = config->max_receive_bytes ? config->max_receive_bytes : MAX_RECEIVE;
  mw_list_init(&engine->calls);
  *out = &engine->base;
  return 0;
}

static void engine_close(struct mw_engine *base) {
  struct mw_inproc_engine *engine = engine_of(base);
  while (mw_list_shift(&engine->calls)) continue; /* their clients release them later */
  free(engine);
}

/* ---- channels ---- */

static int channel_open(struct mw_engine *base, const struct mw_channel_config *config, struct mw_channel **out,
                        struct mw_err *err) {
  struct mw_channel *channel = calloc(1, sizeof *channel);
  if (!channel) return mw_err_set(err, MW_ENOMEM, "out of memory");
  channel->engine = engine_of(base);
  channel->max_receive_bytes = config->max_receive_bytes ? config->max_receive_bytes : MAX_RECEIVE;
  *out = channel;
  return 0;
}

static void channel_close(struct mw_channel *channel) {
  struct mw_list *calls = &channel->engine->calls;
  for (struct mw_list *node = calls->next; node != calls; node = node->next) {
    struct mw_client_call *call = MW_CONTAINER(node, struct mw_client_call, link);
    if (call->channel != channel) continue;
    call->channel = NULL;
    mw_inproc_call_cancel(call);
  }
  free(channel);
}

static const struct mw_channel_ops channels = {
    .local = true,
    .open = channel_open,
    .close = channel_close,
    .start = mw_inproc_call_start,
    .reserve = mw_inproc_call_reserve,
    .send = mw_inproc_call_send,
    .over = mw_inproc_call_over,
    .half_close = mw_inproc_call_half_close,
    .read = mw_inproc_call_read,
    .fate = mw_inproc_call_fate,
    .cancel = mw_inproc_call_cancel,
    .release = mw_inproc_call_release,
};

const struct mw_engine_ops mw_engine_inproc = {
    .name = "inproc", .open = engine_open, .close = engine_close, .channels = &channels};

void mw_inproc_disconnect(struct mw_engine *base) {
  struct mw_list *calls = &engine_of(base)->calls;
  for (struct mw_list *node = calls->next; node != calls; node = node->next) {
    mw_inproc_call_end(MW_CONTAINER(node, struct mw_client_call, link),
                       mw_status(MW_CODE_UNAVAILABLE, "the connection was lost"), mw_status_client_gone());
  }
}
