/* Settings: what `moonwire.lua` and the command line say, checked. A generation has them as an immutable part. */
#ifndef MW_SERVER_SETTINGS_H
#define MW_SERVER_SETTINGS_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "observe/log.h"
#include "rpc/engine.h"

enum { MW_SETTINGS_LISTENERS = 16, MW_SETTINGS_FOLDERS = 16 };

struct mw_settings {
  char *file;                 /* moonwire.lua as messages name it, and its text; NULL and empty without one; owned */
  struct mw_buf text;
  bool file_listen, file_data; /* `listen` and `data` are the file's, not a default or an option's */
  char *listen[MW_SETTINGS_LISTENERS]; /* HOST:PORT or unix:PATH; owned */
  size_t n_listen;
  bool default_listen;        /* `listen` is the default */
  int n_inherited;            /* listening sockets that the process was started with, at most as many again */
  char *engine;               /* "core", "http" */
  unsigned workers;           /* threads that serve; 1 to 256 */
  char *data;                 /* a folder, or ":memory:" */
  char *folders[MW_SETTINGS_FOLDERS]; /* that absolute paths of mw.fs may lead to, without a "/" at the end; owned */
  size_t n_folders;
  char *protos[MW_SETTINGS_FOLDERS + 1]; /* folders of protos (schema/roots.h): at least one; owned */
  size_t n_protos;
  bool file_protos;           /* the first of them is the file's, and has to be there */
  bool health, reflection;    /* the built-in services are served */
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
  unsigned weak_keys;         /* places of all tables with weak keys of a worker; 0 for no limit */
  struct mw_engine_limits clients; /* what they may ask for */
  struct mw_keepalive keepalive;
  size_t store_bytes;         /* most bytes the store may grow to; 0 for the store's default */
  double snapshot_seconds;    /* that a script may hold a snapshot of the store open; 0 for no limit */
  bool dev;                   /* errors reach the caller in full */
  double protoc_seconds;      /* that protoc may take */
  bool specs;                 /* a reload has to pass the folder's specs */
  double specs_seconds;       /* that they may take */
  double test_seconds;        /* that one test of `moonwire test` may take; 0 for no limit */
};

/* What the command line says, which wins over moonwire.lua; zeros say nothing. Its strings are borrowed. */
struct mw_overrides {
  const char *listen[MW_SETTINGS_LISTENERS];
  size_t n_listen;
  int n_inherited; /* listening sockets that take the place of the default address */
  const char *engine, *data, *log_level;
  unsigned workers;
  bool dev;
  bool no_grace; /* running calls get no time when the server stops */
  const struct mw_settings *wrong; /* settings as read from a moonwire.lua with mistakes: it is not read again, and of them
                                      the folders of protos are taken alone; NULL to read it */
  const char *copied_from; /* the project folder of which DIR is a copy with its first folder of protos as "proto"; NULL
                              for none */
};

/* The defaults for the project folder `dir`: workers = usable cores, data = DIR/data. Returns 0 or MW_ENOMEM. */
int mw_settings_init(struct mw_settings *settings, const char *dir);
void mw_settings_fini(struct mw_settings *settings);

/* Takes what the text of `file`, the folder's moonwire.lua, says over the settings. It runs without access to anything
 * but os.getenv, and for a second at the most. Relative paths in it are relative to `dir`. Returns 0; MW_EINVAL with
 * a finding "FILE:LINE: limits.message_bytes: expected ..." for each mistake, or MW_ENOMEM. */
int mw_settings_parse(struct mw_settings *settings, const char *dir, const char *file, struct mw_slice text,
                      struct mw_err *err);

/* The same, of DIR/moonwire.lua as it is now; a folder without one changes nothing. Also MW_EIO. */
int mw_settings_read(struct mw_settings *settings, const char *dir, struct mw_err *err);

/* The data folder, or ":memory:", by the settings of the project folder `dir`. Returns 0 and an owned path, or as
 * mw_settings_read(). */
int mw_settings_find_data(char **out, const char *dir, struct mw_err *err);

/* Settings that have the folders of protos of the project folder `dir` as it is now: those that moonwire.lua names, or,
 * when it is wrong or runs for more than 100 ms, the default one. mw_settings_fini() frees them. Returns 0 or MW_ENOMEM. */
int mw_settings_find_protos(struct mw_settings *out, const char *dir);

/* Returns 0; MW_ELIMIT (too many addresses), MW_EINVAL (no such log level) or MW_ENOMEM. */
int mw_settings_override(struct mw_settings *settings, const struct mw_overrides *overrides);

/* Appends the names, "workers, tls.cert", of what differs and cannot change while a server runs. */
void mw_settings_fixed(struct mw_buf *out, const struct mw_settings *running, const struct mw_settings *wanted);

/* Puts "FILE:LINE: GROUP.NAME: " before the newest finding, of a setting that moonwire.lua has; `group` may be NULL. Without
 * "FILE:LINE" if the value of `listen` or `data` is not the file's. Returns err->code. */
int mw_settings_blame(const struct mw_settings *settings, const char *group, const char *name, struct mw_err *err);

/* Replaces the string at `field`, a member of the settings, by a copy of `value`. Returns 0 or MW_ENOMEM. */
int mw_settings_set(char **field, const char *value);

/* Forgets the addresses to listen on, and adds one. Returns 0, MW_ELIMIT (too many) or MW_ENOMEM. */
void mw_settings_clear_listeners(struct mw_settings *settings);
int mw_settings_add_listener(struct mw_settings *settings, const char *address);

/* The same for the folders of protos; `path` is used as it is. */
void mw_settings_clear_protos(struct mw_settings *settings);
int mw_settings_add_protos(struct mw_settings *settings, const char *path);

/* The same for the folders of mw.fs. Also MW_EINVAL, when the path is not absolute or has ".." in it. */
void mw_settings_clear_folders(struct mw_settings *settings);
int mw_settings_add_folder(struct mw_settings *settings, const char *path);

#endif
