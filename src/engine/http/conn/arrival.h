/* The arrival time of bytes that are about to be read, from the kernel's time stamps. A worker may have run a handler
 * since they arrived, and deadlines count from the arrival of a request. */
#ifndef MW_ENGINE_HTTP_CONN_ARRIVAL_H
#define MW_ENGINE_HTTP_CONN_ARRIVAL_H

#include <stddef.h>
#include <stdint.h>

/* Turns time stamps on for a TCP socket. Sockets of other kinds have none. */
void mw_http_arrival_open(int fd);

/* Returns the mw_clock_mono() arrival time of the last of the next `size` bytes, which the caller reads into `room`
 * now; not before `earliest`, the earliest time at which they can have arrived. If `earliest` is only a few
 * milliseconds ago, or the kernel has no time stamp, returns the current time. May write to `room`. */
int64_t mw_http_arrival_time(int fd, int64_t earliest, void *room, size_t size);

#endif
