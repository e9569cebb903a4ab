/* Listening addresses with a port: HOST:PORT, [IPV6]:PORT. */
#ifndef MW_SERVER_SETTINGS_ADDRESS_H
#define MW_SERVER_SETTINGS_ADDRESS_H

#include "base/err.h"

enum { MW_ADDRESS_MAX = 320 };

/* Claims `address` for this process, if no socket listens there, and writes it to `out`. Replaces port 0 with a free
 * port. The workers then share the port by SO_REUSEPORT, which by itself would let two servers share it too. Until the
 * claim is closed, the system refuses the port to any socket without SO_REUSEPORT, and so to every other claim. Returns
 * the claim, a descriptor that the caller closes; MW_EINVAL (not HOST:PORT), MW_EBUSY (in use), or MW_EIO. */
int mw_address_claim(const char *address, char out[MW_ADDRESS_MAX], struct mw_err *err);

/* Checks that this process could claim `address` if it were free, without taking its port. Returns 0, MW_EINVAL or
 * MW_EIO. */
int mw_address_check(const char *address, struct mw_err *err);

#endif
