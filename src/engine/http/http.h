/* The engine on nghttp2 and libuv: HTTP/2 in the worker's own loop. rpc/engine.h is the contract. This engine serves;
 * it opens no outbound channels.
 *
 * The files, from the socket to the call:
 *
 *   listener   accepting sockets                turn     order of work within a turn of the loop
 *   conn       a connection: reads and writes   batch    the bytes of one gathered write
 *   tls        a filter between conn and session
 *   keepalive  PINGs, idle time and age of connections
 *   arrival    arrival time of the bytes of a read
 *   session    HTTP/2: frames and streams, nothing of gRPC
 *   frames     protocol errors of a client's frames
 *   flood      limits on resets, control frames and header blocks
 *   watch      timeouts for slow and stalled clients
 *   loan       the receive quota of a connection
 *   ending     disconnect reasons
 *   call       a stream that is a gRPC call: its life, and receiving
 *   reply      the same: sending                outbox   its unsent messages, in order
 *   request, response, message                  the forms of gRPC, without any state of a connection
 *   team       work sharing between engines     remote   a call that runs on another worker
 *
 * A turn: a connection reads what its socket has and passes the bytes to its session, which only records them. Then the
 * calls with something to do run from the run queue, for a few milliseconds; their handlers submit replies to nghttp2.
 * Then the connection writes, once. So no handler ever runs inside a callback of nghttp2. */
#ifndef MW_ENGINE_HTTP_HTTP_H
#define MW_ENGINE_HTTP_HTTP_H

#include "rpc/engine.h"

extern const struct mw_engine_ops mw_engine_http;

#endif
