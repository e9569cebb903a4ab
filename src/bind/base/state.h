/* mw.state: tables that outlive generations. */
#ifndef MW_BIND_BASE_STATE_H
#define MW_BIND_BASE_STATE_H

#include "bind/base/bind.h"

/* Forgets every state: the next program begins with none. */
void mw_bind_forget_states(lua_State *L);

/* Puts the states of the staged program into force. */
void mw_bind_adopt_state(lua_State *L);

#endif
