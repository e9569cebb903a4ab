/* Hands accepted sockets over to core, which treats them like those of its own listeners: TLS, the handshake timeout,
 * keepalive, names of peers.
 *
 * grpc_server_add_channel_from_fd() of the C API takes no TLS credentials, has no handshake timeout and does not name the
 * peer. So this file does the same as ServerBuilder::AddExternalConnectionAcceptor() of the C++ API, from core 1.20 on: it
 * adds a port "external:NAME", for which core makes a handler of sockets; a channel argument of the same name points to
 * where core stores it. The handler is a C++ object with one virtual function, called here by the C++ ABI of the platform.
 * Core promises compatibility of neither; if it stores no handler, mw_core_handoff_open() fails. */
#ifndef MW_ENGINE_CORE_HANDOFF_H
#define MW_ENGINE_CORE_HANDOFF_H

#include <grpc/grpc.h>
#include <stdbool.h>

struct mw_core_fd_handler;

struct mw_core_handoff {
  struct mw_core_fd_handler *handler; /* core's, as long as the server is not shut down; NULL before open */
};

/* The argument that the server is created with. Borrows `handoff` until the server is destroyed. */
grpc_arg mw_core_handoff_arg(struct mw_core_handoff *handoff);

/* Adds the port, before the server is started. Returns false when core refuses the credentials. */
bool mw_core_handoff_open(struct mw_core_handoff *handoff, grpc_server *server, grpc_server_credentials *credentials);

/* Core takes a connected, non-blocking socket. After the server is started, and not after it is shut down. */
void mw_core_handoff_give(struct mw_core_handoff *handoff, int fd);

#endif
