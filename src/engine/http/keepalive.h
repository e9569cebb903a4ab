/* How long connections live: the server's own PINGs, how many a client may send, idle time and age (gRFC A8 and A9, and
 * as gRPC's servers have it).
 *
 * Those who have a connection only note when something comes, and when a stream ends. One timer for all connections of
 * an engine looks when the first of them is due for something, and finds out what. All times are of uv_now(). */
#ifndef MW_ENGINE_HTTP_KEEPALIVE_H
#define MW_ENGINE_HTTP_KEEPALIVE_H

#include <stdbool.h>
#include <stdint.h>

#include "rpc/engine.h"

struct mw_http_conn;
struct mw_http_engine;

/* Of an engine: what its connections are held to, in milliseconds, UINT64_MAX for never. */
struct mw_http_keeper {
  uint64_t time, timeout, min_time, idle, age, grace;
  bool permit;            /* PINGs while there is no stream */
  uint64_t step;          /* between two looks, at least */
  struct mw_timer *timer; /* NULL when nobody is due for anything */
  uint64_t due;           /* when it fires */
};

struct mw_http_keepalive {
  uint64_t heard;   /* when the client last sent something */
  uint64_t asked;   /* when it was sent a PING, if it has sent nothing since; 0 else */
  uint64_t quiet;   /* when the last stream ended */
  uint64_t pinged;  /* when the client last sent a PING; 0: never */
  uint64_t retires; /* when its age is reached */
  uint64_t drained; /* when the first GOAWAY was sent */
  uint64_t leaves;  /* when it ends with the streams that it has */
  uint8_t strikes;  /* PINGs that came too early */
  bool spoke;       /* HEADERS or DATA were sent since the client's last PING */
};

void mw_http_keeper_init(struct mw_http_keeper *keeper, const struct mw_keepalive *config);
void mw_http_keeper_stop(struct mw_http_keeper *keeper);

/* A connection begins. */
void mw_http_keepalive_start(struct mw_http_conn *conn);

/* The client has sent something. */
static inline void mw_http_keepalive_hear(struct mw_http_keepalive *keepalive, uint64_t now) {
  keepalive->heard = now;
  keepalive->asked = 0;
}

/* A PING has come. Returns whether the client may go on: not after the third that comes earlier than it may, with no
 * HEADERS or DATA sent to it meanwhile. */
bool mw_http_keepalive_take_ping(struct mw_http_conn *conn);

/* The first GOAWAY is on its way; the last one follows in some seconds at the latest. */
void mw_http_keepalive_drain(struct mw_http_conn *conn);

#endif
