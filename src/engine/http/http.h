/* The engine on nghttp2 and libuv: HTTP/2 in the worker's own loop. See rpc/engine.h for the contract. It serves; it has
 * no outbound channels of its own.
 *
 * The files, from the outside in; each owns what is in its header:
 *
 *   listener   a socket that accepts           turn     what is done when, within a turn of the loop
 *   conn       a connection: bytes in, bytes   batch    bytes of one write, gathered
 *   tls        a filter between conn and session
 *   keepalive  how long connections live, and what they are asked meanwhile
 *   arrival    when the bytes of a read came
 *   session    HTTP/2: frames and streams, nothing of gRPC
 *   frames, flood, watch, loan, ending   what clients may ask for, in frames, time and memory, and what comes of more
 *   call       a stream that is a gRPC call: life, receiving
 *   reply      the same: sending               outbox   its messages, in the order they are sent
 *   request, response, message                 gRPC's own forms, without any state of a connection
 *   team     the engines of a server           remote   a call that runs on another worker
 *
 * A turn: whatever a socket has is read and given to its session, which only takes notes; then the calls with something to
 * do run, from the run queue and for a few milliseconds (their handlers answer into nghttp2's queues); then the connection
 * writes, once. So no handler ever runs inside of a callback of nghttp2. */
#ifndef MW_ENGINE_HTTP_HTTP_H
#define MW_ENGINE_HTTP_HTTP_H

#include "rpc/engine.h"

extern const struct mw_engine_ops mw_engine_http;

#endif
