/* Accepts connections from listening sockets, in the loop.
 *
 * A process that has run out of descriptors must still remove connections from a socket's accept queue: a client
 * that is neither accepted nor refused waits for ever. The acceptors of a set reserve one descriptor for that. When
 * accept() fails with EMFILE or ENFILE, they close the reserve, accept one connection, close it, and reserve a
 * descriptor again. A set with `spends` serves that connection instead: a server whose clients hold all descriptors
 * can still answer an operator's command. If another thread has taken the descriptor meanwhile, the reserve is
 * spent, or the kernel lacks memory, the acceptors pause for 100 ms. Everything here belongs to the loop's thread. */
#ifndef MW_LOOP_ACCEPTOR_H
#define MW_LOOP_ACCEPTOR_H

#include <sys/socket.h>

#include "loop/loop.h"

/* The acceptors of one engine, which share callbacks and the reserve. */
struct mw_acceptors {
  struct mw_loop *loop; /* borrowed */
  /* Receives a connection, non-blocking and close-on-exec, and the peer's address. The callee owns `fd`. */
  void (*accepted)(void *arg, int fd, const struct sockaddr_storage *peer, socklen_t size);
  /* Reports that a connection was not accepted; `error` is an errno. It was closed, or it `waits` in its socket's
   * queue. */
  void (*failed)(void *arg, int error, bool waits);
  void *arg;
  struct mw_list list; /* struct acceptor.link, owned */
  int reserve;         /* the reserved descriptor; -1 for none */
  bool spends;         /* serve a connection with the reserve; false after mw_acceptors_init() */
};

void mw_acceptors_init(struct mw_acceptors *acceptors, struct mw_loop *loop,
                       void (*accepted)(void *arg, int fd, const struct sockaddr_storage *peer, socklen_t size),
                       void (*failed)(void *arg, int error, bool waits), void *arg);

/* Listens on "HOST:PORT" or "[IPV6]:PORT", at each address of the host, with SO_REUSEPORT. Returns 0, MW_EINVAL
 * (malformed), MW_EIO or MW_ENOMEM. After an error some addresses may stay open until mw_acceptors_close(). */
int mw_acceptors_listen(struct mw_acceptors *acceptors, const char *address, struct mw_err *err);

/* Accepts from `fd`, a listening socket that several loops share; `address` names it in messages. Borrows `fd` and
 * keeps a duplicate until mw_acceptors_close(). Returns 0, MW_EIO or MW_ENOMEM. */
int mw_acceptors_accept_from(struct mw_acceptors *acceptors, int fd, const char *address, struct mw_err *err);

/* Reserves a descriptor if none is reserved. Call it after closing a connection, which may have spent the reserve. */
void mw_acceptors_reserve(struct mw_acceptors *acceptors);

/* Closes the sockets; no callback runs after it. The handles close when the loop next runs. */
void mw_acceptors_close(struct mw_acceptors *acceptors);

#endif
