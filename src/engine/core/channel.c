#include "engine/core/channel.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "engine/core/batch.h"
#include "engine/core/client_call.h"
#include "engine/core/credentials.h"
#include "engine/core/slices.h"

enum { MAX_RECEIVE = 4 * 1024 * 1024, ARGS = 8 };

/* ---- arguments ---- */

struct args {
  grpc_arg items[ARGS];
  size_t n;
};

static void add_int(struct args *args, const char *key, int value) {
  grpc_arg *arg = &args->items[args->n++];
  *arg = (grpc_arg){.type = GRPC_ARG_INTEGER, .key = (char *)(uintptr_t)key};
  arg->value.integer = value;
}

static void add_string(struct args *args, const char *key, const char *value) {
  if (!value) return;
  grpc_arg *arg = &args->items[args->n++];
  *arg = (grpc_arg){.type = GRPC_ARG_STRING, .key = (char *)(uintptr_t)key};
  arg->value.string = (char *)(uintptr_t)value;
}

static void fill(struct args *args, const struct mw_channel_config *config, size_t max_receive) {
  add_int(args, GRPC_ARG_MAX_RECEIVE_MESSAGE_LENGTH, (int)max_receive);
  add_int(args, GRPC_ARG_ENABLE_PER_MESSAGE_DECOMPRESSION, 0); /* engine/core/slices.h does it */
  add_int(args, GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);        /* workers share no connections */
  add_int(args, GRPC_ARG_ENABLE_RETRIES, 0); /* core's retry filter asserts on a peer that sends no status */
  add_string(args, GRPC_ARG_PRIMARY_USER_AGENT_STRING, "moonwire/" MW_VERSION);
  add_string(args, GRPC_ARG_SERVICE_CONFIG, config->service_config);
  add_string(args, GRPC_ARG_LB_POLICY_NAME, config->load_balancing);
  add_string(args, GRPC_ARG_DEFAULT_AUTHORITY, config->authority);
  if (config->tls) add_string(args, GRPC_SSL_TARGET_NAME_OVERRIDE_ARG, config->authority);
}

/* ---- opening ---- */

/* Core makes a lame channel if it cannot use the target or an argument. The status of a call on it has the reason. */
static int explain(grpc_channel *grpc, const struct mw_channel_config *config, struct mw_err *err) {
  grpc_completion_queue *cq = grpc_completion_queue_create_for_next(NULL);
  grpc_call *call = grpc_channel_create_call(grpc, NULL, 0, cq, grpc_slice_from_static_string("/why"), NULL,
                                             gpr_inf_future(GPR_CLOCK_MONOTONIC), NULL);
  grpc_metadata_array trailers;
  grpc_metadata_array_init(&trailers);
  grpc_status_code code;
  grpc_slice details = grpc_empty_slice();
  struct mw_core_batch batch;
  mw_core_batch_init(&batch);
  mw_core_batch_recv_status(&batch, &trailers, &code, &details);
  struct mw_core_tag tag;
  mw_core_batch_start(&batch, call, &tag);
  grpc_completion_queue_next(cq, gpr_inf_future(GPR_CLOCK_MONOTONIC), NULL);
  struct mw_slice why = mw_core_slice_view(&details);
  bool silent = config->service_config && mw_slice_eq_str(why, "CANCELLED"); /* no reason: a bad service config */
  int rc = mw_err_set(err, MW_EINVAL, "channel to \"%s\": %s%.*s", config->target,
                      silent ? "service config: gRPC refuses it without a reason; expected load balancing, "
                               "waitForReady and max...MessageBytes as in its documentation: "
                             : "",
                      (int)why.len, (const char *)why.data);
  grpc_slice_unref(details);
  grpc_metadata_array_destroy(&trailers);
  grpc_call_unref(call);
  grpc_completion_queue_shutdown(cq);
  grpc_completion_queue_next(cq, gpr_inf_future(GPR_CLOCK_MONOTONIC), NULL); /* GRPC_QUEUE_SHUTDOWN */
  grpc_completion_queue_destroy(cq);
  return rc;
}

static int check(const struct mw_channel_config *config, struct mw_err *err) {
  if (!config->target || !config->target[0]) {
    return mw_err_set(err, MW_EINVAL, "channel: no target, expected \"host:port\"");
  }
  const char *scheme = strncmp(config->target, "http://", 7) == 0 ? "http://" : "https://";
  if (strncmp(config->target, scheme, strlen(scheme)) == 0) {
    return mw_err_set(err, MW_EINVAL, "channel to \"%s\": leave out \"%s\"%s: expected \"host:port\"", config->target,
                      scheme, scheme[4] == 's' && !config->tls ? ", and ask for TLS by the option tls" : "");
  }
  const char *policy = config->load_balancing; /* core aborts on an unknown one */
  if (policy && strcmp(policy, "pick_first") != 0 && strcmp(policy, "round_robin") != 0) {
    return mw_err_set(err, MW_EINVAL,
                      "channel to \"%s\": load balancing \"%s\", expected \"pick_first\" or \"round_robin\"",
                      config->target, policy);
  }
  return 0;
}

static int channel_open(struct mw_engine *base, const struct mw_channel_config *config, struct mw_channel **out,
                        struct mw_err *err) {
  int rc = check(config, err);
  if (rc == 0) rc = mw_core_engine_prepare(mw_core_engine_of(base), err);
  if (rc != 0) return rc;
  grpc_channel_credentials *credentials;
  rc = mw_core_channel_credentials(config, &credentials, err);
  if (rc != 0) return rc;
  struct mw_channel *channel = calloc(1, sizeof *channel);
  if (!channel) {
    grpc_channel_credentials_release(credentials);
    return mw_err_set(err, MW_ENOMEM, "out of memory");
  }
  size_t max_receive = config->max_receive_bytes ? config->max_receive_bytes : MAX_RECEIVE;
  channel->max_receive_bytes = max_receive > INT_MAX ? INT_MAX : max_receive;
  struct args args = {.n = 0};
  fill(&args, config, channel->max_receive_bytes);
  grpc_channel_args channel_args = {args.n, args.items};
  channel->grpc = grpc_channel_create(config->target, credentials, &channel_args);
  grpc_channel_credentials_release(credentials);
  if (!grpc_channel_support_connectivity_watcher(channel->grpc)) {
    rc = explain(channel->grpc, config, err);
    grpc_channel_destroy(channel->grpc);
    free(channel);
    return rc;
  }
  channel->tls = config->tls;
  channel->engine = mw_core_engine_of(base);
  mw_list_push(&channel->engine->channels, &channel->link);
  *out = channel;
  return 0;
}

/* ---- closing ---- */

static void channel_close(struct mw_channel *channel) {
  if (channel->engine) {
    struct mw_list *calls = &channel->engine->client_calls;
    for (struct mw_list *link = calls->next; link != calls; link = link->next) {
      struct mw_client_call *call = MW_CONTAINER(link, struct mw_client_call, link);
      if (call->channel != channel) continue;
      mw_core_client_call_cancel(call);
      call->channel = NULL;
    }
    mw_list_remove(&channel->link);
    grpc_channel_destroy(channel->grpc);
  }
  free(channel);
}

void mw_core_channels_detach(struct mw_core_engine *engine) {
  struct mw_list *link = engine->client_calls.next;
  while (link != &engine->client_calls) {
    struct mw_client_call *call = MW_CONTAINER(link, struct mw_client_call, link);
    link = link->next;
    mw_core_client_call_detach(call);
  }
  while ((link = mw_list_shift(&engine->channels))) {
    struct mw_channel *channel = MW_CONTAINER(link, struct mw_channel, link);
    grpc_channel_destroy(channel->grpc);
    channel->engine = NULL;
    channel->grpc = NULL;
  }
}

const struct mw_channel_ops mw_core_channel_ops = {
    .open = channel_open,
    .close = channel_close,
    .start = mw_core_client_call_start,
    .reserve = mw_core_client_call_reserve,
    .send = mw_core_client_call_send,
    .over = mw_core_client_call_over,
    .half_close = mw_core_client_call_half_close,
    .read = mw_core_client_call_read,
    .fate = mw_core_client_call_fate,
    .cancel = mw_core_client_call_cancel,
    .release = mw_core_client_call_release,
};
