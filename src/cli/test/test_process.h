/* The Lua module `moonwire.test`: functions for specs beyond `moonwire`, above all processes to test against.
 *
 *   test.start(args [, {env=, cwd=}]) -> process    starts `moonwire ARGS...`; a first argument that contains a slash
 *                                                   names another program
 *   test.serve([{dir=, data=, args=}]) -> process, address   starts `moonwire serve` on a free port
 *   process:read_line([seconds])                    the next line of its stdout; nil at the end or after the time
 *   process:write(text), process:close_input()      its stdin
 *   process:kill([signal])                          SIGTERM by default
 *   process:wait([seconds])                         exit code and signal; nil after the time
 *   process.stderr                                  its stderr so far
 *   process.pid
 *   test.now()                                      monotonic seconds
 *
 * Functions that wait yield. A process that still runs when its object is collected is killed. */
#ifndef MW_CLI_TEST_TEST_PROCESS_H
#define MW_CLI_TEST_TEST_PROCESS_H

#include <lua.h>

/* Pushes the module table. */
void mw_test_process_open(lua_State *L);

#endif
