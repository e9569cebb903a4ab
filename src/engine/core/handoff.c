#include "engine/core/handoff.h"

#include <grpc/grpc_security.h>
#include <stdint.h>

#define PORT "external:moonwire"

/* grpc_core::TcpServerFdHandler: a virtual destructor, which has two entries, and
 * Handle(int listener_fd, int fd, grpc_byte_buffer *pending_read). */
struct mw_core_fd_handler {
  const struct {
    void (*destroy)(struct mw_core_fd_handler *handler);
    void (*destroy_and_free)(struct mw_core_fd_handler *handler);
    void (*handle)(struct mw_core_fd_handler *handler, int listener_fd, int fd, grpc_byte_buffer *pending_read);
  } * virtuals;
};

static void *copy(void *p) { return p; }
static void destroy(void *p) {}
static int compare(void *p, void *q) { return p < q ? -1 : p > q; }

grpc_arg mw_core_handoff_arg(struct mw_core_handoff *handoff) {
  static const grpc_arg_pointer_vtable vtable = {copy, destroy, compare};
  grpc_arg arg = {.type = GRPC_ARG_POINTER, .key = (char *)(uintptr_t)PORT};
  arg.value.pointer.p = &handoff->handler;
  arg.value.pointer.vtable = &vtable;
  return arg;
}

bool mw_core_handoff_open(struct mw_core_handoff *handoff, grpc_server *server, grpc_server_credentials *credentials) {
  grpc_server_add_http2_port(server, PORT, credentials); /* its result, a port number, means nothing here */
  return handoff->handler != NULL;
}

void mw_core_handoff_give(struct mw_core_handoff *handoff, int fd) {
  handoff->handler->virtuals->handle(handoff->handler, -1, fd, NULL);
}
