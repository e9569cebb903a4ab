/* The PEM files of TLS: read whole, checked, and looked at for changes. Any thread. */
#ifndef MW_RPC_PEM_H
#define MW_RPC_PEM_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
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

/* Checks a server's files, of which `pem` was read: each is whole, and the key is that of the first certificate. Returns
 * 0, MW_EINVAL with the file and the cause, or MW_ENOMEM. */
int mw_pem_check(const struct mw_pem *pem, const struct mw_pem_files *files, struct mw_err *err);

enum mw_pem_part { MW_PEM_CERT, MW_PEM_KEY, MW_PEM_CA };

/* Reads and checks a server's files, and keeps nothing. Returns as mw_pem_check(), on failure with the part at fault in
 * `part`. */
int mw_pem_try(const struct mw_pem_files *files, enum mw_pem_part *part, struct mw_err *err);

/* Times and sizes of the files when a user of them last read them. */
struct mw_pem_watch { /* all zeros to begin with */
  struct mw_pem_seen {
    struct timespec at;
    off_t size;
  } seen[3];
  int64_t retry; /* mw_clock_mono() at which a reading that has failed is due again; 0 for none */
};

/* Looks at the files. Returns whether they are to be read: one has changed, or a reading that has failed is due again. */
bool mw_pem_due(const struct mw_pem_files *files, struct mw_pem_watch *watch);

/* Files that were renewed cannot be used: logs that for `err`, once for each change whoever of the process sees it.
 * They are due again after a second: a file may be unreadable only for a moment. */
void mw_pem_refused(struct mw_pem_watch *watch, const struct mw_err *err);

#endif
