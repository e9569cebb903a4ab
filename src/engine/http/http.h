/* The engine on nghttp2 and libuv: HTTP/2 in the worker's own loop. rpc/engine.h is the contract. This engine serves;
 * it opens no outbound channels.
 *
 * The rooms, from the top down:
 *
 *   http      the vtable of the engine      listener: accepting sockets
 *   sharing/  work sharing between the engines of a server: worker pool, calls that run on another worker
 *   conn/     turn_handles: order of work within a turn of the loop      lifetime: PINGs, idle time and age
 *             conn_io: reads and writes of a connection, and its end      timeouts: slow and stalled clients
 *             session: HTTP/2, frames and streams, nothing of gRPC
 *             call: a stream that is a gRPC call, its life and receiving      reply: the same, sending
 *             turn: runs the calls that are ready      conn, engine: the state that all of them share
 *             tls: a filter between conn_io and session      arrival: arrival time of the bytes of a read
 *   h2/       the forms of HTTP/2 and gRPC, without any state of a connection: protocol errors of frames, request,
 *             response, reader of messages, outbox of unsent ones, batch of one gathered write
 *   limits/   limits on resets, control frames and header blocks; receive quota; stall detector; times of keepalive;
 *             disconnect reasons
 *
 * A turn: a connection reads what its socket has and passes the bytes to its session, which only records them. Then the
 * calls with something to do run from the run queue, for a few milliseconds; their handlers submit replies to nghttp2.
 * Then the connection writes, once. So no handler ever runs inside a callback of nghttp2. */
#ifndef MW_ENGINE_HTTP_HTTP_H
#define MW_ENGINE_HTTP_HTTP_H

#include "rpc/engine.h"

extern const struct mw_engine_ops mw_engine_http;

#endif
