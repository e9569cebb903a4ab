/* Programs with the module `moonwire`. */
#ifndef MW_BIND_OPEN_H
#define MW_BIND_OPEN_H

#include "bind/base/bind.h"

/* Pushes the module table of a program. */
void mw_bind_open(lua_State *L, struct mw_program *program);

/* Makes a program with the module `moonwire`. Errors and ownership as in mw_program_new(). */
int mw_bind_program_new(struct mw_program **out, struct mw_vm *vm, const struct mw_host *host, struct mw_pool *pool,
                        uint64_t generation, struct mw_err *err);

/* Call it after the program has become vm->newest. The live modules become its own, and the states that it has declared
 * come into force. */
void mw_bind_program_adopted(struct mw_program *program);

#endif
