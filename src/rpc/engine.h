/* The interface of a transport.
 *
 * A worker has one engine: an instance of `struct mw_engine_ops`, created on the worker's thread and used on it
 * alone. An engine accepts connections, turns requests into calls (rpc/call.h) and passes them to the worker's
 * dispatch. It runs the worker's thread, with the libuv loop inside. An engine may also open outbound channels
 * (rpc/channel.h).
 *
 * Order: open, listen or accept_from (once for each address), run; from within run: drain, is_quiet, stop. Then
 * close.
 *
 * An engine opened for channels alone is embedded in a loop that another engine or uv_run() runs: only open and
 * close it. Until its first channel is opened it costs almost nothing. */
#ifndef MW_RPC_ENGINE_H
#define MW_RPC_ENGINE_H

#include "loop/loop.h"
#include "rpc/channel.h"
#include "rpc/dispatch.h"

struct mw_tls_config {
  const char *cert_file, *key_file; /* PEM; the server's chain and key */
  const char *client_ca_file;       /* PEM; if set, clients must present a certificate signed by it; NULL for none */
};

/* Limits on clients; 0 for the engine's default. C core uses only `connections`, `streams`, `handshake_seconds` and,
 * for output, `buffer_bytes`. */
struct mw_engine_limits {
  unsigned connections;     /* concurrent ones, of all engines that count in `open`; no limit by default */
  unsigned streams;         /* concurrent ones on a connection */
  unsigned stream_resets;   /* tokens of a connection for stream resets, see docs/limits.md */
  unsigned control_frames;  /* the same for PING, SETTINGS and similar frames */
  double handshake_seconds; /* from the start of a connection to the client's first frame; also for a header block */
  double message_seconds;   /* over which a client that sends a message must keep the minimum rate */
  double send_seconds;      /* after which a client that reads nothing is disconnected */
  /* Bytes that a connection may hold beyond its streams' first windows, at least one message; and a quarter of the
   * unsent bytes at which large messages wait. */
  size_t buffer_bytes;
  /* borrowed; number of open connections. NULL: this engine counts its own. C core counts in its team */
  _Atomic unsigned *open;
};

/* Keepalive and connection age (gRFC A8 and A9), in seconds; 0 for no PINGs, no limit. */
struct mw_keepalive {
  double time;                     /* without data from a client, until it is sent a PING */
  double timeout;                  /* without data after the PING, until the connection and its calls end */
  double min_time;                 /* between PINGs of a client; the third early one ends the connection */
  bool permit_without_stream;      /* PINGs without calls, from either side; else a client may send one in two hours */
  double max_connection_idle;      /* without a call, until the connection is drained */
  double max_connection_age;       /* until the connection is drained, plus or minus a tenth */
  double max_connection_age_grace; /* after that, until the connection and its calls end */
};

/* Shared by the engines of one server. In engine http, a busy engine has others run its calls. In C core, the team
 * only counts connections. */
struct mw_engine_team;

struct mw_engine_config {
  struct mw_loop *loop;            /* borrowed; the worker's */
  struct mw_dispatch *dispatch;    /* borrowed; NULL for an embedded engine, which only opens channels */
  size_t max_receive_bytes;        /* largest message accepted, after decompression; 4 MiB by default */
  size_t max_metadata_bytes;       /* largest request header list */
  const struct mw_tls_config *tls; /* NULL for plain text */
  struct mw_keepalive keepalive;
  struct mw_engine_limits limits;
  struct mw_engine_team *team; /* borrowed; NULL for a single engine */
};

struct mw_engine {
  const struct mw_engine_ops *ops;
};

struct mw_engine_ops {
  const char *name; /* "core", "http" */

  /* Creates the state shared by up to `size` engines; free it after the last of them is closed. Any thread. Returns
   * owned, NULL without memory. Both functions are NULL if engines of this kind share nothing. */
  struct mw_engine_team *(*team_new)(unsigned size);
  void (*team_free)(struct mw_engine_team *team);

  /* Returns 0 and an engine, or MW_EINVAL (TLS files), MW_EIO, MW_ENOMEM. */
  int (*open)(const struct mw_engine_config *config, struct mw_engine **out, struct mw_err *err);

  /* Listens on HOST:PORT with SO_REUSEPORT; the server has chosen a port other than 0. Returns 0, MW_EINVAL
   * (malformed address; TLS files that do not match), MW_EIO or MW_ENOMEM. */
  int (*listen)(struct mw_engine *engine, const char *address, struct mw_err *err);

  /* Accepts from `fd`, a listening socket that the workers share; `address` names it in messages. Borrows the
   * descriptor and keeps a duplicate until drain(). Returns like `listen`. */
  int (*accept_from)(struct mw_engine *engine, int fd, const char *address, struct mw_err *err);

  /* Accepts calls and runs the loop until stop(). */
  void (*run)(struct mw_engine *engine);

  /* Accepts no more connections and sends GOAWAY; live calls continue. Requests that are already on their way are
   * served too, or, if the engine cannot, the dispatch refuses them. */
  void (*drain)(struct mw_engine *engine);

  /* After drain(): true once all responses are written. Poll it. */
  bool (*is_quiet)(struct mw_engine *engine);

  /* Makes run() return soon. Live calls are cancelled first. */
  void (*stop)(struct mw_engine *engine);

  /* Frees the engine; every channel is closed already. */
  void (*close)(struct mw_engine *engine);

  /* Outbound channels of this worker, see rpc/channel.h; NULL if the engine opens none. */
  const struct mw_channel_ops *channels;
};

/* The operations that rpc/call.h calls; handlers do not call them directly. */
struct mw_engine_call_ops {
  void (*read)(struct mw_call *call);
  uint8_t *(*reserve)(struct mw_call *call, size_t size);
  /* Sends the reserved message; mw_call_on_sent() runs when it has left. Compresses it by call->reply_encoding, or
   * without one like the client's messages, unless `flags` has MW_SEND_PLAIN. With MW_SEND_LAST the message waits for
   * finish(), which follows at once, and no event reports it. */
  void (*send)(struct mw_call *call, unsigned flags);
  void (*send_headers)(struct mw_call *call);
  /* Ends the call with `status`, after all messages. The call then belongs to the engine. */
  void (*finish)(struct mw_call *call, const struct mw_status *status);
  /* Returns true if the connection has room for a message of `size` bytes; if not, mw_call_on_room() runs when it
   * may. NULL: always true. */
  bool (*has_room)(struct mw_call *call, size_t size);
};

#endif
