/* An RPC of a client, internals: client_rpc.c has its channel, its start and its owner's operations, client_retry.c the
 * decision after a failed attempt, client_attempt.c the attempts and their events, client_end.c the end. Each uses
 * only those that follow it. */
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

/* A held message of the request. */
struct mw_held_message {
  struct mw_held_message *next;
  size_t len;
  uint8_t bytes[];
};

struct mw_attempt {
  struct mw_client_rpc *rpc;
  struct mw_client_call *call;    /* NULL before the start and after the end */
  struct mw_held_message *unsent; /* the next message to send; NULL if all are sent */
  unsigned previous;              /* number of attempts before it, for grpc-previous-rpc-attempts */
  bool stalled;                   /* send() has returned false: wait for `writable` */
  bool closed;                    /* half-closed */
  bool reading;
  /* headers without an entry have arrived: initial headers, or a trailers-only response */
  bool empty_headers;
};

struct mw_client_rpc {
  /* Decides the next step after a failed attempt of an RPC without a winner: mw_attempt_failed(). */
  void (*failed)(struct mw_attempt *attempt, const struct mw_client_failure *fate, const struct mw_status *status,
                 const struct mw_metadata *trailers);
  struct mw_client_channel *channel; /* NULL once the channel is closed */
  struct mw_list link;               /* in channel->rpcs */
  const struct mw_channel_ops *ops;
  struct mw_loop *loop;
  const struct mw_method_config *policy; /* NULL for none, and once the channel is closed */
  const struct mw_client_events *events;
  void *user;
  struct mw_client_request request;
  struct mw_metadata metadata; /* in `arena`, like the next two */
  struct mw_arena arena;
  struct mw_status failure; /* status of the newest failed attempt, kept while another one is due */
  struct mw_metadata failure_trailers;

  struct mw_attempt attempts[MW_ATTEMPTS_MAX];
  struct mw_attempt *winner;      /* the attempt that the RPC has committed to */
  unsigned started;               /* number of attempts; a transparent retry does not count */
  unsigned active;                /* attempts that have a call */
  unsigned backoffs;              /* number since the start or the last pushback */
  struct mw_timer *timer;         /* for the next attempt */
  struct mw_post end;             /* for mw_client_rpc_finish_soon(), while `ending` */
  struct mw_timer *headers_timer; /* see empty_headers */

  struct mw_held_message *held, **tail; /* all held messages of the request, in order */
  struct mw_held_message *reserved;     /* being filled */
  size_t held_bytes;
  unsigned n_held;

  unsigned entered; /* functions on the stack that still use it */
  bool unbuffered;  /* the winner sends the reserved message directly */
  bool half_closed, want_read;
  bool stalled; /* send() has returned false: `writable` is due */
  bool headers_reported;
  unsigned repeats;  /* transparent retries of attempts that never left this process */
  bool refused_once; /* a refused attempt was already repeated */
  bool no_more;      /* no further hedges, because of pushback or throttling */
  bool ending, cancelled, done, released;
};

/* ---- client_attempt.c ---- */

/* Starts the next attempt in a free slot. Returns 0, MW_ECLOSED or MW_ENOMEM. */
int mw_client_rpc_attempt(struct mw_client_rpc *rpc, struct mw_err *err);

/* Restarts the attempt that has just ended. Returns like mw_client_rpc_attempt(). */
int mw_attempt_repeat(struct mw_attempt *attempt, struct mw_err *err);

/* Sends held messages until send() returns false, and half-closes after the last. */
void mw_attempt_pump(struct mw_attempt *attempt);

/* Starts a read if the owner waits for a message and none is under way. */
void mw_attempt_read(struct mw_attempt *attempt);

/* Commits the RPC to this attempt. */
void mw_attempt_commit(struct mw_attempt *attempt);

/* ---- client_end.c ---- */

/* Releases the calls of all attempts but `but`, which may be NULL. */
void mw_client_rpc_drop(struct mw_client_rpc *rpc, const struct mw_attempt *but);

/* Stops the timers and the post that would start an attempt or end the RPC. */
void mw_client_rpc_stop_timers(struct mw_client_rpc *rpc);

/* Ends the RPC; both arguments are borrowed. */
void mw_client_rpc_finish(struct mw_client_rpc *rpc, const struct mw_status *status,
                          const struct mw_metadata *trailers);

/* Enclose code that runs the owner's events, which may release the RPC. */
static inline void mw_client_rpc_enter(struct mw_client_rpc *rpc) { rpc->entered++; }
void mw_client_rpc_leave(struct mw_client_rpc *rpc);

/* Frees an RPC without calls, timers and a place in its channel. */
void mw_client_rpc_free(struct mw_client_rpc *rpc);

/* ---- client_retry.c ---- */

/* Decides the next step after a failed attempt of an RPC without a winner. The caller releases the attempt's call. */
void mw_attempt_failed(struct mw_attempt *attempt, const struct mw_client_failure *fate, const struct mw_status *status,
                       const struct mw_metadata *trailers);

/* Schedules the next hedge, after the first attempt was started. */
void mw_client_rpc_hedge(struct mw_client_rpc *rpc);

/* Ends the RPC with `status`, whose text is static, in the loop's next turn. */
void mw_client_rpc_finish_soon(struct mw_client_rpc *rpc, struct mw_status status);

#endif
