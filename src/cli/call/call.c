/* moonwire call: a client for every call type, with JSON input and output.
 *
 * The input is pumped: a value is read and sent, and the next one is requested only when the call has room for it. A
 * method that takes one message is called after the end of the input, so that a second message is detected before
 * anything is sent. Each reply is requested after the previous one has been printed. */
#include <stdio.h>
#include <stdlib.h>

#include "cli/base/cli.h"
#include "cli/base/escape.h"
#include "cli/call/call_input.h"
#include "cli/call/call_options.h"
#include "cli/call/call_print.h"
#include "cli/call/call_schema.h"
#include "cli/call/interrupt.h"
#include "engine/core/core.h"
#include "rpc/client_rpc.h"
#include "schema/json/json.h"

enum { METADATA_LIMIT = 64 * 1024, SCHEMA_LIMIT = MW_POOL_SET_MAX };

struct client {
  const struct mw_call_options *options;
  struct mw_call_schema schema;
  const struct mw_pool *pool; /* pool of the schema */
  const struct mw_method_type *method;
  struct mw_reflect reflect;
  int64_t reflected_ns; /* part of the deadline that loading the schema from the server took */
  struct mw_loop loop;
  struct mw_engine *engine;
  struct mw_client_channel *channel;
  struct mw_client_rpc *call; /* NULL before it starts */
  struct mw_call_input input;
  struct mw_arena arena;     /* holds the request under construction */
  ProtobufCMessage *request; /* request of a method that takes one message */
  size_t replies;
  bool may_send, half_closed, over;
  int exit_code;
};

/* ---- ending ---- */

/* Escapes the text, which may quote the server. */
static void print_problem(const char *words) {
  fputs("moonwire call: ", stderr);
  mw_escape_print(stderr, mw_slice_str(words));
  fputc('\n', stderr);
}

static void finish(struct client *c, int exit_code) {
  if (c->over) return;
  c->over = true;
  c->exit_code = exit_code;
  mw_call_input_close(&c->input);
  uv_stop(&c->loop.uv);
}

/* Reports a local failure and gives the call up. Takes the text of `err`. */
static void fail(struct client *c, struct mw_err *err) {
  print_problem(mw_err_text(err));
  mw_err_fini(err);
  finish(c, MW_EXIT_FAILED);
}

/* ---- events of the call ---- */

static void pump(struct client *c);

static void on_headers(void *user, const struct mw_metadata *headers) {
  const struct client *c = user;
  if (c->options->verbose) mw_call_print_metadata("<", headers);
}

static void on_message(void *user, struct mw_slice bytes) {
  struct client *c = user;
  struct mw_err err = MW_ERR_INIT;
  if (c->over) return;
  c->replies++;
  if (mw_call_print_reply(c->pool, c->method->output, bytes, c->options->indent, &err) != 0) {
    mw_err_wrap(&err, "reply %zu", c->replies);
    fail(c, &err);
  } else {
    mw_client_rpc_read(c->call);
  }
}

static void on_writable(void *user) {
  struct client *c = user;
  c->may_send = true;
  pump(c);
}

static void on_done(void *user, const struct mw_status *status, const struct mw_metadata *trailers) {
  struct client *c = user;
  struct mw_status shown = *status;
  if (c->over) return;
  if (shown.code == MW_CODE_OK && !c->method->server_streaming && c->replies != 1)
    shown = mw_status(MW_CODE_INTERNAL, "the server sent no reply and no error");
  if (c->options->verbose) {
    fputs("* trailers\n", stderr);
    mw_call_print_metadata("<", trailers);
    fprintf(stderr, "* status %s\n", mw_code_name(shown.code));
  }
  if (shown.code != MW_CODE_OK) mw_call_print_error(c->pool, &shown, c->options->indent);
  finish(c, (int)shown.code);
}

static const struct mw_client_events events = {
    .headers = on_headers, .message = on_message, .writable = on_writable, .done = on_done};

/* ---- requests ---- */

static int start_call(struct client *c, struct mw_err *err) {
  const struct mw_call_options *o = c->options;
  int64_t deadline = mw_time_add(mw_clock_mono() - c->reflected_ns, o->timeout_ns);
  const struct mw_client_request request = {.path = mw_slice_str(c->method->path),
                                            .metadata = &o->metadata,
                                            .deadline = deadline,
                                            .single = !c->method->client_streaming,
                                            .wait_for_ready = o->wait,
                                            .compression = o->compression};
  if (o->verbose) {
    fprintf(stderr, "* %s at %s\n", c->method->path, o->channel.target);
    mw_call_print_metadata(">", &o->metadata);
  }
  int rc = mw_client_rpc_start(c->channel, &request, &events, c, &c->call, err);
  if (rc != 0) return rc;
  c->may_send = true;
  mw_client_rpc_read(c->call);
  return 0;
}

/* Parses a value into a message in the arena. */
static int read_value(struct client *c, const struct mw_call_value *value, ProtobufCMessage **out, struct mw_err *err) {
  const struct mw_json_options options = {.line = value->line, .column = value->column};
  int rc = mw_json_read(value->text, c->pool, c->method->input, &options, &c->arena, out, err);
  if (rc != 0) mw_err_wrap(err, "%s", c->input.name);
  return rc;
}

static int send_message(struct client *c, const ProtobufCMessage *message, struct mw_err *err) {
  uint8_t *bytes = mw_client_rpc_reserve(c->call, mw_message_size(message));
  if (!bytes) return mw_err_set(err, MW_ENOMEM, "out of memory");
  mw_message_pack(message, bytes);
  c->may_send = mw_client_rpc_send(c->call);
  return 0;
}

static int take_value(struct client *c, const struct mw_call_value *value, struct mw_err *err) {
  ProtobufCMessage *message;
  if (c->request) {
    return mw_err_set(err, MW_EFORMAT, "%s: %u:%u: a second message, but %s takes only one", c->input.name, value->line,
                      value->column, c->method->path + 1);
  }
  int rc = read_value(c, value, &message, err);
  if (rc != 0) return rc;
  if (!c->method->client_streaming) {
    c->request = message;
    return 0;
  }
  rc = send_message(c, message, err);
  mw_arena_reset(&c->arena);
  return rc;
}

static int end_of_input(struct client *c, struct mw_err *err) {
  int rc = 0;
  if (!c->method->client_streaming) {
    if (!c->request)
      return mw_err_set(err, MW_EFORMAT, "%s: no message; %s takes one", c->input.name, c->method->path + 1);
    rc = start_call(c, err);
    if (rc == 0) rc = send_message(c, c->request, err);
  }
  if (rc == 0) mw_client_rpc_half_close(c->call);
  c->half_closed = true;
  return rc;
}

/* Moves values from the input to the call until one of them has to wait. */
static void pump(struct client *c) {
  while (!c->over && !c->half_closed && (c->may_send || !c->call)) {
    struct mw_call_value value;
    struct mw_err err = MW_ERR_INIT;
    int rc = mw_call_input_next(&c->input, &value, &err);
    if (rc == MW_EBUSY) {
      mw_call_input_more(&c->input);
      return;
    }
    rc = rc == MW_ECLOSED ? end_of_input(c, &err) : rc == 0 ? take_value(c, &value, &err) : rc;
    if (rc != 0) fail(c, &err);
  }
}

static void on_input(void *arg) { pump(arg); }

/* ---- running ---- */

static void on_interrupt(void *arg) {
  struct client *c = arg;
  mw_reflect_cancel(&c->reflect);
  if (c->call && !c->over) {
    mw_client_rpc_cancel(c->call);
  } else {
    finish(c, MW_CODE_CANCELLED);
  }
}

/* ---- the schema ---- */

/* Prints the status with which reflection has ended, and exits with its code. */
static void finish_unreflected(struct client *c) {
  struct mw_status status = {c->reflect.code, mw_buf_slice(&c->reflect.message), {NULL, 0}};
  if (status.code == MW_CODE_OK)
    status = mw_status(MW_CODE_INTERNAL, "the server ended the reflection stream without an answer");
  mw_call_print_error(c->reflect.base, &status, c->options->indent);
  finish(c, (int)status.code);
}

/* Opens a channel of its own, whose messages may be as large as a schema. */
static int load_schema(struct client *c, struct mw_err *err) {
  const struct mw_call_options *o = c->options;
  const int64_t began = mw_clock_mono();
  const struct mw_client_request like = {
      .metadata = &o->metadata, .deadline = mw_time_add(began, o->timeout_ns), .wait_for_ready = o->wait};
  struct mw_channel_config config = o->channel;
  config.max_receive_bytes = SCHEMA_LIMIT;
  struct mw_client_channel *channel;
  int rc = mw_client_channel_open(c->engine, &c->loop, &config, &channel, err);
  if (rc != 0) return rc;
  rc = mw_reflect_init(&c->reflect, &c->loop, channel, &like, err);
  if (rc == 0) rc = mw_call_schema_load(&c->schema, o, &c->reflect, err);
  if (rc == MW_ECLOSED) {
    finish_unreflected(c);
    rc = 0;
  }
  mw_reflect_fini(&c->reflect);
  mw_client_channel_close(channel);
  c->pool = c->schema.pool;
  if (mw_call_schema_reflected(&c->schema)) c->reflected_ns = mw_clock_mono() - began;
  return rc;
}

/* Finds the method of a call; otherwise prints the list or the definition. */
static int find_or_print(struct client *c, struct mw_err *err) {
  const struct mw_call_options *o = c->options;
  if (o->method && !o->describe) return mw_call_schema_method(&c->schema, o->method, &c->method, err);
  int rc = o->describe ? mw_call_schema_describe(&c->schema, o->method, err) : mw_call_schema_list(&c->schema, err);
  if (rc == 0) finish(c, MW_EXIT_OK);
  return rc;
}

/* ---- running the call ---- */

/* Makes the call once everything is open. */
static int run_call(struct client *c, struct mw_err *err) {
  int rc = c->method->client_streaming ? start_call(c, err) : 0;
  if (rc != 0) return rc;
  pump(c);
  mw_interrupt_run_loop(&c->loop, UV_RUN_DEFAULT);
  return 0;
}

static int make_call(struct client *c, struct mw_err *err) {
  const char *source = c->options->request ? c->options->request : c->method->client_streaming ? "-" : "{}";
  int rc = mw_client_channel_open(c->engine, &c->loop, &c->options->channel, &c->channel, err);
  if (rc != 0) return rc;
  rc = mw_call_input_open(&c->input, &c->loop, source, on_input, c, err);
  if (rc == 0) rc = run_call(c, err);
  mw_call_input_close(&c->input);
  if (c->call) mw_client_rpc_release(c->call);
  mw_client_channel_close(c->channel);
  return rc;
}

static int run_on_engine(struct client *c, struct mw_err *err) {
  int rc = mw_interrupt_open(&c->loop, on_interrupt, c, MW_CODE_CANCELLED, err);
  if (rc == 0) rc = load_schema(c, err);
  if (rc == 0 && !c->over) rc = find_or_print(c, err);
  return rc == 0 && !c->over ? make_call(c, err) : rc;
}

static int run(struct client *c, struct mw_err *err) {
  int rc = mw_loop_init(&c->loop, err);
  if (rc != 0) return rc;
  const struct mw_engine_config config = {.loop = &c->loop,
                                          .max_receive_bytes = c->options->channel.max_receive_bytes,
                                          .max_metadata_bytes = METADATA_LIMIT};
  mw_arena_init(&c->arena, SIZE_MAX);
  rc = mw_engine_core.open(&config, &c->engine, err);
  if (rc == 0) {
    rc = run_on_engine(c, err);
    c->engine->ops->close(c->engine);
  }
  mw_loop_fini(&c->loop);
  mw_call_input_fini(&c->input);
  mw_arena_fini(&c->arena);
  return rc;
}

/* Returns the exit code. */
static int call(const struct mw_call_options *options) {
  struct mw_err err = MW_ERR_INIT;
  struct client *c = calloc(1, sizeof *c);
  int rc = MW_ENOMEM, code = MW_EXIT_FAILED;
  if (c) {
    c->options = options;
    c->input.fd = c->input.flags = -1;
    rc = run(c, &err);
    code = c->exit_code;
    mw_call_schema_fini(&c->schema);
  }
  if (rc != 0) {
    print_problem(err.text ? err.text : mw_err_name(rc));
    code = MW_EXIT_FAILED;
  }
  free(c);
  mw_err_fini(&err);
  return code;
}

int mw_cli_call(int argc, char **argv) {
  struct mw_call_options options;
  int code = mw_call_options_parse(&options, argc, argv);
  if (code == -1) code = call(&options);
  mw_call_options_fini(&options);
  return code;
}
