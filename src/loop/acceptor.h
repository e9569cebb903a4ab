/* Accepts connections from listening sockets, in the loop.
 *
 * A process without free descriptors must still take connections off the queue of a socket: a client that is neither
 * accepted nor refused waits without end. The acceptors of a set reserve one descriptor for that. When accept() fails with
 * EMFILE or ENFILE, they give it up, accept one connection, close it, and reserve a descriptor again. A set that `spends`
 * its reserve serves that connection instead: an operator's command is answered although clients hold all descriptors. If
 * another thread has taken the descriptor meanwhile, the reserve is spent, or the kernel lacks memory, they pause for
 * 100 ms. Everything here belongs to the loop's thread. */
#ifndef MW_LOOP_ACCEPTOR_H
#define MW_LOOP_ACCEPTOR_H

#include <sys/socket.h>

#include "loop/loop.h"

/* The acceptors of one engine, which share callbacks and reserve. */
struct mw_acceptors {
  struct mw_loop *loop; /* borrowed */
  /* A connection, non-blocking and close-on-exec, and its peer's address. The callee owns `fd`. */
  void (*accepted)(void *arg, int fd, const struct sockaddr_storage *peer, socklen_t size);
  /* A connection could not be accepted for `error`, an errno: it was closed, or it `waits` in its socket's queue. */
  void (*failed)(void *arg, int error, bool waits);
  void *arg;
  struct mw_list list; /* struct acceptor.link, owned */
  int reserve;         /* the reserved descriptor; -1 for none */
  bool spends;         /* false by mw_acceptors_init() */
};

void mw_acceptors_init(struct mw_acceptors *acceptors, struct mw_loop *loop,
                       void (*accepted)(void *arg, int fd, const struct sockaddr_storage *peer, socklen_t size),
                       void (*failed)(void *arg, int error, bool waits), void *arg);

/* Listens on "HOST:PORT" or "[IPV6]:PORT", at each address of the host, with SO_REUSEPORT. Returns 0, MW_EINVAL (another
 * form), MW_EIO or MW_ENOMEM; after an error some addresses may be listened on until mw_acceptors_close(). */
int mw_acceptors_listen(struct mw_acceptors *acceptors, const char *address, struct mw_err *err);

/* Accepts from `fd`, a listening socket that several loops share; `address` is its name in messages. Borrows `fd`, and has
 * a duplicate until mw_acceptors_close(). Returns 0, MW_EIO or MW_ENOMEM. */
int mw_acceptors_share(struct mw_acceptors *acceptors, int fd, const char *address, struct mw_err *err);

/* Reserves a descriptor if there is none: after a connection that may have been accepted with the reserve is closed. */
void mw_acceptors_reserve(struct mw_acceptors *acceptors);

/* Closes the sockets; no callback runs from now on. The loop still has handles to close. */
void mw_acceptors_close(struct mw_acceptors *acceptors);

#endif
