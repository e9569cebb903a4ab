/* A listening address: HOST:PORT, unix:PATH, or a socket inherited at start.
 *
 * A port is claimed for the process (server/settings/address.h), and each worker binds a socket of its own to it. A
 * Unix socket and an inherited one exist once; the workers share them. */
#ifndef MW_SERVER_SETTINGS_LISTENER_H
#define MW_SERVER_SETTINGS_LISTENER_H

#include <stdbool.h>
#include <sys/types.h>

#include "server/settings/address.h"

struct mw_listener {
  char address[MW_ADDRESS_MAX]; /* the form for people, with its port filled in */
  int claim;                    /* descriptor that holds a port; -1 for none */
  int fd;                       /* listening socket that the workers share; -1 if each binds to `address` */
  bool has_file;                /* `device` and `inode` identify the socket's file, which this listener made */
  dev_t device;
  ino_t inode;
};

/* Checks only the form of `address`. Returns 0 or MW_EINVAL. */
int mw_listener_check_form(const char *address, struct mw_err *err);

/* Checks that this process could listen at `address` if it were free: its form; the host's name, that it is an address
 * of this machine, and the permission for the port; or the folder of a Unix socket. Takes nothing. Returns 0 or the
 * errors of mw_listener_open(). */
int mw_listener_check(const char *address, struct mw_err *err);

/* Opens `address`. Replaces the file of a Unix socket on which no process listens. The umask decides who may connect to
 * the new one. Returns 0, MW_EINVAL (not an address), MW_EBUSY (a server listens there, or the folder stays locked for
 * two seconds), MW_EEXIST (a file that is not a socket) or MW_EIO. */
int mw_listener_open(struct mw_listener *listener, const char *address, struct mw_err *err);

/* Takes the inherited socket `fd`, which the listener closes. Returns 0; or MW_EINVAL if the socket does not listen for
 * connections, after closing it. */
int mw_listener_inherit(struct mw_listener *listener, int fd, struct mw_err *err);

/* Frees the address for other processes; `address` stays readable. Removes the file of a Unix socket, unless another
 * file has replaced it. Later calls do nothing. */
void mw_listener_close(struct mw_listener *listener);

/* Returns the number of sockets that this process inherits by the variables LISTEN_PID and LISTEN_FDS
 * (sd_listen_fds(3)), from descriptor MW_LISTENER_FIRST on, or MW_EINVAL. Removes the variables from the environment,
 * so that no child takes them for its own. Called before any thread starts. */
enum { MW_LISTENER_FIRST = 3 };
int mw_listener_count_inherited(struct mw_err *err);

#endif
