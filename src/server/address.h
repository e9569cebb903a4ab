/* Ports to listen on: HOST:PORT, [IPV6]:PORT. */
#ifndef MW_SERVER_ADDRESS_H
#define MW_SERVER_ADDRESS_H

#include "base/err.h"

enum { MW_ADDRESS_MAX = 320 };

/* Takes `address` for this process, if nobody listens there, and writes it to `out` with port 0 replaced by a free
 * port. Workers then share the port by SO_REUSEPORT, which by itself would let two servers share it too: until the
 * claim is closed, any socket without SO_REUSEPORT is refused the port, and so is every other claim.
 * Returns the claim, a descriptor that the caller closes; MW_EINVAL (not HOST:PORT), MW_EBUSY (in use), or MW_EIO. */
int mw_address_claim(const char *address, char out[MW_ADDRESS_MAX], struct mw_err *err);

/* Checks that this process could claim `address` if it is free, without taking its port. Returns 0, MW_EINVAL or MW_EIO. */
int mw_address_check(const char *address, struct mw_err *err);

#endif
