#include "tls_files.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static char tls_dir[64];

/* Creates the certificate, or renews it. */
static void make_certificate(const char *name, const char *options) {
  char command[512];
  snprintf(command, sizeof command,
           "cd %s && openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 "
           "-keyout %s.key -out %s.pem %s 2>/dev/null",
           tls_dir, name, name, options);
  assert_int_equal(system(command), 0);
}

void make_server_certificate(void) {
  make_certificate("server", "-subj /CN=localhost -addext subjectAltName=DNS:localhost");
}

void make_certificates(void) {
  snprintf(tls_dir, sizeof tls_dir, "/tmp/moonwire-tls-XXXXXX");
  assert_non_null(mkdtemp(tls_dir));
  make_server_certificate();
  make_certificate("client", "-subj /CN=client");
}

void remove_certificates(void) {
  char command[128];
  snprintf(command, sizeof command, "rm -r %s", tls_dir);
  assert_int_equal(system(command), 0);
}

const char *in_dir(const char *name) {
  static char paths[8][96];
  static unsigned next;
  char *path = paths[next++ % 8];
  snprintf(path, sizeof paths[0], "%s/%s", tls_dir, name);
  return path;
}
