#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/text.h"
#include "cli/base/cli.h"

static const char help[] =
    "Moonwire serves gRPC services whose handlers are Lua scripts.\n"
    "\n"
    "usage:\n"
    "  moonwire serve [DIR] [--listen HOST:PORT|unix:PATH]... [--workers N] [--data DIR|:memory:] [--dev]\n"
    "  moonwire call HOST:PORT|unix:PATH [package.Service/Method [JSON | - | @file]]\n"
    "  moonwire check [DIR] [--data DIR]\n"
    "  moonwire test [DIR] [BUSTED OPTION]...\n"
    "  moonwire status [DIR]\n"
    "  moonwire reload [DIR] [--force]\n"
    "  moonwire rollback [N] [DIR]\n"
    "  moonwire kill CALL [DIR]\n"
    "  moonwire store check [DIR] [--data DIR]\n"
    "  moonwire COMMAND --help\n"
    "  moonwire --version | -v | version\n"
    "\n"
    "example:\n"
    "  moonwire serve &\n"
    "  moonwire call 127.0.0.1:50051 helloworld.Greeter/SayHello '{\"name\": \"you\"}' --wait\n";

static const struct {
  const char *name;
  int (*run)(int argc, char **argv);
} commands[] = {{"serve", mw_cli_serve},       {"call", mw_cli_call},     {"check", mw_cli_check},
                {"test", mw_cli_test},         {"status", mw_cli_status}, {"reload", mw_cli_reload},
                {"rollback", mw_cli_rollback}, {"kill", mw_cli_kill},     {"store", mw_cli_store}};
enum { N_COMMANDS = sizeof commands / sizeof *commands };

static const char *name_at(const void *unused, size_t i) { return commands[i].name; }

/* Opens /dev/null for each closed standard descriptor. Otherwise the next file or socket would get its number and
 * receive the log. Runs before the initialisers of libraries, because the gRPC C core opens a descriptor in its own. */
static void open_standard_descriptors(void) {
  for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++) {
    if (fcntl(fd, F_GETFD) >= 0 || errno != EBADF) continue;
    if (open("/dev/null", fd == STDIN_FILENO ? O_RDONLY : O_WRONLY) != fd)
      _exit(MW_EXIT_FAILED); /* open() returns the lowest free number */
  }
}

__attribute__((section(".preinit_array"),
               used)) static void (*const before_libraries)(void) = open_standard_descriptors;

int main(int argc, char **argv) {
  if (argc < 2) {
    fputs(help, stderr);
    return MW_EXIT_USAGE;
  }
  const char *name = argv[1];
  if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0 || strcmp(name, "help") == 0) {
    fputs(help, stdout);
    return MW_EXIT_OK;
  }
  if (strcmp(name, "--version") == 0 || strcmp(name, "-v") == 0 || strcmp(name, "version") == 0) {
    puts("moonwire " MW_VERSION);
    return MW_EXIT_OK;
  }
  for (size_t i = 0; i < N_COMMANDS; i++) {
    if (strcmp(commands[i].name, name) == 0) return commands[i].run(argc - 1, argv + 1);
  }
  const char *near = mw_nearest(name, N_COMMANDS, name_at, NULL);
  fprintf(stderr, "moonwire: no command %s%s%s%s\nTry moonwire --help.\n", name, near ? "; did you mean " : "",
          near ? near : "", near ? "?" : "");
  return MW_EXIT_USAGE;
}
