/* Tracebacks whose cost does not grow with the depth of the stack.
 *
 * luaL_traceback() looks for the outermost frames one by one from the innermost, which takes 0.2 s with 300,000 frames.
 * Here a stack deeper than MW_TRACEBACK_LEVELS is shown by its innermost frames alone. */
#ifndef MW_SCRIPT_TRACEBACK_H
#define MW_SCRIPT_TRACEBACK_H

#include <lua.h>

enum { MW_TRACEBACK_LEVELS = 200 };

/* Pushes onto L the traceback of coroutine `of` from `level` on (0 is the function that runs), after `text` and a
 * newline; `text` may be NULL. The form is that of luaL_traceback(). Raises when memory is refused. */
void mw_traceback(lua_State *L, lua_State *of, const char *text, int level);

#endif
