/* The PEM files of TLS: read whole, and looked at for changes. Any thread. */
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

/* The paths of three files; those that are not asked for are NULL. */
struct mw_pem_files {
  char *cert, *key, *ca;
};

/* Copies the paths. Returns 0 or MW_ENOMEM: then too mw_pem_files_fini() is needed. */
int mw_pem_files_init(struct mw_pem_files *files, const char *cert, const char *key, const char *ca, struct mw_err *err);
void mw_pem_files_fini(struct mw_pem_files *files);

/* When they were last changed; all zeros to begin with. */
struct mw_pem_times {
  struct timespec at[3];
};

/* Looks at the files. Returns whether one has changed since `seen`, which becomes what is seen now. */
bool mw_pem_changed(const struct mw_pem_files *files, struct mw_pem_times *seen);

#endif
