/* Passes accepted sockets to core, which treats them like those of its own listeners: TLS, handshake timeout,
 * keepalive, peer addresses.
 *
 * grpc_server_add_channel_from_fd() of the C API takes no TLS credentials, has no handshake timeout and no peer
 * address. So this file does the same as ServerBuilder::AddExternalConnectionAcceptor() of the C++ API, from core 1.20
 * on: it adds a port "external:NAME". Core makes a handler of sockets for the port, and stores it at the address in the
 * channel argument of the same name. The handler is a C++ object with one virtual function, called here by the C++ ABI
 * of the platform. Core promises compatibility of neither; if it stores no handler, mw_core_handoff_open() fails. */
#ifndef MW_ENGINE_CORE_HANDOFF_H
#define MW_ENGINE_CORE_HANDOFF_H

#include <grpc/grpc.h>
#include <stdbool.h>

struct mw_core_fd_handler;

struct mw_core_handoff {
  struct mw_core_fd_handler *handler; /* core's, until the server is shut down; NULL before open */
};

/* Returns the channel argument to create the server with. Borrows `handoff` until the server is destroyed. */
grpc_arg mw_core_handoff_arg(struct mw_core_handoff *handoff);

/* Adds the port, before the server is started. Returns false if core refuses the credentials or stores no handler. */
bool mw_core_handoff_open(struct mw_core_handoff *handoff, grpc_server *server, grpc_server_credentials *credentials);

/* Passes a connected, non-blocking socket to core, which takes it. Call only between the server's start and
 * shutdown. */
void mw_core_handoff_give(struct mw_core_handoff *handoff, int fd);

#endif
