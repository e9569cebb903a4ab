/* Engine http without sockets, for a fuzzer and for tests: a session gets bytes as if from the wire, and its output is
 * pulled from it.
 *
 * The first byte of an input controls how the rest is fed. Bits 0 to 2: the size of the pieces. Bit 3: output is pulled
 * only at the end. Bit 4: the server drains halfway. Bit 5: the input includes the preface. */
#ifndef MW_TEST_HTTP_WIRE_H
#define MW_TEST_HTTP_WIRE_H

#include "engine/http/conn/engine.h"

struct wire {
  struct mw_loop loop;
  struct mw_dispatch dispatch;
  struct mw_router router;
  struct mw_http_engine *engine;
};

/* Opens the engine, with four methods whose names choose their behaviour. Returns 0 or MW_ENOMEM. */
int wire_open(struct wire *wire);
void wire_close(struct wire *wire);

/* Runs a connection with the bytes of `input` from its beginning to its end. All of its calls end with it. */
void wire_run(struct wire *wire, struct mw_slice input);

#endif
