/* The gate before a generation: the folder's specs, run against a candidate by `moonwire test`, a process of its own.
 *
 * The process works in a temporary folder that has the candidate's exact bytes (server/snapshot.h). It, and whatever it
 * starts, ends with the gate, and with the server however that ends. On the control loop's thread, which goes on
 * meanwhile. */
#ifndef MW_SERVER_GATE_H
#define MW_SERVER_GATE_H

#include "server/generation.h"

struct mw_gate;

/* The specs have passed: 0; or the error, a finding for each spec that failed, which is to be freed. */
typedef void (*mw_gate_done_fn)(void *arg, int rc, struct mw_err *err);

/* Whether the candidate has to pass: it says so, and DIR/spec has specs. */
bool mw_gate_wanted(const struct mw_generation *candidate, const char *dir);

/* Starts the specs. `done` runs later, once; the gate is gone then. Borrows `dir` and `data_dir`. Returns 0 and the gate, or
 * an error: then `done` does not run. */
int mw_gate_open(struct mw_gate **out, struct mw_loop *home, const struct mw_generation *candidate, const char *dir,
                 const char *data_dir, mw_gate_done_fn done, void *arg, struct mw_err *err);

/* Ends the specs; `done` is told `why`, a static text. */
void mw_gate_stop(struct mw_gate *gate, const char *why);

#endif
