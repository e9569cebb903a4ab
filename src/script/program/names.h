/* Finds names without a value in the text of a script: functions of the API that do not exist, and undefined globals.
 *
 * The scan reports only code that would raise when it runs: a name that is called or indexed,
 * `mw.status.notfound(...)`, `pint "x"`. It follows `local NAME = require "moonwire"` and the globals. It ignores a
 * name that the file declares anywhere, as a local, a parameter or a loop's variable, and a name that is also used in
 * another way, as in `if jit then jit.off() end`. */
#ifndef MW_SCRIPT_PROGRAM_NAMES_H
#define MW_SCRIPT_PROGRAM_NAMES_H

#include "script/program/program.h"

/* Logs a warning with FILE:LINE for each such name in the files of a loaded program. Returns 0 or MW_ENOMEM. */
int mw_names_check(struct mw_program *program, struct mw_err *err);

#endif
