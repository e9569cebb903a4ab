/* The contract of an engine: a server with the methods of serving_fixture.h on any engine, and clients that call it
 * through a channel, all in one thread and one loop. engine_contract_test.c has the cases, which all kinds pass. */
#ifndef MW_TEST_ENGINE_CONTRACT_H
#define MW_TEST_ENGINE_CONTRACT_H

#include "client_fixture.h"
#include "serving_fixture.h"
#include "until.h"

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

enum { CONTRACT_RECEIVE = 2 << 20 }; /* greatest size of a received message */

/* Opens engine, listener (where the engine listens) and channel. With `started` false the test calls run(). */
void contract_open(struct contract *contract, const struct contract_kind *kind, bool started);

/* No call may be live. */
void contract_close(struct contract *contract);

/* Turns the engine until `condition` holds. */
#define UNTIL(contract, condition) TURN_UNTIL((contract)->kind->turn(contract), condition)

/* Starts a call of the method `name`, such as "Echo" or "/t.U/Echo"; MW_NEVER for no deadline; `metadata` may be
 * NULL. */
void contract_call(struct contract *contract, struct client *client, const char *name, int64_t deadline,
                   const struct mw_metadata *metadata);

#endif
