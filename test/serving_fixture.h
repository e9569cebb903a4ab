/* Methods that a server of any engine serves, and a record of their handlers' events, with switches for tests.
 *
 *   /t.T/Echo  unary: returns the request
 *   /t.T/Once  the same, by the handler's `request`
 *   /t.T/Wait  unary: leaves the call in script.waiting, for the test to finish
 *   /t.T/Meta  unary: returns the request's metadata, as headers and trailers, and NOT_FOUND with details
 *   /t.T/Down  server streaming: sends script.down messages
 *   /t.T/Up    client streaming: returns the number of messages
 *   /t.T/Chat  bidirectional: returns each message
 *   /t.T/Open  client streaming: reads nothing and leaves the call in script.waiting */
#ifndef MW_TEST_SERVING_FIXTURE_H
#define MW_TEST_SERVING_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "rpc/engine.h"

/* Events of the handlers so far, and switches. All zeros at first. */
struct script {
  unsigned starts, messages, ends, writables, cancels;
  enum mw_code cancel_code;
  char cancel_text[128];
  struct mw_call *waiting; /* the last call of Wait or Open; NULL once it ended */
  bool stay;               /* a cancelled call is not finished by its handler: the test does it */
  const char *encoding;    /* of the last request */
  const char *compression; /* that Echo and Down ask for; NULL for nothing */
  bool plain;              /* Down leaves every second message as it is */
  uint32_t down;           /* messages that Down sends */
  uint32_t down_size;
  uint32_t down_sent;
  uint64_t most_unsent;
  bool headers_first; /* Wait sends headers at once */
  bool asks;          /* Down asks for room in the connection's backlog before each message */
};

extern struct script script;
extern const struct mw_status status_ok;

void add_methods(struct mw_router *router);

/* Ends a unary call, or one whose reply is one message, with a copy of `bytes`. */
void reply(struct mw_call *call, struct mw_slice bytes);

/* A port that is free now. */
unsigned free_port(void);

#endif
