/* Settings: what `moonwire.lua` and the command line say, checked. */
#ifndef MW_SERVER_SETTINGS_H
#define MW_SERVER_SETTINGS_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "observe/log.h"

enum { MW_SETTINGS_LISTENERS = 16 };

struct mw_settings {
  char *listen[MW_SETTINGS_LISTENERS]; /* HOST:PORT; owned */
  size_t n_listen;
  char *engine;               /* "core", "http" */
  unsigned workers;           /* threads that serve; 1 to 256 */
  char *data;                 /* a folder, or ":memory:" */
  char *tls_cert, *tls_key, *tls_client_ca; /* PEM files; NULL without TLS */
  enum mw_log_level log_level;
  double generation_age;      /* seconds that calls of a replaced generation get; 0 for no limit */
  double grace;               /* seconds that running calls get when the server stops */
  size_t message_bytes;       /* largest message taken */
  size_t metadata_bytes;      /* largest metadata taken */
  size_t unpack_bytes;        /* most memory one message may take once unpacked */
  unsigned unsent_messages;   /* that a call may have unsent before call:send waits */
  double slice_ms;            /* milliseconds that scripts may run without waiting; 0 for no limit */
  size_t memory_bytes;        /* that the scripts of a worker may hold; 0 for no limit */
  size_t store_bytes;         /* most bytes the store may grow to; 0 for the store's default */
  bool dev;                   /* errors reach the caller in full */
};

/* The defaults for the project folder `dir`: workers = usable cores, data = DIR/data. Returns 0 or MW_ENOMEM. */
int mw_settings_init(struct mw_settings *settings, const char *dir);
void mw_settings_fini(struct mw_settings *settings);

/* Reads DIR/moonwire.lua over the settings; a folder without one changes nothing. Relative paths in it are relative to
 * `dir`. Returns 0; MW_EINVAL with "FILE:LINE: ..." or "FILE: limits.message_bytes: expected ...", or MW_ENOMEM. */
int mw_settings_read(struct mw_settings *settings, const char *dir, struct mw_err *err);

/* Replaces the string at `field`, a member of the settings, by a copy of `value`. Returns 0 or MW_ENOMEM. */
int mw_settings_set(char **field, const char *value);

/* Forgets the addresses to listen on, and adds one. Returns 0, MW_ELIMIT (too many) or MW_ENOMEM. */
void mw_settings_clear_listeners(struct mw_settings *settings);
int mw_settings_add_listener(struct mw_settings *settings, const char *address);

#endif
