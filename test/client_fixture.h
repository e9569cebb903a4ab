/* A client call on any engine, and a record of its events. An event in the midst of an operation of the call, after
 * the end or in a wrong order fails the test. */
#ifndef MW_TEST_CLIENT_FIXTURE_H
#define MW_TEST_CLIENT_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "rpc/channel.h"

struct client {
  const struct mw_channel_ops *ops;
  struct mw_client_call *call;
  void (*note)(struct client *client); /* runs at each message; NULL for nothing */
  bool in_operation;                   /* no event may run */
  bool manual;                         /* the test asks for each message; else the client reads on */
  unsigned headers, messages, writables, done;
  size_t bytes;   /* of all messages */
  char last[256]; /* start of the newest message */
  size_t last_len;
  enum mw_code code;
  char text[256];
  struct mw_arena arena; /* has the three below */
  struct mw_metadata got_headers, got_trailers;
  struct mw_slice details;
};

/* Starts a call on a channel of `ops`. The request is not needed afterwards. */
void client_start_on(struct client *client, const struct mw_channel_ops *ops, struct mw_channel *channel,
                     const struct mw_client_request *request);

/* Sends a message of `len` bytes; returns send()'s result. */
bool client_send(struct client *client, const void *data, size_t len);

/* Sends the only message, half-closes and reads. */
void client_request(struct client *client, const char *message);

void client_half_close(struct client *client);
void client_read(struct client *client);
void client_cancel(struct client *client);

/* Releases the call, over or not, and frees what the arena has. */
void client_release(struct client *client);

#endif
