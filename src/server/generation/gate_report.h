/* Turns the output of `moonwire test` into findings. */
#ifndef MW_SERVER_GENERATION_GATE_REPORT_H
#define MW_SERVER_GENERATION_GATE_REPORT_H

#include "base/err.h"

enum { MW_GATE_FINDINGS = 20 }; /* failures reported in full */

/* Adds a finding "DIR/spec/a_spec.lua:3: NAME: MESSAGE" for each failure in `out`, busted's plain output. Without
 * failures, adds the lines of `errors`, the standard error output. Adds at least one finding. Returns MW_EINVAL. */
int mw_spec_gate_report(const char *dir, const char *out, const char *errors, struct mw_err *err);

#endif
