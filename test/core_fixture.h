/* A server and its client in one thread: an engine that serves test methods and calls itself through a channel. A test
 * turns it until a condition holds. */
#ifndef MW_TEST_CORE_FIXTURE_H
#define MW_TEST_CORE_FIXTURE_H

#include "client_fixture.h"
#include "serving_fixture.h"
#include "until.h"

#include "engine/core/client_call.h"
#include "engine/core/core.h"
#include "engine/core/engine.h"

enum { PENDING = 64 }; /* calls that a server with nothing to do waits for */

struct server {
  struct mw_loop loop;
  struct mw_dispatch dispatch;
  struct mw_router router;
  struct mw_engine *engine;
  struct mw_core_engine *core;
  char address[32];
};

/* Opens the engine and its listener on a free port. `with` has the settings, NULL for none. */
void server_open(struct server *server, const struct mw_engine_config *with);
void server_close(struct server *server);

/* Turns the engine until `condition` holds. */
#define UNTIL(server, condition) TURN_UNTIL(mw_core_poll_turn(&(server)->core->poll, 20), condition)

/* Opens a channel on the server's own engine, to the server unless `with` names a target; NULL for no settings. */
struct mw_channel *channel_open(struct server *server, const struct mw_channel_config *with);

/* Starts a call of core, without a deadline. */
void client_start(struct client *client, struct mw_channel *channel, const char *path);
void client_start_with(struct client *client, struct mw_channel *channel, const struct mw_client_request *request);

#endif
