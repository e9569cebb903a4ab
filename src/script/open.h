/* Opens and closes a worker's Lua state: its allocator, the guarded standard library, the collector. */
#ifndef MW_SCRIPT_OPEN_H
#define MW_SCRIPT_OPEN_H

#include "script/state/vm.h"

/* `unpack_budget`: bytes that one message may take at most in memory. Returns 0 or MW_ENOMEM. */
int mw_vm_init(struct mw_vm *vm, struct mw_loop *loop, size_t unpack_budget, struct mw_err *err);

/* No fiber may be live. */
void mw_vm_fini(struct mw_vm *vm);

#endif
