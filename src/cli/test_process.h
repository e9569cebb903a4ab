/* The Lua module `moonwire.test`: what specs need beyond `moonwire`, above all processes to test against.
 *
 *   test.start(args [, {env=, cwd=}]) -> process    starts `moonwire ARGS...`; a first argument that contains a slash
 *                                                   names another program
 *   test.serve([{dir=, data=, args=}]) -> process, address   starts `moonwire serve` on a free port
 *   process:read_line([seconds])                    the next line of its stdout; nil at the end or after the time
 *   process:write(text), process:close_input()      its stdin
 *   process:kill([signal])                          SIGTERM without one
 *   process:wait([seconds])                         exit code and signal; nil after the time
 *   process.stderr                                  what it has written there so far
 *   process.pid
 *   test.now()                                      monotonic seconds
 *
 * What waits, yields. A process that is still there when its object is collected is killed. */
#ifndef MW_CLI_TEST_PROCESS_H
#define MW_CLI_TEST_PROCESS_H

#include <lua.h>

/* Pushes the module table. */
void mw_test_process_open(lua_State *L);

#endif
