/* mw.live: modules of the newest generation. */
#ifndef MW_BIND_LIVE_H
#define MW_BIND_LIVE_H

#include "bind/base/bind.h"

/* Sets the live modules to those of the program. */
void mw_bind_adopt_live(lua_State *L, struct mw_program *program);

#endif
