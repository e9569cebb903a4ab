#include "rpc/client_rpc.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "rpc/client_rpc_impl.h"

/* Greatest number of held messages while no attempt is under way. */
enum { WAITING_MESSAGES = 32 };

/* ---- channels ---- */

static int read_config(struct mw_client_channel *channel, const struct mw_channel_config *config, struct mw_err *err) {
  if (!config->service_config) return 0;
  int rc = mw_service_config_new(config->service_config, &channel->config, err);
  if (rc != 0) return rc;
  if (channel->config->throttling.max == 0) return 0;
  channel->throttle = mw_throttle_ref(config->target, channel->config->throttling);
  return channel->throttle ? 0 : mw_err_set(err, MW_ENOMEM, "out of memory");
}

int mw_client_channel_open(struct mw_engine *engine, struct mw_loop *loop, const struct mw_channel_config *config,
                           struct mw_client_channel **out, struct mw_err *err) {
  struct mw_client_channel *channel = calloc(1, sizeof *channel);
  if (!channel) return mw_err_set(err, MW_ENOMEM, "out of memory");
  channel->ops = engine->ops->channels;
  channel->loop = loop;
  mw_list_init(&channel->rpcs);
  struct mw_channel_config below = *config;
  int rc = read_config(channel, config, err);
  if (rc == 0 && channel->config) below.service_config = channel->config->rest;
  if (rc == 0) rc = channel->ops->open(engine, &below, &channel->engine_channel, err);
  if (rc == 0) {
    *out = channel;
  } else {
    mw_client_channel_close(channel);
  }
  return rc;
}

void mw_client_channel_close(struct mw_client_channel *channel) {
  if (!channel) return;
  struct mw_list *link;
  while ((link = mw_list_shift(&channel->rpcs))) {
    struct mw_client_rpc *rpc = MW_CONTAINER(link, struct mw_client_rpc, link);
    mw_client_rpc_cancel(rpc);
    rpc->channel = NULL;
    rpc->policy = NULL;
  }
  if (channel->engine_channel) channel->ops->close(channel->engine_channel);
  mw_throttle_unref(channel->throttle);
  mw_service_config_free(channel->config);
  free(channel);
}

/* ---- life ---- */

void mw_client_rpc_release(struct mw_client_rpc *rpc) {
  assert(!rpc->released);
  mw_client_rpc_enter(rpc);
  rpc->released = rpc->done = true;
  mw_client_rpc_stop_timers(rpc);
  mw_client_rpc_drop(rpc, NULL);
  mw_list_remove(&rpc->link);
  mw_client_rpc_leave(rpc);
}

/* Returns a static name, because the caller's may not outlive the start. */
static const char *compression_name(const char *name) {
  return !name ? NULL : strcmp(name, "gzip") == 0 ? "gzip" : "deflate";
}

static int copy_metadata(struct mw_client_rpc *rpc, const struct mw_metadata *metadata) {
  for (size_t i = 0; metadata && i < metadata->len; i++) {
    const struct mw_metadata_entry *entry = &metadata->entries[i];
    if (mw_metadata_add(&rpc->metadata, &rpc->arena, entry->key, entry->value) != 0) return MW_ENOMEM;
  }
  return 0;
}

/* The timeout of the service config spans all attempts. */
static int64_t deadline_of(const struct mw_client_rpc *rpc, int64_t deadline) {
  int64_t due = rpc->policy ? mw_time_add(mw_clock_mono(), rpc->policy->timeout) : MW_NEVER;
  return due < deadline ? due : deadline;
}

int mw_client_rpc_start(struct mw_client_channel *channel, const struct mw_client_request *request,
                        const struct mw_client_events *events, void *user, struct mw_client_rpc **out,
                        struct mw_err *err) {
  struct mw_client_rpc *rpc = calloc(1, sizeof *rpc);
  if (!rpc) return mw_err_set(err, MW_ENOMEM, "out of memory");
  mw_arena_init(&rpc->arena, SIZE_MAX);
  mw_list_init(&rpc->link);
  rpc->tail = &rpc->held;
  rpc->channel = channel;
  rpc->ops = channel->ops;
  rpc->failed = mw_attempt_failed;
  rpc->loop = channel->loop;
  rpc->events = events;
  rpc->user = user;
  rpc->policy = mw_service_config_find(channel->config, request->path);
  rpc->request = *request;
  rpc->request.metadata = &rpc->metadata;
  rpc->request.compression = compression_name(request->compression);
  rpc->request.deadline = deadline_of(rpc, request->deadline);
  int rc = copy_metadata(rpc, request->metadata);
  if (rc != 0) mw_err_set(err, rc, "out of memory");
  if (rc == 0) rc = mw_client_rpc_attempt(rpc, err);
  if (rc != 0) {
    mw_client_rpc_free(rpc);
    return rc;
  }
  mw_list_push(&channel->rpcs, &rpc->link);
  if (rpc->policy && rpc->policy->policy == MW_ATTEMPTS_HEDGE) mw_client_rpc_hedge(rpc);
  *out = rpc;
  return 0;
}

/* ---- sending ---- */

/* Returns an attempt that has sent all held messages. */
static struct mw_attempt *ready_attempt(struct mw_client_rpc *rpc) {
  for (size_t i = 0; i < MW_ATTEMPTS_MAX; i++) {
    if (rpc->attempts[i].call && !rpc->attempts[i].unsent) return &rpc->attempts[i];
  }
  return NULL;
}

static bool is_held(const struct mw_client_rpc *rpc, size_t size) {
  bool policy = rpc->policy && rpc->policy->policy != MW_ATTEMPTS_ONE, single = rpc->request.single;
  if (policy && single) return true;
  size_t limit = policy || single ? MW_RPC_HELD_BYTES : MW_RPC_HELD_PLAIN_BYTES;
  return size <= limit && rpc->held_bytes <= limit - size;
}

/* True if an attempt sends the next message directly: the winner, or an attempt that becomes the winner because the
 * request exceeds the limit of held bytes. */
static bool goes_straight(struct mw_client_rpc *rpc, size_t size) {
  if (rpc->winner) return rpc->winner->call && !rpc->winner->unsent;
  if (is_held(rpc, size)) return false;
  struct mw_attempt *attempt = ready_attempt(rpc);
  if (!attempt) return false; /* it is held for now; send() returns false */
  mw_attempt_commit(attempt);
  return true;
}

uint8_t *mw_client_rpc_reserve(struct mw_client_rpc *rpc, size_t size) {
  free(rpc->reserved);
  rpc->reserved = NULL;
  rpc->unbuffered = goes_straight(rpc, size);
  if (rpc->unbuffered) return rpc->ops->reserve(rpc->winner->call, size);
  rpc->reserved = malloc(sizeof *rpc->reserved + size);
  if (!rpc->reserved) return NULL;
  *rpc->reserved = (struct mw_held_message){.len = size};
  return rpc->reserved->bytes;
}

/* Appends the reserved message, which every attempt still has to send. */
static void hold(struct mw_client_rpc *rpc) {
  struct mw_held_message *message = rpc->reserved;
  rpc->reserved = NULL;
  *rpc->tail = message;
  rpc->tail = &message->next;
  rpc->held_bytes += message->len;
  rpc->n_held++;
  for (size_t i = 0; i < MW_ATTEMPTS_MAX; i++) {
    struct mw_attempt *attempt = &rpc->attempts[i];
    if (attempt->call && !attempt->unsent) attempt->unsent = message;
  }
}

static bool send_held(struct mw_client_rpc *rpc) {
  hold(rpc);
  bool more = rpc->active == 0 && rpc->n_held < WAITING_MESSAGES;
  for (size_t i = 0; i < MW_ATTEMPTS_MAX; i++) {
    struct mw_attempt *attempt = &rpc->attempts[i];
    if (!attempt->call) continue;
    mw_attempt_pump(attempt);
    more = more || !attempt->stalled;
  }
  return more;
}

bool mw_client_rpc_send(struct mw_client_rpc *rpc) {
  if (rpc->done) return false;
  assert(!rpc->half_closed);
  bool more;
  if (rpc->unbuffered) {
    more = rpc->ops->send(rpc->winner->call);
    rpc->winner->stalled = !more;
  } else {
    more = send_held(rpc);
  }
  rpc->unbuffered = false;
  rpc->stalled = !more;
  return more;
}

bool mw_client_rpc_over(const struct mw_client_rpc *rpc) {
  return rpc->done || (rpc->winner && rpc->winner->call && rpc->ops->over(rpc->winner->call));
}

void mw_client_rpc_half_close(struct mw_client_rpc *rpc) {
  if (rpc->done || rpc->half_closed) return;
  rpc->half_closed = true;
  for (size_t i = 0; i < MW_ATTEMPTS_MAX; i++) {
    if (rpc->attempts[i].call) mw_attempt_pump(&rpc->attempts[i]);
  }
}

/* ---- reading and ending ---- */

void mw_client_rpc_read(struct mw_client_rpc *rpc) {
  if (rpc->done) return;
  assert(!rpc->want_read);
  rpc->want_read = true;
  for (size_t i = 0; i < MW_ATTEMPTS_MAX; i++) {
    if (rpc->attempts[i].call) mw_attempt_read(&rpc->attempts[i]);
  }
}

void mw_client_rpc_cancel(struct mw_client_rpc *rpc) {
  if (rpc->done || rpc->cancelled) return;
  rpc->cancelled = true;
  mw_client_rpc_stop_timers(rpc);
  const struct mw_attempt *last = rpc->winner;
  for (size_t i = 0; !last && i < MW_ATTEMPTS_MAX; i++) {
    if (rpc->attempts[i].call) last = &rpc->attempts[i];
  }
  mw_client_rpc_drop(rpc, last);
  if (last && last->call) {
    rpc->ops->cancel(last->call);
  } else {
    mw_client_rpc_finish_soon(rpc, mw_status(MW_CODE_CANCELLED, "the call was cancelled on this side"));
  }
}
