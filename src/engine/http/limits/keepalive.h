/* Keepalive of connections: the server's PINGs, a limit on the client's, maximum idle time and age. As in gRFC A8 and
 * A9, and in the servers of gRPC.
 *
 * A connection only records the time when bytes arrive and when a stream ends. One timer for all connections of an
 * engine fires when the first of them is due, and checks each. All times are of uv_now(). */
#ifndef MW_ENGINE_HTTP_LIMITS_KEEPALIVE_H
#define MW_ENGINE_HTTP_LIMITS_KEEPALIVE_H

#include <stdbool.h>
#include <stdint.h>

#include "rpc/engine.h"

struct mw_http_conn;
struct mw_http_engine;

/* The settings and the timer of an engine. Milliseconds; UINT64_MAX for never. */
struct mw_http_keeper {
  uint64_t time, timeout, min_time, idle, age, grace;
  bool permit;            /* PINGs while there is no stream */
  uint64_t step;          /* least time between two checks */
  struct mw_timer *timer; /* NULL when no connection is due */
  uint64_t due;           /* time at which it fires */
};

/* The state of a connection. The uint64_t members are times. */
struct mw_http_keepalive {
  uint64_t heard;   /* last bytes from the client */
  uint64_t asked;   /* PING to a client that has sent nothing since; 0 for none */
  uint64_t quiet;   /* end of the last stream */
  uint64_t pinged;  /* last PING of the client; 0 for none */
  uint64_t retires; /* maximum age is reached */
  uint64_t drained; /* first GOAWAY */
  uint64_t leaves;  /* end of the grace period, in which the streams can finish */
  uint8_t strikes;  /* number of PINGs that came too early */
  bool spoke;       /* the server has sent HEADERS or DATA since the client's last PING */
};

void mw_http_keeper_init(struct mw_http_keeper *keeper, const struct mw_keepalive *config);
void mw_http_keeper_stop(struct mw_http_keeper *keeper);

/* A connection begins. */
void mw_http_keepalive_start(struct mw_http_conn *conn);

/* Bytes have arrived from the client. */
static inline void mw_http_keepalive_hear(struct mw_http_keepalive *keepalive, uint64_t now) {
  keepalive->heard = now;
  keepalive->asked = 0;
}

/* A PING has arrived. Returns false after the third that came too early, with no HEADERS or DATA sent in between: the
 * connection must end. */
bool mw_http_keepalive_take_ping(struct mw_http_conn *conn);

/* The first GOAWAY is sent. Ensures that the final one follows within some seconds. */
void mw_http_keepalive_drain(struct mw_http_conn *conn);

#endif
