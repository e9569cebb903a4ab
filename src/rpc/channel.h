/* Outbound channels and calls, as an engine offers them.
 *
 * Everything runs on the thread of the engine's loop. Events of a client call never run from within an operation.
 * Messages are read one by one, on demand, like on the server. */
#ifndef MW_RPC_CHANNEL_H
#define MW_RPC_CHANNEL_H

#include "base/clock.h"
#include "rpc/metadata.h"
#include "rpc/status.h"

struct mw_engine;
struct mw_channel;
struct mw_client_call;

struct mw_channel_config {
  const char *target;          /* gRPC naming: "host:port", "dns:///host:port", "unix:path", "ipv4:..." */
  const char *service_config;  /* JSON; an engine leaves retries to rpc/client_rpc.h; NULL for none */
  const char *load_balancing;  /* "round_robin", "pick_first"; NULL for the default */
  bool tls;
  const char *ca_file;         /* PEM roots; NULL for the system's */
  const char *cert_file, *key_file; /* the client's own; NULL for none */
  const char *authority;       /* overrides :authority and the name in the certificate; NULL for none */
  size_t max_receive_bytes;    /* 0 for 4 MiB */
};

struct mw_client_request {
  struct mw_slice path;        /* "/package.Service/Method" */
  const struct mw_metadata *metadata; /* may be NULL; borrowed for the start */
  int64_t deadline;            /* mw_clock_mono() time, MW_NEVER for none */
  bool single;                 /* the request is one message */
  bool wait_for_ready;         /* keep trying to connect until the deadline instead of failing at once */
  const char *compression;     /* "gzip", "deflate"; NULL for none */
};

/* What a client call reports. `user` is that of start(). All are required. */
struct mw_client_events {
  /* The server's headers, borrowed for the event. An engine may run it with none for a trailers-only answer. */
  void (*headers)(void *user, const struct mw_metadata *headers);
  /* The answer to read(); borrowed for the event. When the stream has ended, `done` runs and not this. */
  void (*message)(void *user, struct mw_slice bytes);
  /* After a send() that said to wait: more may be sent, or the call is over(). */
  void (*writable)(void *user);
  /* Last, exactly once: status and trailers, borrowed for the event. It runs even when no read is under way. A message
   * that has arrived and was not read is lost when the status is an error. release() is still needed. */
  void (*done)(void *user, const struct mw_status *status, const struct mw_metadata *trailers);
};

/* How far a call has got that failed. */
enum mw_client_reach {
  MW_REACH_SERVER,  /* to a handler, for all that is known */
  MW_REACH_REFUSED, /* to the server, which refused it before a handler saw it: REFUSED_STREAM, GOAWAY */
  MW_REACH_NONE     /* nowhere: the request did not leave this side, though there was a connection */
};

/* The grounds of a retry, apart from the status. */
struct mw_client_fate {
  enum mw_client_reach reach;
  struct mw_slice pushback; /* the trailer grpc-retry-pushback-ms; its data is NULL when there is none */
};

struct mw_channel_ops {
  bool local; /* the server is in this process, and its handlers run in the same loop */
  /* Returns 0 and a channel; MW_EINVAL (target, service config, TLS files), MW_EIO or MW_ENOMEM. Connects when first
   * used. */
  int (*open)(struct mw_engine *engine, const struct mw_channel_config *config, struct mw_channel **out,
              struct mw_err *err);
  /* Cancels what still runs on it. */
  void (*close)(struct mw_channel *channel);

  /* Starts a call: sends the headers. Returns 0 or MW_ENOMEM. */
  int (*start)(struct mw_channel *channel, const struct mw_client_request *request,
               const struct mw_client_events *events, void *user, struct mw_client_call **out, struct mw_err *err);
  /* Bytes to fill and hand over with send(), with nothing in between; NULL without memory. */
  uint8_t *(*reserve)(struct mw_client_call *call, size_t size);
  /* Returns whether another may be sent at once; if not, `writable` will run, or `done`. Dropped when the call is
   * over. */
  bool (*send)(struct mw_client_call *call);
  /* Whether the server has ended the call: what is sent is dropped, and `done` follows the last message. */
  bool (*over)(const struct mw_client_call *call);
  /* No more messages from this side. */
  void (*half_close)(struct mw_client_call *call);
  /* Asks for one message. */
  void (*read)(struct mw_client_call *call);
  /* From within `done` alone; the pushback is borrowed for that event. */
  struct mw_client_fate (*fate)(const struct mw_client_call *call);
  /* Ends it with CANCELLED; `done` will run. */
  void (*cancel)(struct mw_client_call *call);
  /* The caller's last word; events stop. Cancels when not done. */
  void (*release)(struct mw_client_call *call);
};

#endif
