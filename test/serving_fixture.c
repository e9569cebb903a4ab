#include "serving_fixture.h"

struct script script;

const struct mw_status status_ok = {MW_CODE_OK, {NULL, 0}, {NULL, 0}};

void reply(struct mw_call *call, struct mw_slice bytes) {
  uint8_t *out = mw_call_reserve(call, bytes.len);
  assert_non_null(out);
  if (bytes.len > 0) memcpy(out, bytes.data, bytes.len);
  mw_call_send(call, MW_SEND_LAST);
  mw_call_finish(call, &status_ok);
}

static bool stream(struct mw_call *call, struct mw_slice bytes) {
  uint8_t *out = mw_call_reserve(call, bytes.len);
  assert_non_null(out);
  if (bytes.len > 0) memcpy(out, bytes.data, bytes.len);
  bool more = mw_call_send(call, script.plain && call->sent % 2 == 1 ? MW_SEND_PLAIN : 0);
  if (call->unsent > script.most_unsent) script.most_unsent = call->unsent;
  return more;
}

static void h_start(struct mw_call *call) {
  script.starts++;
  mw_call_read(call);
}

static void h_end(struct mw_call *call) { script.ends++; }
static void h_writable(struct mw_call *call) { script.writables++; }

static void h_cancelled(struct mw_call *call, struct mw_status status) {
  script.cancels++;
  script.cancel_code = status.code;
  snprintf(script.cancel_text, sizeof script.cancel_text, "%.*s", (int)status.message.len,
           (const char *)status.message.data);
  if (script.stay) return;
  if (script.waiting == call) script.waiting = NULL;
  mw_call_finish(call, &status);
}

static void echo_message(struct mw_call *call, struct mw_slice bytes) {
  script.messages++;
  script.encoding = call->request_encoding;
  if (script.compression) mw_call_set_compression(call, script.compression);
  reply(call, bytes);
}

static void wait_message(struct mw_call *call, struct mw_slice bytes) {
  script.messages++;
  script.waiting = call;
  if (script.headers_first) mw_call_send_headers(call);
}

/* Keys that start with "h-" go into the headers, others into the trailers. */
static void meta_message(struct mw_call *call, struct mw_slice bytes) {
  for (size_t i = 0; i < call->request.len; i++) {
    struct mw_metadata_entry *entry = &call->request.entries[i];
    if (mw_slice_eq_str(entry->key, "user-agent")) continue;
    struct mw_metadata *to = entry->key.data[0] == 'h' ? &call->headers : &call->trailers;
    assert_int_equal(mw_metadata_add(to, &call->arena, entry->key, entry->value), 0);
  }
  struct mw_status status = {MW_CODE_NOT_FOUND, mw_slice_str("gr\xc3\xbc\xc3\x9f dich, 100%\n"),
                             mw_slice("\x08\x05\x00\xff", 4)};
  mw_call_finish(call, &status);
}

static void down_more(struct mw_call *call) {
  static uint8_t filler[65536];
  while (script.down_sent < script.down) {
    if (script.asks && !mw_call_has_room(call, script.down_size)) return;
    script.down_sent++;
    memcpy(filler, &script.down_sent, sizeof script.down_sent);
    if (!stream(call, mw_slice(filler, script.down_size ? script.down_size : 4))) return;
  }
  mw_call_finish(call, &status_ok);
}

static void down_message(struct mw_call *call, struct mw_slice bytes) {
  if (script.compression) mw_call_set_compression(call, script.compression);
  down_more(call);
}

static void down_writable(struct mw_call *call) {
  script.writables++;
  down_more(call);
}

static void up_message(struct mw_call *call, struct mw_slice bytes) {
  script.messages++;
  mw_call_read(call);
}

static void up_end(struct mw_call *call) {
  char text[32];
  int len = snprintf(text, sizeof text, "%llu", (unsigned long long)call->received);
  reply(call, mw_slice(text, (size_t)len));
}

static void chat_message(struct mw_call *call, struct mw_slice bytes) {
  script.messages++;
  stream(call, bytes);
  mw_call_read(call);
}

static void chat_end(struct mw_call *call) { mw_call_finish(call, &status_ok); }

static void open_start(struct mw_call *call) {
  script.starts++;
  script.waiting = call;
}

static const struct mw_handler echo = {h_start, echo_message, h_end, h_writable, h_cancelled, NULL};
static const struct mw_handler once = {NULL, NULL, h_end, h_writable, h_cancelled, echo_message};
static const struct mw_handler waiter = {h_start, wait_message, h_end, h_writable, h_cancelled, NULL};
static const struct mw_handler meta = {h_start, meta_message, h_end, h_writable, h_cancelled, NULL};
static const struct mw_handler down = {h_start, down_message, h_end, down_writable, h_cancelled, NULL};
static const struct mw_handler up = {h_start, up_message, up_end, h_writable, h_cancelled, NULL};
static const struct mw_handler chat = {h_start, chat_message, chat_end, h_writable, h_cancelled, NULL};
static const struct mw_handler opener = {open_start, up_message, up_end, h_writable, h_cancelled, NULL};

static const struct mw_service_type service = {.full_name = "t.T"};

static const struct {
  struct mw_method_type method;
  const struct mw_handler *handler;
} methods[] = {
    {{.name = "Echo", .path = "/t.T/Echo", .service = &service}, &echo},
    {{.name = "Once", .path = "/t.T/Once", .service = &service}, &once},
    {{.name = "Wait", .path = "/t.T/Wait", .service = &service}, &waiter},
    {{.name = "Meta", .path = "/t.T/Meta", .service = &service}, &meta},
    {{.name = "Down", .path = "/t.T/Down", .service = &service, .server_streaming = true}, &down},
    {{.name = "Up", .path = "/t.T/Up", .service = &service, .client_streaming = true}, &up},
    {{.name = "Chat", .path = "/t.T/Chat", .service = &service, .client_streaming = true, .server_streaming = true},
     &chat},
    {{.name = "Open", .path = "/t.T/Open", .service = &service, .client_streaming = true}, &opener},
};

unsigned free_port(void) {
  uv_loop_t loop;
  uv_tcp_t tcp;
  struct sockaddr_in address;
  int len = sizeof address;
  uv_loop_init(&loop);
  uv_tcp_init(&loop, &tcp);
  uv_ip4_addr("127.0.0.1", 0, &address);
  uv_tcp_bind(&tcp, (const struct sockaddr *)&address, 0);
  uv_tcp_getsockname(&tcp, (struct sockaddr *)&address, &len);
  uv_close((uv_handle_t *)&tcp, NULL);
  uv_run(&loop, UV_RUN_DEFAULT);
  uv_loop_close(&loop);
  return ntohs(address.sin_port);
}

void add_methods(struct mw_router *router) {
  for (size_t i = 0; i < sizeof methods / sizeof *methods; i++) {
    assert_int_equal(mw_router_add(router, &methods[i].method, methods[i].handler, NULL), 0);
  }
}
