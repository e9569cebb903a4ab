/* An RPC of a client, for the files that make it up: client_rpc.c has its channel, its life and its owner's operations,
 * client_attempt.c its attempts and what they report, client_retry.c what follows when one has failed. */
#ifndef MW_RPC_CLIENT_RPC_IMPL_H
#define MW_RPC_CLIENT_RPC_IMPL_H

#include "base/arena.h"
#include "rpc/client_rpc.h"
#include "rpc/service_config.h"

struct mw_client_channel {
  const struct mw_channel_ops *ops;
  struct mw_channel *engine_channel;
  struct mw_loop *loop;
  struct mw_service_config *config; /* NULL for none */
  struct mw_throttle *throttle;     /* NULL for none */
  struct mw_list rpcs;              /* struct mw_client_rpc.link */
};

/* A message of the request that is held. */
struct mw_held_message {
  struct mw_held_message *next;
  size_t len;
  uint8_t bytes[];
};

struct mw_attempt {
  struct mw_client_rpc *rpc;
  struct mw_client_call *call;   /* NULL before its start and after its end */
  struct mw_held_message *unsent; /* the next to send; NULL when all of them are sent */
  unsigned previous;             /* attempts before it, for grpc-previous-rpc-attempts */
  bool stalled;                  /* the engine has said to wait */
  bool closed;                   /* half-closed */
  bool reading;
  bool bare_headers;             /* headers without an entry are in: the engine's sign of headers, or of trailers alone */
};

struct mw_client_rpc {
  struct mw_client_channel *channel; /* NULL once that was closed */
  struct mw_list link;               /* in channel->rpcs */
  const struct mw_channel_ops *ops;
  struct mw_loop *loop;
  const struct mw_method_config *policy; /* NULL for none, and once the channel was closed */
  const struct mw_client_events *events;
  void *user;
  struct mw_client_request request;
  struct mw_metadata metadata;       /* in `arena`, as the next two */
  struct mw_arena arena;
  struct mw_status failure;          /* of the newest attempt that failed, kept while another one is due */
  struct mw_metadata failure_trailers;

  struct mw_attempt attempts[MW_ATTEMPTS_MAX];
  struct mw_attempt *winner;         /* the one committed to */
  unsigned started;                  /* attempts, those repeated because nobody saw them counted once */
  unsigned active;                   /* attempts that have a call */
  unsigned backoffs;                 /* since the start or the last pushback */
  struct mw_timer *timer;            /* of the next attempt */
  struct mw_post end;                /* of mw_client_rpc_finish_soon(), while `ending` */
  struct mw_timer *headers_timer;    /* see bare_headers */

  struct mw_held_message *held, **tail; /* all of the request that is held, in order */
  struct mw_held_message *reserved;     /* being filled */
  size_t held_bytes;
  unsigned n_held;

  unsigned entered;    /* frames of ours that still use it */
  bool direct;         /* the reserved message is sent by the winner, not held */
  bool half_closed, want_read;
  bool stalled;        /* send() has returned false: `writable` is due */
  bool told_headers;
  unsigned repeats;    /* of attempts that never left this side */
  bool refused_once;   /* repeated once already after a refusal */
  bool no_more;        /* no further hedges: pushback, throttling */
  bool ending, cancelled, done, released;
};

/* ---- client_attempt.c ---- */

/* Starts an attempt in a free slot, as the next one. Returns 0, MW_ECLOSED or MW_ENOMEM. */
int mw_client_rpc_attempt(struct mw_client_rpc *rpc, struct mw_err *err);

/* Starts the attempt again that has just ended. As above. */
int mw_attempt_repeat(struct mw_attempt *attempt, struct mw_err *err);

/* Sends held messages until the engine asks to wait, and half-closes after the last. */
void mw_attempt_pump(struct mw_attempt *attempt);

/* Starts a read, if the owner waits for a message and none is under way. */
void mw_attempt_read(struct mw_attempt *attempt);

/* Releases the calls of all attempts but `but`, which may be NULL. */
void mw_client_rpc_drop(struct mw_client_rpc *rpc, const struct mw_attempt *but);

/* Stops all that would start an attempt, or end the RPC, later. */
void mw_client_rpc_stop_timers(struct mw_client_rpc *rpc);

/* From here on the RPC is this attempt. */
void mw_attempt_commit(struct mw_attempt *attempt);

/* Ends the RPC; both are borrowed for the call. */
void mw_client_rpc_finish(struct mw_client_rpc *rpc, const struct mw_status *status, const struct mw_metadata *trailers);

/* Around whatever runs the owner's events, which may release the RPC. */
static inline void mw_client_rpc_enter(struct mw_client_rpc *rpc) { rpc->entered++; }
void mw_client_rpc_leave(struct mw_client_rpc *rpc);

/* ---- client_retry.c ---- */

/* Decides what follows a failed attempt of an RPC without a winner. The caller releases the call of the attempt. */
void mw_attempt_failed(struct mw_attempt *attempt, const struct mw_client_fate *fate, const struct mw_status *status,
                       const struct mw_metadata *trailers);

/* Arranges for the next hedge, after the first attempt was started. */
void mw_client_rpc_hedge(struct mw_client_rpc *rpc);

/* Ends it with `status`, whose text is static, in the loop's next turn. */
void mw_client_rpc_finish_soon(struct mw_client_rpc *rpc, struct mw_status status);

#endif
