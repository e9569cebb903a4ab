/* The handlers of a program. */
#ifndef MW_BIND_CALL_SERVICE_H
#define MW_BIND_CALL_SERVICE_H

#include "bind/base/bind.h"

/* Call it after the scripts are loaded. Puts every handler, and every service that a script has asked for, into
 * program->router. Returns 0 or MW_ENOMEM. */
int mw_bind_route(struct mw_program *program, struct mw_err *err);

/* Releases the program's handlers and retires the program. Its jobs are stopped, and none of its calls and fibers is
 * live. */
void mw_bind_retire(struct mw_program *program);

#endif
