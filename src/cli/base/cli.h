/* The commands. Each takes the arguments from its own name on, and returns the exit code: 0 for success, 1 for a
 * failure, 2 for wrong usage. `call` returns the status code of its call. */
#ifndef MW_CLI_BASE_CLI_H
#define MW_CLI_BASE_CLI_H

enum { MW_EXIT_OK = 0, MW_EXIT_FAILED = 1, MW_EXIT_USAGE = 2, MW_EXIT_INTERRUPTED = 130 };

int mw_cli_serve(int argc, char **argv);
int mw_cli_call(int argc, char **argv);
int mw_cli_check(int argc, char **argv);
int mw_cli_test(int argc, char **argv);
int mw_cli_status(int argc, char **argv);
int mw_cli_reload(int argc, char **argv);
int mw_cli_rollback(int argc, char **argv);
int mw_cli_kill(int argc, char **argv);
int mw_cli_store(int argc, char **argv);

#endif
