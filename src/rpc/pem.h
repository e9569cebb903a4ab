/* The PEM files of TLS: reading, validation, detection of changes. Any thread. */
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

/* Reads the files into `pem`, which is empty; a NULL path leaves its part empty. Returns 0; MW_EINVAL (unreadable or
 * not PEM; the error names the file) or MW_ENOMEM. Call mw_pem_fini() also after an error. */
int mw_pem_read(struct mw_pem *pem, const char *cert, const char *key, const char *ca, struct mw_err *err);

/* Wipes the key and frees all parts. */
void mw_pem_fini(struct mw_pem *pem);

/* The paths of three files; unused ones are NULL. */
struct mw_pem_files {
  char *cert, *key, *ca;
};

/* Copies the paths. Returns 0 or MW_ENOMEM. Call mw_pem_files_fini() also after an error. */
int mw_pem_files_init(struct mw_pem_files *files, const char *cert, const char *key, const char *ca,
                      struct mw_err *err);
void mw_pem_files_fini(struct mw_pem_files *files);

/* Validates a server's files, from which `pem` was read: each is complete, and the key matches the first
 * certificate. Returns 0, MW_EINVAL with the file and the cause, or MW_ENOMEM. */
int mw_pem_check(const struct mw_pem *pem, const struct mw_pem_files *files, struct mw_err *err);

enum mw_pem_part { MW_PEM_CERT, MW_PEM_KEY, MW_PEM_CA };

/* Reads and validates a server's files and frees them again. Returns like mw_pem_check(); on failure sets `part` to
 * the wrong one. */
int mw_pem_validate(const struct mw_pem_files *files, enum mw_pem_part *part, struct mw_err *err);

/* Times and sizes of the files at the last reading. */
struct mw_pem_watch { /* initialised by zeros */
  struct mw_pem_seen {
    struct timespec at;
    off_t size;
  } seen[3];
  int64_t retry; /* mw_clock_mono() time of the retry after a failed reading; 0 for none */
};

/* Compares the files with `watch` and updates it. Returns true if they must be read: one has changed, or a retry is
 * due. */
bool mw_pem_changed(const struct mw_pem_files *files, struct mw_pem_watch *watch);

/* Logs that renewed files are unusable because of `err`, once a change in the whole process. Schedules a retry after
 * a second, because a file may be unreadable only for a moment. */
void mw_pem_reject(struct mw_pem_watch *watch, const struct mw_err *err);

#endif
