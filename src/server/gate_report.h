/* What `moonwire test` prints, as findings. */
#ifndef MW_SERVER_GATE_REPORT_H
#define MW_SERVER_GATE_REPORT_H

#include "base/err.h"

enum { MW_GATE_FINDINGS = 20 }; /* that are told in full */

/* Adds a finding "DIR/spec/a_spec.lua:3: NAME: what is wrong" for each failure in `out`, busted's plain output; without
 * any, what `errors`, the standard error output, says. At least one is added. Returns MW_EINVAL. */
int mw_gate_report(const char *dir, const char *out, const char *errors, struct mw_err *err);

#endif
