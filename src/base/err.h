/* Errors that keep their causes.
 *
 * A function that can fail returns 0 or one of the codes below, and writes a message for people to a trailing
 * `struct mw_err *`, which may be NULL. The function that detects the failure calls mw_err_set(). Each caller on the
 * way up may add context with mw_err_wrap(). The function that handles the error prints mw_err_text() once.
 * mw_err_add() collects several findings, one a line, such as every bad file of a folder.
 *
 * Not shared between threads. Nothing here fails: without memory the message is lost and the code is kept. */
#ifndef MW_BASE_ERR_H
#define MW_BASE_ERR_H

#include <stddef.h>

enum mw_error {
  MW_OK = 0,
  MW_ENOMEM = -1,        /* out of memory */
  MW_EINVAL = -2,        /* an invalid argument or value */
  MW_ENOTFOUND = -3,     /* not found */
  MW_EEXIST = -4,        /* exists already */
  MW_EFORMAT = -5,       /* malformed bytes or text */
  MW_ELIMIT = -6,        /* over a limit: size, depth, count */
  MW_EIO = -7,           /* a system call failed */
  MW_EBUSY = -8,         /* in use by another */
  MW_ECLOSED = -9,       /* closed, cancelled or gone */
  MW_ECONFLICT = -10,    /* changed by another meanwhile (compare-and-swap) */
  MW_EFULL = -11,        /* no room left: disk, map, queue */
  MW_EUNSUPPORTED = -12, /* recognised, but deliberately not supported */
  MW_EDATA = -13         /* stored bytes differ from those written */
};

struct mw_err {
  int code;    /* the first code set; 0 for none */
  char *text;  /* owned; the findings, one a line; NULL for none */
  size_t last; /* offset of the newest finding in text */
};

#define MW_ERR_INIT \
  { 0, NULL, 0 }

#define MW_PRINTF(fmt, args) __attribute__((format(printf, fmt, args)))

/* Frees the text; the struct can be used again. */
void mw_err_fini(struct mw_err *err);

/* Replaces all findings by one. Returns `code`, for `return mw_err_set(...)`. */
int mw_err_set(struct mw_err *err, int code, const char *fmt, ...) MW_PRINTF(3, 4);

/* Adds a finding on a line of its own. Returns `code`. */
int mw_err_add(struct mw_err *err, int code, const char *fmt, ...) MW_PRINTF(3, 4);

/* Puts "CONTEXT: " before the newest finding. Returns err->code, or MW_EINVAL when `err` is NULL. */
int mw_err_wrap(struct mw_err *err, const char *fmt, ...) MW_PRINTF(2, 3);

/* Returns the findings, never NULL; borrowed until the next call on `err`. */
const char *mw_err_text(const struct mw_err *err);

/* Returns a short static description of a code. */
const char *mw_err_name(int code);

#endif
