/* Where a server listens: HOST:PORT, unix:PATH, or a socket that whoever started the process hands over.
 *
 * A port is claimed for the process (server/address.h), and each worker binds a socket of its own to it. A Unix socket
 * and an inherited one are made once; the workers share them. */
#ifndef MW_SERVER_LISTENER_H
#define MW_SERVER_LISTENER_H

#include <stdbool.h>
#include <sys/types.h>

#include "server/address.h"

struct mw_listener {
  char address[MW_ADDRESS_MAX]; /* as people write it, port filled in */
  int claim;                    /* of a port; -1 for none */
  int fd;                       /* the listening socket that the workers share; -1: each binds to `address` */
  bool has_file;                /* the socket's file is ours, and is */
  dev_t device;
  ino_t inode;
};

/* Checks the form of `address` alone. Returns 0 or MW_EINVAL. */
int mw_listener_check_form(const char *address, struct mw_err *err);

/* Checks that this process could listen at `address` if nobody else does: its form, the host's name, that it is an address of
 * this machine, the permission for the port; the folder of a Unix socket. Takes nothing. Returns 0 or as mw_listener_open(). */
int mw_listener_check(const char *address, struct mw_err *err);

/* Takes `address`. The file of a Unix socket that nobody listens on any more is replaced; what may connect to the new one
 * is up to the umask. Returns 0, MW_EINVAL (not an address), MW_EBUSY (a server listens there, or the folder stays locked
 * for two seconds), MW_EEXIST (a file that is no socket) or MW_EIO. */
int mw_listener_open(struct mw_listener *listener, const char *address, struct mw_err *err);

/* Takes the inherited socket, which the listener closes. Returns 0, or MW_EINVAL when it does not listen for connections;
 * it is closed then, too. */
int mw_listener_inherit(struct mw_listener *listener, int fd, struct mw_err *err);

/* Lets others listen there, once; the address stays. Removes the file of a Unix socket, unless another has replaced it. */
void mw_listener_close(struct mw_listener *listener);

/* How many sockets this process inherits by the variables LISTEN_PID and LISTEN_FDS (sd_listen_fds(3)), from descriptor
 * MW_LISTENER_FIRST on. Takes the variables out of the environment: no child may think that they are for it. Before any
 * thread. Returns the number, or MW_EINVAL. */
enum { MW_LISTENER_FIRST = 3 };
int mw_listener_count_inherited(struct mw_err *err);

#endif
