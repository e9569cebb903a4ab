/* Reads and writes of a connection (conn.h), and the ways in which it ends. */
#ifndef MW_ENGINE_HTTP_CONN_CONN_IO_H
#define MW_ENGINE_HTTP_CONN_CONN_IO_H

#include "engine/http/conn/conn.h"

/* Makes a connection for an accepted socket, which it takes. Returns false without memory, and then leaves the socket
 * to the caller. */
bool mw_http_conn_accept(struct mw_http_engine *engine, int fd, const struct sockaddr_storage *peer, socklen_t size);

/* Writes the session's pending output, as much as the socket takes. Closes the connection once the session is done. */
void mw_http_conn_flush(struct mw_http_conn *conn);

/* Starts a graceful shutdown: two GOAWAYs, see mw_http_session_drain(). */
void mw_http_conn_drain(struct mw_http_conn *conn);

/* Sends the final GOAWAY; live streams go on, new ones are ignored. */
void mw_http_conn_goaway(struct mw_http_conn *conn);

/* Closes the connection at once and cancels its live calls. */
void mw_http_conn_close(struct mw_http_conn *conn);

/* Closes the connection and cancels its live calls. Written bytes still go out, and the connection lingers. */
void mw_http_conn_linger(struct mw_http_conn *conn);

/* Closes the connection and drops its calls without an event, because the engine closes. */
void mw_http_conn_abandon(struct mw_http_conn *conn);

#endif
