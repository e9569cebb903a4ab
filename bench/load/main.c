/* usage: load HOST:PORT PATH [OPTION]...
 *
 *   --request FILE       message to send, without gRPC's prefix (empty)
 *   --request-frames FILE   in its place: several messages, each with its prefix, which count as one
 *   --reply FILE         expected reply message
 *   --reply-bytes N      in place of --reply: expected bytes of all replies of a call, prefixes included
 *   --unchecked          in place of either: accept any reply
 *   --sends N, --receives N   messages of a call, sent and received (1)
 *   --window N           send each message after the reply to the Nth before it
 *   --cancel             reset each call when it has received its messages, or at the end of the measurement
 *   --publish PATH, --publish-request FILE   one more call, of another method, which sends this message for all calls
 *                        to receive; with --window N, after all have received the Nth before it
 *   --connections N, --streams N   connections, and calls at a time on each (1)
 *   --rate N             begin N calls per second, instead of one as another ends
 *   --warm S, --seconds S     warm-up, which does not count, and measurement (0.5, 2)
 *   --server-pid PID     process whose CPU time is measured
 *   --hold               make one call on each connection, then keep them open and idle until stdin ends
 *
 * Makes gRPC calls, checks every reply and prints one line of JSON. Latency is of a call, from the time at which it is
 * due to its status; with a window, of a message's round trip. Exit status: 0; 1 if a call failed; 2 for wrong
 * usage. */
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#include "bench/load/load.h"

struct load load;

enum { MESSAGE_LIMIT = 64 << 20 };

static void stop(const char *what, const char *why) {
  fprintf(stderr, "load: %s: %s\n", what, why);
  exit(2);
}

/* Reads a file as a message, and adds the prefix. */
static void read_message(struct mw_buf *buf, const char *path) {
  struct mw_err err = MW_ERR_INIT;
  mw_buf_clear(buf);
  if (mw_buf_append(buf, "\0\0\0\0", 5) != 0) abort();
  if (path && mw_buf_read_file(buf, path, MESSAGE_LIMIT, &err) != 0) stop(path, mw_err_text(&err));
  size_t len = buf->len - 5;
  for (size_t i = 0; i < 4; i++) buf->data[4 - i] = (uint8_t)(len >> 8 * i);
}

static void read_frames(struct mw_buf *buf, const char *path) {
  struct mw_err err = MW_ERR_INIT;
  mw_buf_clear(buf);
  if (mw_buf_read_file(buf, path, MESSAGE_LIMIT, &err) != 0) stop(path, mw_err_text(&err));
}

static double number(const char *option, const char *text) {
  char *end;
  double value = strtod(text, &end);
  if (*text == '\0' || *end != '\0' || !(value >= 0 && value <= 1e12)) stop(option, "expected a number");
  return value;
}

enum {
  REQUEST = 256,
  REQUEST_FRAMES,
  REPLY,
  REPLY_BYTES,
  UNCHECKED,
  SENDS,
  RECEIVES,
  WINDOW,
  CANCEL,
  PUBLISH,
  PUBLISH_REQUEST,
  CONNECTIONS,
  STREAMS,
  RATE,
  WARM,
  SECONDS,
  PID,
  HOLD
};

static const struct option options[] = {
    {"request", required_argument, NULL, REQUEST},
    {"request-frames", required_argument, NULL, REQUEST_FRAMES},
    {"reply", required_argument, NULL, REPLY},
    {"reply-bytes", required_argument, NULL, REPLY_BYTES},
    {"unchecked", no_argument, NULL, UNCHECKED},
    {"sends", required_argument, NULL, SENDS},
    {"receives", required_argument, NULL, RECEIVES},
    {"window", required_argument, NULL, WINDOW},
    {"cancel", no_argument, NULL, CANCEL},
    {"publish", required_argument, NULL, PUBLISH},
    {"publish-request", required_argument, NULL, PUBLISH_REQUEST},
    {"connections", required_argument, NULL, CONNECTIONS},
    {"streams", required_argument, NULL, STREAMS},
    {"rate", required_argument, NULL, RATE},
    {"warm", required_argument, NULL, WARM},
    {"seconds", required_argument, NULL, SECONDS},
    {"server-pid", required_argument, NULL, PID},
    {"hold", no_argument, NULL, HOLD},
    {NULL, 0, NULL, 0},
};

static void set_option(struct load_plan *plan, int option, const char *name, const char *value) {
  switch (option) {
    case REQUEST: read_message(&plan->request, value); break;
    case REQUEST_FRAMES: read_frames(&plan->request, value); break;
    case REPLY: read_message(&plan->reply, value); break;
    case REPLY_BYTES: plan->reply_bytes = (uint64_t)number(name, value); break;
    case UNCHECKED: plan->unchecked = true; break;
    case SENDS: plan->sends = (uint64_t)number(name, value); break;
    case RECEIVES: plan->receives = (uint64_t)number(name, value); break;
    case WINDOW: plan->window = (uint64_t)number(name, value); break;
    case CANCEL: plan->cancel = true; break;
    case PUBLISH: plan->publish_path = value; break;
    case PUBLISH_REQUEST: read_message(&plan->publish, value); break;
    case CONNECTIONS: plan->connections = (int)number(name, value); break;
    case STREAMS: plan->streams = (int)number(name, value); break;
    case RATE: plan->rate = number(name, value); break;
    case WARM: plan->warm = number(name, value); break;
    case SECONDS: plan->seconds = number(name, value); break;
    case PID: plan->server_pid = (int)number(name, value); break;
    case HOLD: plan->hold = true; break;
    default: exit(2);
  }
}

int main(int argc, char **argv) {
  struct load_plan *plan = &load.plan;
  int option, which;
  *plan = (struct load_plan){.sends = 1, .receives = 1, .connections = 1, .streams = 1, .warm = 0.5, .seconds = 2};
  read_message(&plan->request, NULL);
  while ((option = getopt_long(argc, argv, "", options, &which)) != -1) {
    set_option(plan, option, option >= REQUEST ? options[which].name : "", optarg);
  }
  if (plan->publish_path && (plan->publish.len == 0 || !plan->cancel))
    stop("usage", "--publish needs --publish-request and --cancel");
  if (argc - optind != 2) stop("usage", "load HOST:PORT PATH [OPTION]...");
  plan->address = argv[optind];
  plan->path = argv[optind + 1];
  if (plan->reply.len > 0) plan->reply_bytes = plan->reply.len * plan->receives;
  signal(SIGPIPE, SIG_IGN);
  return load_run();
}
