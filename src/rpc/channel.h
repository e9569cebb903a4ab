/* Outbound channels and calls of an engine.
 *
 * Everything runs on the thread of the engine's loop. Events of a client call never run from within an operation.
 * Messages are read one by one, on demand, as on the server. */
#ifndef MW_RPC_CHANNEL_H
#define MW_RPC_CHANNEL_H

#include "base/clock.h"
#include "rpc/metadata.h"
#include "rpc/status.h"

struct mw_engine;
struct mw_channel;
struct mw_client_call;

struct mw_channel_config {
  const char *target;         /* gRPC naming: "host:port", "dns:///host:port", "unix:path", "ipv4:..." */
  const char *service_config; /* JSON; NULL for none. rpc/client_rpc.h, not the engine, does the retries */
  const char *load_balancing; /* "round_robin", "pick_first"; NULL for the default */
  bool tls;
  const char *ca_file;              /* PEM roots; NULL for the system's */
  const char *cert_file, *key_file; /* the client's own; NULL for none */
  const char *authority;            /* overrides :authority and the name in the certificate; NULL for none */
  size_t max_receive_bytes;         /* 0 for 4 MiB */
};

struct mw_client_request {
  struct mw_slice path;               /* "/package.Service/Method" */
  const struct mw_metadata *metadata; /* may be NULL; borrowed for start() */
  int64_t deadline;                   /* mw_clock_mono() time, MW_NEVER for none */
  bool single;                        /* the request is one message */
  bool wait_for_ready;                /* retry to connect until the deadline instead of failing at once */
  const char *compression;            /* "gzip", "deflate"; NULL for none */
};

/* Events of a client call. `user` comes from start(). All are required. */
struct mw_client_events {
  /* The server's headers, borrowed for the event. An engine may run it without entries for a trailers-only response. */
  void (*headers)(void *user, const struct mw_metadata *headers);
  /* The result of read(), borrowed for the event. At the end of the stream `done` runs instead. */
  void (*message)(void *user, struct mw_slice bytes);
  /* After send() has returned false: more may be sent, or over() is true. */
  void (*writable)(void *user);
  /* The last event, exactly once: status and trailers, borrowed for the event. It runs even if no read is under way.
   * An error status discards an unread message that has arrived. The owner must still call release(). */
  void (*done)(void *user, const struct mw_status *status, const struct mw_metadata *trailers);
};

/* The progress of a failed call. */
enum mw_client_progress {
  MW_REACH_SERVER,  /* a handler may have seen it */
  MW_REACH_REFUSED, /* the server refused it before a handler saw it: REFUSED_STREAM, GOAWAY */
  MW_REACH_NONE     /* the request did not leave this process, though there was a connection */
};

/* Grounds for a retry, apart from the status. */
struct mw_client_failure {
  enum mw_client_progress reach;
  struct mw_slice pushback; /* the trailer grpc-retry-pushback-ms; data NULL if there is none */
};

struct mw_channel_ops {
  bool local; /* the server is in this process and its handlers run in the same loop */
  /* Returns 0 and a channel; MW_EINVAL (target, service config, TLS files), MW_EIO or MW_ENOMEM. Connects on first
   * use. */
  int (*open)(struct mw_engine *engine, const struct mw_channel_config *config, struct mw_channel **out,
              struct mw_err *err);
  /* Cancels the calls that are still running on it. */
  void (*close)(struct mw_channel *channel);

  /* Starts a call and sends the headers. Returns 0 or MW_ENOMEM. */
  int (*start)(struct mw_channel *channel, const struct mw_client_request *request,
               const struct mw_client_events *events, void *user, struct mw_client_call **out, struct mw_err *err);
  /* Returns bytes to fill before the next operation, send(); NULL without memory. */
  uint8_t *(*reserve)(struct mw_client_call *call, size_t size);
  /* Sends the reserved message, or drops it if the call is over. Returns true if another may be sent at once; if
   * not, `writable` or `done` will run. */
  bool (*send)(struct mw_client_call *call);
  /* True if the server has ended the call: messages are dropped, and `done` follows the last message. */
  bool (*over)(const struct mw_client_call *call);
  /* Ends the request: no more messages from this side. */
  void (*half_close)(struct mw_client_call *call);
  /* Reads one message. */
  void (*read)(struct mw_client_call *call);
  /* Only from within `done`; the pushback is borrowed for that event. */
  struct mw_client_failure (*fate)(const struct mw_client_call *call);
  /* Ends the call with CANCELLED; `done` will run. */
  void (*cancel)(struct mw_client_call *call);
  /* Frees the call and cancels it unless it is done. No events after it. */
  void (*release)(struct mw_client_call *call);
};

#endif
