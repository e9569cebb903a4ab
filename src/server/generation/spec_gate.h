/* Spec gate: runs the folder's specs against a candidate with `moonwire test` in a process of its own.
 *
 * The process works in a temporary folder with the exact bytes of the candidate (server/generation/snapshot.h). The
 * process and its children end with the gate, and also when the server is killed. On the control loop's thread, which
 * continues meanwhile. */
#ifndef MW_SERVER_GENERATION_SPEC_GATE_H
#define MW_SERVER_GENERATION_SPEC_GATE_H

#include "server/generation/generation.h"

struct mw_spec_gate;

/* Receives 0 if the specs have passed, or an error with a finding for each failed spec, which the callback frees. */
typedef void (*mw_gate_done_fn)(void *arg, int rc, struct mw_err *err);

/* True if the candidate's settings require the specs and DIR/spec has any. */
bool mw_spec_gate_wanted(const struct mw_generation *candidate, const char *dir);

/* Starts the specs. `done` runs later, once, after the gate has been freed. Borrows `dir` and `data_dir`. Returns 0 and
 * the gate, or an error; then `done` does not run. */
int mw_spec_gate_open(struct mw_spec_gate **out, struct mw_loop *home, const struct mw_generation *candidate,
                      const char *dir, const char *data_dir, mw_gate_done_fn done, void *arg, struct mw_err *err);

/* Ends the specs. `done` receives an error with the text `why`. */
void mw_spec_gate_stop(struct mw_spec_gate *gate, const char *why);

#endif
