/* Conventions that the bindings share.
 *
 * An opener (bind/base/openers.h) gets the module table at the top of the stack and adds its functions. Their first
 * upvalue is the program, as a light userdata. All programs of a state share the metatables: mw_bind_push_type().
 *
 * A wrong argument raises (luaL_argerror and friends). A failure of run time returns nil and a status. */
#ifndef MW_BIND_BASE_BIND_H
#define MW_BIND_BASE_BIND_H

#include "bind/base/host.h"
#include "script/state/fiber.h"

/* The program of this C function, whose first upvalue it is. */
static inline struct mw_program *mw_bind_program(lua_State *L) {
  return (struct mw_program *)lua_touserdata(L, lua_upvalueindex(1));
}

/* Adds functions to the table at the top, each with the program as its first upvalue. */
void mw_bind_functions(lua_State *L, struct mw_program *program, const luaL_Reg *functions);

/* Pushes the metatable `name` ("moonwire.Type") of objects with these methods and metamethods; either may be NULL for
 * none. Scripts can neither reach nor replace it: its __metatable is the name.
 * Reading a name that is not a method raises. A type whose objects are tables removes the metatable from its table of
 * methods.
 * A state makes the metatable once, and registers it only when it is complete, because memory may run out before. The
 * first upvalue of the metamethods is the table of methods, which is also the __index unless the metamethods have
 * one. */
void mw_bind_push_type(lua_State *L, const char *name, const luaL_Reg *methods, const luaL_Reg *metamethods);

/* Makes and registers such a metatable. The top of the stack is the table of methods, or nil; the metatable replaces
 * it. */
void mw_bind_make_type(lua_State *L, const char *name, const luaL_Reg *metamethods);

/* Returns the userdata of type `type` ("moonwire.Topic") at index 1, the object of a method. Raises for another value.
 * If the method was called with a dot in place of a colon, the error names that as the cause. */
void *mw_bind_check_self(lua_State *L, const char *type);

/* Pushes the words of `err`. Frees `err`, also when it raises for lack of memory. */
void mw_bind_push_err(lua_State *L, struct mw_err *err);

/* Raises an error with the position of the calling script and the words of `err`, which is freed. For MW_ENOMEM raises
 * the error of mw_budget_refuse(). */
int mw_bind_raise_err(lua_State *L, struct mw_err *err);

#endif
