/* When bytes that are about to be read came in, by the kernel's time stamps: a worker may have run a handler meanwhile, and
 * deadlines count from a request's arrival. */
#ifndef MW_ENGINE_HTTP_ARRIVAL_H
#define MW_ENGINE_HTTP_ARRIVAL_H

#include <stddef.h>
#include <stdint.h>

/* Has the kernel keep the times of a TCP socket. Others have none. */
void mw_http_arrival_open(int fd);

/* The mw_clock_mono() time at which the last of the next `size` bytes came, which are to be read into `room` now. `earliest`
 * is when the first of them can have come; if that is only a few milliseconds ago, or the kernel has no time, returns now.
 * May write to `room`. */
int64_t mw_http_arrival(int fd, int64_t earliest, void *room, size_t size);

#endif
