/* What a transport implements.
 *
 * A worker has one engine: an instance of `struct mw_engine_ops`, made on the worker's thread and used on it alone.
 * An engine accepts connections, turns what arrives into calls (rpc/call.h) and hands them to the worker's dispatch;
 * it runs the worker's thread, with the libuv loop inside. An engine may also open outbound channels (rpc/channel.h).
 *
 * Order: open, listen or accept_from (once for each address), run; from within run: drain, is_quiet, stop. Then close.
 *
 * An engine can be opened for channels alone. It is a guest then, in a loop that others run (another engine, or uv_run()):
 * open and close it, and nothing else; until its first channel is opened it costs next to nothing. */
#ifndef MW_RPC_ENGINE_H
#define MW_RPC_ENGINE_H

#include "loop/loop.h"
#include "rpc/channel.h"
#include "rpc/dispatch.h"

struct mw_tls_config {
  const char *cert_file, *key_file; /* PEM; the server's chain and key */
  const char *client_ca_file;       /* PEM; when set, clients must show a certificate it signed; NULL for none */
};

/* What clients may ask for; 0 is the default of an engine. C core has `connections`, `streams`, `handshake_seconds` and, for
 * what it sends, `buffer_bytes` only. */
struct mw_engine_limits {
  unsigned connections;    /* at once, of all engines that count in `open`; no limit by default */
  unsigned streams;        /* at once on a connection */
  unsigned stream_resets;  /* that a connection has to spare, see docs/limits.md */
  unsigned control_frames; /* the same for PING, SETTINGS and the like */
  double handshake_seconds; /* from a connection's beginning to the client's first frame; also for a header block */
  double message_seconds;  /* over which a client that sends a message has to keep its pace */
  double send_seconds;     /* that a client may take nothing of what it is sent */
  size_t buffer_bytes;     /* that a connection may hold beyond its streams' first windows, never less than a message; and
                              a quarter of what it may have to send before large messages wait */
  _Atomic unsigned *open;  /* borrowed; connections there are. NULL: this engine's alone count. C core counts in its team */
};

/* Whether connections are alive, and how long they may be: gRFC A8 and A9. In seconds; 0 for no PINGs, no limit. */
struct mw_keepalive {
  double time;                /* without a word from a client, until it is sent a PING */
  double timeout;             /* without a word after it, until the connection ends and its calls with it */
  double min_time;            /* between PINGs of a client; the third that comes earlier ends the connection */
  bool permit_without_stream; /* PINGs while there is no call, from either side; else a client may send one in two hours */
  double max_connection_idle; /* without a call, until the connection is drained */
  double max_connection_age;  /* until it is drained, give or take a tenth */
  double max_connection_age_grace; /* that its calls get then, until the connection ends and they with it */
};

/* Shared by the engines of one server. With engine http, a busy engine has its calls run by others; with C core, the team
 * counts connections. */
struct mw_engine_team;

struct mw_engine_config {
  struct mw_loop *loop;         /* borrowed; of this worker */
  struct mw_dispatch *dispatch; /* borrowed; NULL for a guest, which only opens channels */
  size_t max_receive_bytes;     /* largest message taken, after decompression; 4 MiB by default */
  size_t max_metadata_bytes;    /* largest request header list */
  const struct mw_tls_config *tls; /* NULL for plain text */
  struct mw_keepalive keepalive;
  struct mw_engine_limits limits;
  struct mw_engine_team *team;  /* borrowed; NULL for an engine that is alone */
};

struct mw_engine {
  const struct mw_engine_ops *ops;
};

struct mw_engine_ops {
  const char *name; /* "core", "http" */

  /* What up to `size` engines share, to be freed after the last of them is closed; any thread. Returns owned, NULL
   * without memory. Both are NULL when engines of this kind share nothing. */
  struct mw_engine_team *(*team_new)(unsigned size);
  void (*team_free)(struct mw_engine_team *team);

  /* Returns 0 and an engine, or MW_EINVAL (TLS files), MW_EIO, MW_ENOMEM. */
  int (*open)(const struct mw_engine_config *config, struct mw_engine **out, struct mw_err *err);

  /* Listens on HOST:PORT with SO_REUSEPORT; the port is not 0 (the server has chosen one). Returns 0, MW_EINVAL (another
   * form; TLS files that do not fit), MW_EIO or MW_ENOMEM. */
  int (*listen)(struct mw_engine *engine, const char *address, struct mw_err *err);

  /* Accepts from `fd`, a listening socket that the workers share; `address` is its name in messages. Borrows the
   * descriptor: until drain() the engine has a duplicate. Returns as `listen` does. */
  int (*accept_from)(struct mw_engine *engine, int fd, const char *address, struct mw_err *err);

  /* Accepts calls and runs the loop until stop(). */
  void (*run)(struct mw_engine *engine);

  /* Takes no new connections from now on, and tells clients to make no new calls (GOAWAY); live calls go on. Those that
   * are on their way are served too, unless the engine cannot: then it has the dispatch turn them away. */
  void (*drain)(struct mw_engine *engine);

  /* Whether, after drain(), no answer is left that has to leave; to be asked again and again. */
  bool (*is_quiet)(struct mw_engine *engine);

  /* Makes run() return soon. Calls still live are cancelled first. */
  void (*stop)(struct mw_engine *engine);

  /* Frees the engine; every channel is closed. */
  void (*close)(struct mw_engine *engine);

  /* Outbound channels of this worker, see rpc/channel.h; NULL when the engine opens none. */
  const struct mw_channel_ops *channels;
};

/* The operations behind rpc/call.h; handlers do not call them directly. */
struct mw_engine_call_ops {
  void (*read)(struct mw_call *call);
  uint8_t *(*reserve)(struct mw_call *call, size_t size);
  /* The reserved message; mw_call_on_sent() when it has left. Compressed as call->reply_encoding says, or in its absence
   * as the client's messages were, unless call->plain. */
  void (*send)(struct mw_call *call);
  void (*send_headers)(struct mw_call *call);
  /* `last` says that a reserved message goes out with the status. After it the call belongs to the engine. */
  void (*finish)(struct mw_call *call, const struct mw_status *status, bool last);
  /* Whether the connection has room for a message of `size` bytes; if not, mw_call_on_room() runs when it may. NULL: always. */
  bool (*has_room)(struct mw_call *call, size_t size);
};

#endif
