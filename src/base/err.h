/* Errors that keep their causes.
 *
 * A function that can fail returns 0 or one of the codes below, and puts the words for people into a trailing
 * `struct mw_err *`, which may be NULL. The function that detects the failure calls mw_err_set(); each caller that
 * knows more calls mw_err_wrap() on the way up; whoever handles the error prints mw_err_text() once.
 * An error may carry several findings (every bad file of a folder), one line each: mw_err_add().
 *
 * Not shared between threads. Nothing here fails: without memory the words are lost and the code is kept. */
#ifndef MW_BASE_ERR_H
#define MW_BASE_ERR_H

#include <stddef.h>

enum mw_error {
  MW_OK = 0,
  MW_ENOMEM = -1,       /* out of memory */
  MW_EINVAL = -2,       /* an argument or a value that cannot be */
  MW_ENOTFOUND = -3,    /* no such thing */
  MW_EEXIST = -4,       /* it is there already */
  MW_EFORMAT = -5,      /* bytes or text that are not what they should be */
  MW_ELIMIT = -6,       /* over a limit: size, depth, count */
  MW_EIO = -7,          /* the operating system said no */
  MW_EBUSY = -8,        /* in use by another */
  MW_ECLOSED = -9,      /* closed, cancelled or gone */
  MW_ECONFLICT = -10,   /* changed by another meanwhile (compare-and-swap) */
  MW_EFULL = -11,       /* no room: disk, map, queue */
  MW_EUNSUPPORTED = -12, /* known, and not supported on purpose */
  MW_EDATA = -13         /* stored bytes are not those that were written */
};

struct mw_err {
  int code;   /* the first code that was set, 0 when none */
  char *text; /* owned; findings, one per line; NULL when none */
  size_t last; /* where the newest finding starts in text */
};

#define MW_ERR_INIT {0, NULL, 0}

#define MW_PRINTF(fmt, args) __attribute__((format(printf, fmt, args)))

/* Frees the words; the struct is ready for use again. */
void mw_err_fini(struct mw_err *err);

/* Starts over with one finding. Returns `code`, so that `return mw_err_set(...)` reads well. */
int mw_err_set(struct mw_err *err, int code, const char *fmt, ...) MW_PRINTF(3, 4);

/* Adds a finding on a line of its own and keeps the ones before. Returns `code`. */
int mw_err_add(struct mw_err *err, int code, const char *fmt, ...) MW_PRINTF(3, 4);

/* Puts "CONTEXT: " before the newest finding. Returns err->code, or MW_EINVAL when `err` is NULL. */
int mw_err_wrap(struct mw_err *err, const char *fmt, ...) MW_PRINTF(2, 3);

/* The findings as text, never NULL; borrowed until the next call on `err`. */
const char *mw_err_text(const struct mw_err *err);

/* A few words for a code alone, static. */
const char *mw_err_name(int code);

#endif
