/* The PEM files of TLS: read whole, and looked at for changes. */
#ifndef MW_RPC_PEM_H
#define MW_RPC_PEM_H

#include <stdbool.h>
#include <time.h>

#include "base/buf.h"

struct mw_pem {
  struct mw_buf cert, key, ca;
};

/* Reads the files into `pem`, which is empty; a path that is NULL leaves its part so. Returns 0; MW_EINVAL (it cannot
 * be read or is not PEM, with its name) or MW_ENOMEM: then too mw_pem_fini() is needed. */
int mw_pem_read(struct mw_pem *pem, const char *cert, const char *key, const char *ca, struct mw_err *err);

/* Wipes the key. */
void mw_pem_fini(struct mw_pem *pem);

/* When three files were last changed; of a path that is NULL or cannot be looked at, the year 1970. */
struct mw_pem_times {
  struct timespec at[3];
};

struct mw_pem_times mw_pem_look(const char *cert, const char *key, const char *ca);
bool mw_pem_same(const struct mw_pem_times *a, const struct mw_pem_times *b);

#endif
