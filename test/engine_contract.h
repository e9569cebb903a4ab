/* The contract of an engine: a server with the methods of serving_fixture.h on any engine, and clients that call it
 * through a channel, all in one thread and one loop. engine_contract_test.c has the cases, which all kinds pass. */
#ifndef MW_TEST_ENGINE_CONTRACT_H
#define MW_TEST_ENGINE_CONTRACT_H

#include "serving_fixture.h"

#include "base/clock.h"

struct contract;

/* An engine, and the way to turn it by hand. */
struct contract_kind {
  const struct mw_engine_ops *server;
  const struct mw_engine_ops *channels; /* opens the client's channel: the same, or one embedded in the server's loop */
  void (*start)(struct contract *contract); /* before the first turn, in place of run(); NULL for nothing */
  void (*turn)(struct contract *contract);  /* waits 20 ms at most */
};

/* All engines, NULL-ended. */
extern const struct contract_kind *const contract_kinds[];

struct contract {
  const struct contract_kind *kind;
  struct mw_loop loop;
  struct mw_dispatch dispatch;
  struct mw_router router;
  struct mw_engine *engine, *client; /* the same where one does both */
  struct mw_channel *channel;
  char address[32];
  uv_timer_t guard; /* ends a turn in which nothing else happens */
};

enum { CONTRACT_WAIT_MS = 10000, CONTRACT_RECEIVE = 2 << 20 }; /* patience of UNTIL; bytes of a received message */

/* Opens engine, listener (where the engine listens) and channel. With `started` false the test calls run(). */
void contract_open(struct contract *contract, const struct contract_kind *kind, bool started);

/* No call may be live. */
void contract_close(struct contract *contract);

/* Turns the engine until `condition` holds; fails the test when it does not within ten seconds. */
#define UNTIL(contract, condition)                                                                   \
  do {                                                                                               \
    int64_t until = mw_clock_mono() + CONTRACT_WAIT_MS * (int64_t)MW_NS_PER_MS;                      \
    while (!(condition)) {                                                                           \
      if (mw_clock_mono() > until) fail_msg("%s:%d: waited for %s", __FILE__, __LINE__, #condition); \
      (contract)->kind->turn(contract);                                                              \
    }                                                                                                \
  } while (0)

/* ---- a client call, and a record of its events ---- */

struct client {
  const struct mw_channel_ops *ops;
  struct mw_client_call *call;
  bool in_operation; /* no event may run */
  bool manual;       /* the test asks for each message; else the client reads on */
  unsigned headers, messages, writables, done;
  size_t bytes;  /* of all messages */
  char last[64]; /* start of the newest message */
  enum mw_code code;
  char text[128];
  size_t details;               /* bytes */
  char header[64], trailer[64]; /* values of h-key and t-key; "" for none */
};

/* Starts a call of the method `name`, such as "Echo"; MW_NEVER for no deadline; `metadata` may be NULL. */
void client_start(struct client *client, struct contract *contract, const char *name, int64_t deadline,
                  const struct mw_metadata *metadata);

/* Sends a message of `len` bytes; returns send()'s result. */
bool client_send(struct client *client, const void *data, size_t len);

/* Sends the only message, half-closes and reads. */
void client_request(struct client *client, const char *message);

void client_half_close(struct client *client);
void client_read(struct client *client);
void client_cancel(struct client *client);

/* Releases the call, over or not. */
void client_release(struct client *client);

#endif
