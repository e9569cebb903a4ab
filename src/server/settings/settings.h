/* Settings: the checked values of `moonwire.lua` and of the command line. They are an immutable part of a
 * generation. */
#ifndef MW_SERVER_SETTINGS_SETTINGS_H
#define MW_SERVER_SETTINGS_SETTINGS_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "observe/log.h"
#include "rpc/engine.h"

enum { MW_SETTINGS_LISTENERS = 16, MW_SETTINGS_FOLDERS = 16 };

struct mw_settings {
  char *file; /* moonwire.lua as messages name it, and its text; NULL and empty without one; owned */
  struct mw_buf text;
  bool file_listen, file_data;         /* `listen` and `data` come from the file, not from a default or an option */
  char *listen[MW_SETTINGS_LISTENERS]; /* HOST:PORT or unix:PATH; owned */
  size_t n_listen;
  bool default_listen; /* `listen` is the default */
  int n_inherited;     /* listening sockets inherited at start; at most MW_SETTINGS_LISTENERS beside `listen` */
  char *engine;        /* "core", "http" */
  unsigned workers;    /* serving threads; 1 to 256 */
  char *data;          /* a folder, or ":memory:" */
  char *folders[MW_SETTINGS_FOLDERS]; /* absolute folders that mw.fs may use, without a trailing "/"; owned */
  size_t n_folders;
  char *protos[MW_SETTINGS_FOLDERS + 1]; /* folders of .proto files (schema/pool/roots.h); at least one; owned */
  size_t n_protos;
  bool file_protos;                         /* moonwire.lua sets `proto`: the first folder must exist */
  bool health, reflection;                  /* serve the built-in services */
  char *tls_cert, *tls_key, *tls_client_ca; /* PEM files; NULL without TLS */
  enum mw_log_level log_level;
  double generation_age;           /* seconds until calls of a replaced generation are cancelled; 0 for no limit */
  double grace;                    /* seconds that running calls get when the server stops */
  size_t message_bytes;            /* largest message received */
  size_t metadata_bytes;           /* largest metadata received */
  size_t unpack_bytes;             /* memory limit of one unpacked message */
  unsigned unsent_messages;        /* unsent messages of a call from which call:send waits */
  double slice_ms;                 /* milliseconds that a script may run without waiting; 0 for no limit */
  size_t memory_bytes;             /* memory limit of a worker's scripts; 0 for no limit */
  unsigned weak_keys;              /* slots of all weak-keyed tables of a worker together; 0 for no limit */
  struct mw_engine_limits clients; /* limits on clients */
  struct mw_keepalive keepalive;
  size_t store_bytes;      /* size limit of the store; 0 for the store's default */
  double snapshot_seconds; /* seconds that a script may hold a snapshot of the store open; 0 for no limit */
  bool dev;                /* callers receive errors in full */
  double protoc_seconds;   /* time limit of protoc */
  bool specs;              /* a reload must pass the folder's specs */
  double specs_seconds;    /* time limit of the specs */
  double test_seconds;     /* time limit of one test of `moonwire test`; 0 for no limit */
};

/* Settings of the command line. They take precedence over moonwire.lua; zero leaves a setting alone. Borrows its
 * strings. */
struct mw_overrides {
  const char *listen[MW_SETTINGS_LISTENERS];
  size_t n_listen;
  int n_inherited; /* inherited listening sockets; they replace the default address */
  const char *engine, *data, *log_level;
  unsigned workers;
  bool dev;
  bool no_grace; /* running calls get no time when the server stops */
  /* Settings read from a moonwire.lua with mistakes, or NULL. If set, moonwire.lua is not read again, and only the
   * folders of .proto files are taken from here. */
  const struct mw_settings *wrong;
  /* Project folder of which DIR is a copy, with its first folder of .proto files copied to "proto"; NULL for none. */
  const char *copied_from;
};

/* Sets the defaults for the project folder `dir`: workers = usable cores, data = DIR/data. Returns 0 or MW_ENOMEM. */
int mw_settings_init(struct mw_settings *settings, const char *dir);
void mw_settings_fini(struct mw_settings *settings);

/* Applies `text`, the content of the project folder's moonwire.lua named `file`, to the settings. The Lua code of the
 * file has no access to the system except os.getenv, and runs for at most a second. Relative paths in it are relative
 * to `dir`. Returns 0; MW_EINVAL with a finding "FILE:LINE: limits.message_bytes: expected ..." for each mistake; or
 * MW_ENOMEM. */
int mw_settings_parse(struct mw_settings *settings, const char *dir, const char *file, struct mw_slice text,
                      struct mw_err *err);

/* Applies the current DIR/moonwire.lua in the same way. Changes nothing if the file does not exist. Returns also
 * MW_EIO. */
int mw_settings_read(struct mw_settings *settings, const char *dir, struct mw_err *err);

/* Reads the data folder, or ":memory:", from the settings of the project folder `dir`. Returns 0 and an owned path, or
 * the errors of mw_settings_read(). */
int mw_settings_find_data(char **out, const char *dir, struct mw_err *err);

/* Initialises `out` with the current folders of .proto files of the project folder `dir`: those that moonwire.lua
 * names, or the default one if moonwire.lua has mistakes or runs for more than 100 ms. The caller frees `out` with
 * mw_settings_fini(). Returns 0 or MW_ENOMEM. */
int mw_settings_find_protos(struct mw_settings *out, const char *dir);

/* Returns 0; MW_ELIMIT (too many addresses), MW_EINVAL (no such log level) or MW_ENOMEM. */
int mw_settings_override(struct mw_settings *settings, const struct mw_overrides *overrides);

/* Appends the names of settings, "workers, tls.cert", that differ and cannot change while a server runs. */
void mw_settings_list_fixed(struct mw_buf *out, const struct mw_settings *running, const struct mw_settings *wanted);

/* Prefixes the newest finding, which concerns a setting of moonwire.lua, with "FILE:LINE: GROUP.NAME: ". `group` may be
 * NULL. Adds no prefix if moonwire.lua was not read, or if the value of `listen` or `data` does not come from it.
 * Returns err->code. */
int mw_settings_prefix_finding(const struct mw_settings *settings, const char *group, const char *name,
                               struct mw_err *err);

/* Replaces the string at `field`, a member of the settings, with a copy of `value`. Returns 0 or MW_ENOMEM. */
int mw_settings_set(char **field, const char *value);

/* Removes all addresses to listen on; adds one. Adding returns 0, MW_ELIMIT (too many) or MW_ENOMEM. */
void mw_settings_clear_listeners(struct mw_settings *settings);
int mw_settings_add_listener(struct mw_settings *settings, const char *address);

/* The same for the folders of .proto files. `path` is used unchanged. */
void mw_settings_clear_protos(struct mw_settings *settings);
int mw_settings_add_protos(struct mw_settings *settings, const char *path);

/* The same for the folders of mw.fs. Adding returns also MW_EINVAL: the path is not absolute or contains "..". */
void mw_settings_clear_folders(struct mw_settings *settings);
int mw_settings_add_folder(struct mw_settings *settings, const char *path);

#endif
