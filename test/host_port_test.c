/* HOST:PORT: valid forms, and the errors for others. */
#include <netdb.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/host_port.h"

static void splits(const char *text, const char *host, unsigned port) {
  struct mw_host_port parts;
  struct mw_err err = MW_ERR_INIT;
  if (mw_host_port_split(&parts, text, &err) != 0) fail_msg("%s", mw_err_text(&err));
  assert_string_equal(parts.host, host);
  assert_int_equal(parts.port, port);
}

static void hosts_and_ports(void **state) {
  splits("127.0.0.1:50051", "127.0.0.1", 50051);
  splits("localhost:0", "localhost", 0);
  splits("a-name.example:65535", "a-name.example", 65535);
  splits("0.0.0.0:00080", "0.0.0.0", 80);
}

static void ipv6_stands_in_brackets(void **state) {
  splits("[::1]:50051", "::1", 50051);
  splits("[::]:0", "::", 0);
  splits("[fe80::1%eth0]:1", "fe80::1%eth0", 1);
}

static void a_host_may_be_long(void **state) {
  char text[MW_HOST_MAX + 8], host[MW_HOST_MAX];
  memset(host, 'a', sizeof host - 1);
  host[sizeof host - 1] = '\0';
  snprintf(text, sizeof text, "%s:1", host);
  splits(text, host, 1);
}

static void refuses(const char *text) {
  struct mw_host_port parts = {"untouched", 1};
  struct addrinfo *infos;
  struct mw_err err = MW_ERR_INIT;
  char words[512];
  snprintf(words, sizeof words,
           "%s: expected HOST:PORT with a port from 0 to 65535, like 127.0.0.1:50051 or [::1]:50051, or unix:PATH",
           text);
  assert_int_equal(mw_host_port_split(&parts, text, &err), MW_EINVAL);
  assert_string_equal(mw_err_text(&err), words);
  assert_string_equal(parts.host, "untouched");
  mw_err_fini(&err);
  assert_int_equal(mw_host_port_resolve(&infos, text, NULL), MW_EINVAL);
}

static void other_forms_are_refused(void **state) {
  static const char *const texts[] = {
      "",
      ":",
      "localhost",
      "localhost:",
      "50051",
      ":50051",
      "[]:1",
      "127.0.0.1:70000",
      "127.0.0.1:65536",
      "127.0.0.1:-1",
      "127.0.0.1:+1",
      "127.0.0.1: 1",
      "127.0.0.1:1 ",
      "127.0.0.1:1x",
      "127.0.0.1:http",
      "127.0.0.1:000080",
      "127.0.0.1:99999999999999999999",
      "::1:50051",
      "::1",
      "[::1]",
      "[::1:50051",
      "::1]:50051",
      "[::1]x:50051",
      "unix:/run/socket",
      "unix:socket",
  };
  for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) refuses(texts[i]);
  char text[MW_HOST_MAX + 8];
  memset(text, 'a', sizeof text);
  snprintf(text + MW_HOST_MAX, 3, ":1");
  refuses(text);
}

static void numbers_resolve(void **state) {
  struct addrinfo *infos;
  assert_int_equal(mw_host_port_resolve(&infos, "127.0.0.1:4711", NULL), 0);
  assert_int_equal(infos->ai_family, AF_INET);
  assert_int_equal(infos->ai_socktype, SOCK_STREAM);
  assert_int_equal(ntohs(((const struct sockaddr_in *)(const void *)infos->ai_addr)->sin_port), 4711);
  freeaddrinfo(infos);
  assert_int_equal(mw_host_port_resolve(&infos, "[::1]:4711", NULL), 0);
  assert_int_equal(infos->ai_family, AF_INET6);
  freeaddrinfo(infos);
}

static void a_host_that_there_is_not_is_named(void **state) {
  struct addrinfo *infos;
  struct mw_err err = MW_ERR_INIT;
  assert_int_equal(mw_host_port_resolve(&infos, "no host:1", &err), MW_EIO);
  assert_non_null(strstr(mw_err_text(&err), "cannot listen on no host:1: "));
  mw_err_fini(&err);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(hosts_and_ports),    cmocka_unit_test(ipv6_stands_in_brackets),
      cmocka_unit_test(a_host_may_be_long), cmocka_unit_test(other_forms_are_refused),
      cmocka_unit_test(numbers_resolve),    cmocka_unit_test(a_host_that_there_is_not_is_named),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
