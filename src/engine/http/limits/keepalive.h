/* Keepalive of connections: the server's PINGs, a limit on the client's, maximum idle time and age. As in gRFC A8 and
 * A9, and in the servers of gRPC.
 *
 * A connection only records the time when bytes arrive and when a stream ends. One timer for all connections of an
 * engine fires when the first of them is due; conn/lifetime.h checks each then. All times are of uv_now(). */
#ifndef MW_ENGINE_HTTP_LIMITS_KEEPALIVE_H
#define MW_ENGINE_HTTP_LIMITS_KEEPALIVE_H

#include <stdbool.h>
#include <stdint.h>

#include "rpc/engine.h"

#define MW_HTTP_NEVER UINT64_MAX

/* From the first to the final GOAWAY, if the client does not answer the PING. */
enum { MW_HTTP_DRAIN_MS = 5000 };

/* The settings and the timer of an engine. Milliseconds; MW_HTTP_NEVER for never. */
struct mw_http_keepalive_engine {
  uint64_t time, timeout, min_time, idle, age, grace;
  bool permit;           /* PINGs while there is no stream */
  uint64_t step;         /* least time between two checks */
  struct mw_loop *loop;  /* of the timer */
  void (*check)(void *); /* runs when the timer fires, with `arg` */
  void *arg;
  struct mw_timer *timer; /* NULL when no connection is due */
  uint64_t due;           /* time at which it fires */
};

/* The state of a connection. The uint64_t members are times. */
struct mw_http_keepalive {
  uint64_t last_received;   /* last bytes from the client */
  uint64_t ping_sent;       /* PING to a client that has sent nothing since; 0 for none */
  uint64_t last_stream_end; /* end of the last stream */
  uint64_t ping_received;   /* last PING of the client; 0 for none */
  uint64_t age_limit;       /* maximum age is reached */
  uint64_t drained;         /* first GOAWAY */
  uint64_t grace_end;       /* end of the grace period, in which the streams can finish */
  uint8_t strikes;          /* number of PINGs that came too early */
  bool sent_since_ping;     /* the server has sent HEADERS or DATA since the client's last PING */
};

/* `check` runs with `arg` when a connection is due. It checks all, and schedules the next check. */
void mw_http_keepalive_init(struct mw_http_keepalive_engine *engine, const struct mw_keepalive *config,
                            struct mw_loop *loop, void (*check)(void *), void *arg);
void mw_http_keepalive_stop(struct mw_http_keepalive_engine *engine);

/* Schedules a check of the connections for `due` at the latest; MW_HTTP_NEVER schedules none. Without memory it waits
 * for the next call. */
void mw_http_keepalive_schedule(struct mw_http_keepalive_engine *engine, uint64_t due);

/* A connection begins. */
void mw_http_keepalive_start(struct mw_http_keepalive_engine *engine, struct mw_http_keepalive *keepalive);

/* Bytes have arrived from the client. */
static inline void mw_http_keepalive_received(struct mw_http_keepalive *keepalive, uint64_t now) {
  keepalive->last_received = now;
  keepalive->ping_sent = 0;
}

/* A PING has arrived; `idle`: on a connection without a stream. Returns false after the third that came too early, with
 * no HEADERS or DATA sent in between: the connection must end. */
bool mw_http_keepalive_take_ping(const struct mw_http_keepalive_engine *engine, struct mw_http_keepalive *keepalive,
                                 bool idle);

/* The first GOAWAY is sent. Ensures that the final one follows within MW_HTTP_DRAIN_MS. */
void mw_http_keepalive_drain(struct mw_http_keepalive_engine *engine, struct mw_http_keepalive *keepalive);

static inline uint64_t mw_http_earlier(uint64_t a, uint64_t b) { return a < b ? a : b; }

/* Returns the time `ms` after `from`, or MW_HTTP_NEVER. */
static inline uint64_t mw_http_after(uint64_t from, uint64_t ms) {
  return ms < MW_HTTP_NEVER - from ? from + ms : MW_HTTP_NEVER;
}

#endif
