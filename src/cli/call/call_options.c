#include "cli/call/call_options.h"

#include <ctype.h>
#include <errno.h>
#include <getopt.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/text.h"
#include "cli/base/cli.h"
#include "cli/base/usage.h"

static const char help[] =
    "Calls METHOD of a gRPC server. Requests and replies are JSON (the proto3 JSON mapping).\n"
    "\n"
    "usage: moonwire call HOST:PORT|unix:PATH package.Service/Method [REQUEST] [OPTION]...\n"
    "       moonwire call HOST:PORT|unix:PATH [OPTION]...                   lists services and methods\n"
    "       moonwire call HOST:PORT|unix:PATH --describe [NAME] [OPTION]... prints a service, method, message or enum\n"
    "\n"
    "The schema comes from the folder proto; without one, and for a list, from the server's reflection. If the server\n"
    "has no reflection, the list is made from the folder, after a line on stderr. A method may be named by the end of\n"
    "its name (Service/Method, Method) if it is unique. :PORT is localhost:PORT, HOST without a port HOST:50051, or\n"
    "HOST:443 with --tls.\n"
    "\n"
    "REQUEST is JSON text, @FILE to read a file, or - to read standard input. Without it a method that takes one\n"
    "message gets {}, one that takes a stream reads standard input. A stream is any number of values one after\n"
    "another, on lines of their own or not; each is sent as soon as it has been read, and each reply is printed\n"
    "on one line as it comes.\n"
    "\n"
    "  -H, --header 'KEY: VALUE'  metadata to send, may be given several times; KEY-bin takes base64\n"
    "      --deadline TIME        deadline of the call: seconds, or with a unit (1.5s, 200ms, 2m)\n"
    "      --wait                 wait until the server is reachable, up to the deadline\n"
    "      --proto DIR            folder of the .proto files (proto)\n"
    "      --reflection           ask the server for the schema, even if there is a folder proto\n"
    "      --describe             print the definition of NAME, or of all services\n"
    "      --tls                  speak TLS; --plaintext, the default, does not\n"
    "      --ca FILE              with TLS: trusted certificates, PEM (the system's roots)\n"
    "      --cert FILE, --key FILE  with TLS: the client's own certificate and key, PEM\n"
    "      --authority NAME       the server's name, in place of HOST\n"
    "      --compress gzip        compress requests: gzip or deflate\n"
    "      --max-size BYTES       largest reply accepted, with K or M (4M)\n"
    "      --indent N             replies on several lines, N spaces a level\n"
    "  -v, --verbose              also show metadata, headers and trailers, on stderr\n"
    "  -h, --help                 this text\n"
    "\n"
    "Exit code: the status code of the call, 0 to 16 (an error and its details are printed on stderr). 1 also when\n"
    "something fails on the client, before or during the call: the schema, a request, a reply that\n"
    "cannot be printed; the line on stderr then begins with \"moonwire call:\". 2 also for wrong usage.\n"
    "Ctrl-C cancels the call, and a second one ends it at once.\n"
    "\n"
    "examples:\n"
    "  moonwire call 127.0.0.1:50051 tasks.TaskService/CreateTask '{\"title\": \"write\", \"priority\": \"HIGH\"}'\n"
    "  moonwire call 127.0.0.1:50051 tasks.TaskService/ListTasks --deadline 2s\n"
    "  moonwire call :50051\n"
    "  moonwire call :50051 --describe CreateTask\n"
    "  moonwire call localhost:443 telemetry.TelemetryService/LiveFeed @feed.ndjson --tls -H 'x-user: me' -v\n";

enum {
  OPTION_DEADLINE = 256,
  OPTION_WAIT,
  OPTION_PROTO,
  OPTION_REFLECTION,
  OPTION_DESCRIBE,
  OPTION_TLS,
  OPTION_PLAINTEXT,
  OPTION_CA,
  OPTION_CERT,
  OPTION_KEY,
  OPTION_AUTHORITY,
  OPTION_COMPRESS,
  OPTION_MAX_SIZE,
  OPTION_INDENT
};

enum { LARGEST_INDENT = 16, LARGEST_SIZE = 1 << 30 };

static const struct option long_options[] = {{"header", required_argument, NULL, 'H'},
                                             {"deadline", required_argument, NULL, OPTION_DEADLINE},
                                             {"wait", no_argument, NULL, OPTION_WAIT},
                                             {"proto", required_argument, NULL, OPTION_PROTO},
                                             {"reflection", no_argument, NULL, OPTION_REFLECTION},
                                             {"describe", no_argument, NULL, OPTION_DESCRIBE},
                                             {"tls", no_argument, NULL, OPTION_TLS},
                                             {"plaintext", no_argument, NULL, OPTION_PLAINTEXT},
                                             {"ca", required_argument, NULL, OPTION_CA},
                                             {"cert", required_argument, NULL, OPTION_CERT},
                                             {"key", required_argument, NULL, OPTION_KEY},
                                             {"authority", required_argument, NULL, OPTION_AUTHORITY},
                                             {"compress", required_argument, NULL, OPTION_COMPRESS},
                                             {"max-size", required_argument, NULL, OPTION_MAX_SIZE},
                                             {"indent", required_argument, NULL, OPTION_INDENT},
                                             {"verbose", no_argument, NULL, 'v'},
                                             {"help", no_argument, NULL, 'h'},
                                             {NULL, 0, NULL, 0}};

/* ---- values of options; each function returns -1 to continue ---- */

static int parse_deadline(struct mw_call_options *o, const char *text) {
  static const struct {
    const char *unit;
    double seconds;
  } units[] = {{"", 1}, {"s", 1}, {"ms", 1e-3}, {"m", 60}};
  char *end;
  double number = isdigit((unsigned char)text[0]) || text[0] == '.' ? strtod(text, &end) : -1;
  for (size_t i = 0; number > 0 && i < sizeof units / sizeof *units; i++) {
    if (strcmp(end, units[i].unit) != 0) continue;
    int64_t ns = mw_duration_from_seconds(number * units[i].seconds);
    o->timeout_ns = ns < 1 ? 1 : ns;
    return -1;
  }
  return mw_wrong_usage("call", "--deadline %s: expected a time above 0 such as 5, 1.5s, 200ms or 2m", text);
}

static int parse_size(struct mw_call_options *o, const char *text) {
  char *end;
  errno = 0;
  unsigned long long size = isdigit((unsigned char)text[0]) ? strtoull(text, &end, 10) : 0;
  unsigned shift = size == 0 ? 0 : strcasecmp(end, "k") == 0 ? 10 : strcasecmp(end, "m") == 0 ? 20 : 0;
  if (size == 0 || errno != 0 || (*end && shift == 0) || size > (unsigned long long)LARGEST_SIZE >> shift)
    return mw_wrong_usage("call", "--max-size %s: expected a number of bytes up to 1024M, such as 65536 or 16M", text);
  o->channel.max_receive_bytes = (size_t)size << shift;
  return -1;
}

static int parse_indent(struct mw_call_options *o, const char *text) {
  char *end;
  unsigned long indent = strtoul(text, &end, 10);
  if (!isdigit((unsigned char)text[0]) || *end || indent > LARGEST_INDENT)
    return mw_wrong_usage("call", "--indent %s: expected a number of spaces from 0 to 16", text);
  o->indent = (unsigned)indent;
  return -1;
}

static int parse_compression(struct mw_call_options *o, const char *text) {
  if (strcmp(text, "gzip") != 0 && strcmp(text, "deflate") != 0)
    return mw_wrong_usage("call", "--compress %s: expected gzip or deflate", text);
  o->compression = text;
  return -1;
}

static struct mw_slice trimmed(const char *text, size_t len) {
  while (len > 0 && isspace((unsigned char)text[0])) {
    text++;
    len--;
  }
  while (len > 0 && isspace((unsigned char)text[len - 1])) len--;
  return mw_slice(text, len);
}

/* Adds metadata after a check. `key` is in lower case. */
static int add_metadata(struct mw_call_options *o, const char *text, struct mw_slice key, struct mw_slice value) {
  struct mw_err err = MW_ERR_INIT;
  int rc = mw_metadata_check(key, value, &err);
  if (rc == 0) rc = mw_metadata_add(&o->metadata, &o->arena, key, value);
  int code = rc == 0 ? -1 : mw_wrong_usage("call", "-H '%s': %s", text, err.text ? err.text : mw_err_name(rc));
  mw_err_fini(&err);
  return code;
}

static int parse_header(struct mw_call_options *o, const char *text) {
  const char *colon = strchr(text, ':');
  if (!colon) return mw_wrong_usage("call", "-H '%s': expected 'KEY: VALUE'", text);
  struct mw_slice given = trimmed(text, (size_t)(colon - text)), value = trimmed(colon + 1, strlen(colon + 1));
  char *key = mw_arena_strndup(&o->arena, (const char *)given.data, given.len);
  if (!key) return mw_wrong_usage("call", "out of memory");
  for (char *c = key; *c; c++) *c = (char)tolower((unsigned char)*c);
  if (!mw_metadata_is_binary(mw_slice_str(key))) return add_metadata(o, text, mw_slice_str(key), value);
  struct mw_buf bytes = MW_BUF_INIT;
  int rc = mw_base64_decode(&bytes, value);
  int code = rc == 0 ? add_metadata(o, text, mw_slice_str(key), mw_buf_slice(&bytes))
                     : mw_wrong_usage("call", "-H '%s': the value of a key that ends in -bin must be base64", text);
  mw_buf_fini(&bytes);
  return code;
}

/* ---- arguments ---- */

static int take_option(struct mw_call_options *o, int option, char *const *argv) {
  switch (option) {
    case 'H': return parse_header(o, optarg);
    case 'v': o->verbose = true; return -1;
    case 'h': fputs(help, stdout); return MW_EXIT_OK;
    case OPTION_DEADLINE: return parse_deadline(o, optarg);
    case OPTION_WAIT: o->wait = true; return -1;
    case OPTION_REFLECTION: o->reflection = true; return -1;
    case OPTION_DESCRIBE: o->describe = true; return -1;
    case OPTION_COMPRESS: return parse_compression(o, optarg);
    case OPTION_MAX_SIZE: return parse_size(o, optarg);
    case OPTION_INDENT: return parse_indent(o, optarg);
    case OPTION_TLS: o->channel.tls = true; return -1;
    case OPTION_PLAINTEXT: o->channel.tls = false; return -1;
    case OPTION_CA: o->channel.ca_file = optarg; return -1;
    case OPTION_CERT: o->channel.cert_file = optarg; return -1;
    case OPTION_KEY: o->channel.key_file = optarg; return -1;
    case OPTION_AUTHORITY: o->channel.authority = optarg; return -1;
    case OPTION_PROTO: o->proto_dir = optarg; return -1;
    default: return mw_wrong_option("call", option, argv);
  }
}

/* Parses "package.Service/Method", with or without a slash in front, or the end of it. */
static int parse_method(struct mw_call_options *o, const char *text) {
  const char *name = text[0] == '/' ? text + 1 : text;
  const char *slash = strchr(name, '/');
  if (!*name || slash == name || (slash && (!slash[1] || strchr(slash + 1, '/')))) {
    return mw_wrong_usage("call", "%s: expected package.Service/Method", text);
  }
  o->method = name;
  return -1;
}

/* True for "HOST" and "[IPV6]". gRPC completes an address with a scheme, such as dns:///HOST. */
static bool lacks_port(const char *target) {
  const char *colon = strchr(target, ':');
  return !colon || (target[0] == '[' && target[strlen(target) - 1] == ']');
}

/* ":50051" is a port of this machine. The default port is the server's, or the one of HTTPS with TLS. gRPC's own
 * default is 443 for both. */
static int parse_target(struct mw_call_options *o, const char *text) {
  const char *host = text[0] == ':' ? "localhost" : "", *port = !lacks_port(text) ? ""
                                                                : o->channel.tls  ? ":443"
                                                                                  : ":50051";
  size_t size = strlen(host) + strlen(text) + strlen(port) + 1;
  char *target = mw_arena_alloc(&o->arena, size);
  if (!target) return mw_wrong_usage("call", "out of memory");
  snprintf(target, size, "%s%s%s", host, text, port);
  o->channel.target = target;
  return -1;
}

static int check(const struct mw_call_options *o) {
  const struct mw_channel_config *c = &o->channel;
  const char *file = c->ca_file ? "--ca" : c->cert_file ? "--cert" : c->key_file ? "--key" : NULL;
  if (file && !c->tls) return mw_wrong_usage("call", "%s needs --tls", file);
  if (!c->cert_file != !c->key_file) return mw_wrong_usage("call", "--cert and --key go together");
  if (o->describe && o->request) return mw_wrong_usage("call", "--describe takes one name; unexpected %s", o->request);
  if (o->reflection && o->proto_dir) return mw_wrong_usage("call", "--proto and --reflection exclude each other");
  return -1;
}

int mw_call_options_parse(struct mw_call_options *o, int argc, char **argv) {
  *o = (struct mw_call_options){.timeout_ns = MW_NEVER};
  mw_arena_init(&o->arena, SIZE_MAX);
  opterr = 0;
  int option, code = -1;
  while (code == -1 && (option = getopt_long(argc, argv, ":H:vh", long_options, NULL)) != -1) {
    code = take_option(o, option, argv);
  }
  if (code != -1) return code;
  int n = argc - optind;
  if (n < 1)
    return mw_wrong_usage("call", "expected HOST:PORT and package.Service/Method, or HOST:PORT alone for a list");
  if (n > 3) return mw_wrong_usage("call", "unexpected argument %s; quote the request", argv[optind + 3]);
  o->request = n == 3 ? argv[optind + 2] : NULL;
  code = parse_target(o, argv[optind]);
  if (code == -1 && n >= 2) code = parse_method(o, argv[optind + 1]);
  return code == -1 ? check(o) : code;
}

void mw_call_options_fini(struct mw_call_options *o) { mw_arena_fini(&o->arena); }
