#include "http_fixture.h"

/* ---- the server ---- */

void server_open(struct server *server, const struct mw_engine_config *with) {
  memset(&script, 0, sizeof script);
  *server = (struct server){.metrics = mw_metrics_new()};
  FILE *file = tmpfile();
  server->log = dup(fileno(file));
  fclose(file);
  server->stderr_saved = dup(STDERR_FILENO);
  dup2(server->log, STDERR_FILENO);
  mw_log_set_level(MW_LOG_WARN);
  assert_int_equal(mw_loop_init(&server->loop, NULL), 0);
  uv_timer_init(&server->loop.uv, &server->guard);
  mw_dispatch_init(&server->dispatch, "http", 0);
  mw_router_init(&server->router, 1);
  add_methods(&server->router);
  server->dispatch.router = &server->router;
  server->dispatch.metrics = server->metrics;
  struct mw_engine_config config = with ? *with : (struct mw_engine_config){0};
  config.loop = &server->loop;
  config.dispatch = &server->dispatch;
  struct mw_err err = MW_ERR_INIT;
  if (mw_engine_http.open(&config, &server->engine, &err) != 0) fail_msg("%s", mw_err_text(&err));
  server->port = free_port();
  char address[32];
  snprintf(address, sizeof address, "127.0.0.1:%u", server->port);
  if (server->engine->ops->listen(server->engine, address, &err) != 0) fail_msg("%s", mw_err_text(&err));
}

void server_close(struct server *server) {
  server->engine->ops->close(server->engine);
  uv_close((uv_handle_t *)&server->guard, NULL);
  mw_loop_fini(&server->loop);
  mw_dispatch_fini(&server->dispatch);
  mw_router_fini(&server->router);
  mw_metrics_free(server->metrics);
  dup2(server->stderr_saved, STDERR_FILENO);
  close(server->stderr_saved);
  close(server->log);
}

unsigned logged(const struct server *server, const char *text) {
  static char all[TEXT_MAX];
  ssize_t n = pread(server->log, all, sizeof all - 1, 0);
  unsigned count = 0;
  all[n < 0 ? 0 : n] = '\0';
  for (const char *at = all; (at = strstr(at, text)); at += strlen(text)) count++;
  return count;
}

static void on_guard(uv_timer_t *guard) {}

void turn(struct server *server) {
  uv_timer_start(&server->guard, on_guard, 20, 0);
  uv_run(&server->loop.uv, UV_RUN_ONCE);
}

/* ---- a client ---- */

struct got *got_of(struct client *client, int32_t stream) {
  assert_in_range(stream, 1, STREAMS);
  return &client->streams[stream / 2];
}

/* ---- writing ---- */

void client_write(struct client *client, const void *bytes, size_t len) {
  const char *at = bytes;
  int64_t until = mw_clock_mono() + WAIT_MS * (int64_t)MW_NS_PER_MS;
  while (len > 0) {
    ssize_t n = send(client->fd, at, len, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (n < 0 && errno != EAGAIN) return;
    if (n > 0) at += n, len -= (size_t)n;
    if (mw_clock_mono() > until) fail_msg("the server takes no more");
    if (len > 0) turn(client->server);
  }
}

static void write_head(uint8_t head[9], size_t len, uint8_t type, uint8_t flags, int32_t stream) {
  const uint8_t bytes[9] = {
      (uint8_t)(len >> 16),    (uint8_t)(len >> 8),     (uint8_t)len,           type,           flags,
      (uint8_t)(stream >> 24), (uint8_t)(stream >> 16), (uint8_t)(stream >> 8), (uint8_t)stream};
  memcpy(head, bytes, sizeof bytes);
}

void client_frame(struct client *client, uint8_t type, uint8_t flags, int32_t stream, const void *payload, size_t len) {
  static uint8_t frame[9 + 65536];
  assert_true(len <= 65536);
  write_head(frame, len, type, flags, stream);
  if (len > 0) memcpy(frame + 9, payload, len);
  client_write(client, frame, 9 + len);
}

size_t client_block(struct client *client, const char *path, size_t more, uint8_t *out, size_t size) {
  static char filler[65536];
  memset(filler, '~', sizeof filler); /* long in the Huffman code, so nghttp2 sends it plain */
#define NV(NAME, VALUE, LEN) \
  { (uint8_t *)NAME, (uint8_t *)(uintptr_t)VALUE, sizeof NAME - 1, LEN, NGHTTP2_NV_FLAG_NO_INDEX }
  const nghttp2_nv nv[] = {NV(":method", "POST", 4),        NV(":scheme", "http", 4),
                           NV(":path", path, strlen(path)), NV(":authority", "test", 4),
                           NV("te", "trailers", 8),         NV("content-type", "application/grpc", 16),
                           NV("filler", filler, more)};
#undef NV
  ssize_t n = nghttp2_hd_deflate_hd(client->deflater, out, size, nv, more > 0 ? 7 : 6);
  assert_true(n > 0);
  return (size_t)n;
}

void client_headers(struct client *client, int32_t stream, const char *path, uint8_t flags) {
  uint8_t block[4096];
  size_t len = client_block(client, path, 0, block, sizeof block);
  client_frame(client, NGHTTP2_HEADERS, (uint8_t)(flags | END_HEADERS), stream, block, len);
}

void client_message(struct client *client, int32_t stream, size_t len, uint8_t flags) {
  static uint8_t data[5 + 65536];
  memset(data, 'x', sizeof data);
  mw_http_write_prefix(data, len, false);
  client_frame(client, NGHTTP2_DATA, flags, stream, data, 5 + len);
}

void client_echo(struct client *client, int32_t stream) {
  client_headers(client, stream, "/t.T/Echo", 0);
  client_message(client, stream, 5, END_STREAM);
}

void client_number(struct client *client, uint8_t type, int32_t stream, uint32_t number) {
  const uint8_t payload[4] = {(uint8_t)(number >> 24), (uint8_t)(number >> 16), (uint8_t)(number >> 8),
                              (uint8_t)number};
  client_frame(client, type, 0, stream, payload, 4);
}

void client_ping(struct client *client) {
  unsigned acks = client->acks[NGHTTP2_PING];
  client_frame(client, NGHTTP2_PING, 0, 0, "01234567", 8);
  UNTIL(client->server, client->acks[NGHTTP2_PING] > acks);
}

void client_reset(struct client *client, int32_t stream) {
  client_number(client, NGHTTP2_RST_STREAM, stream, NGHTTP2_CANCEL);
}

void client_setting(struct client *client, uint8_t id, uint32_t value) {
  const uint8_t entry[6] = {
      0, id, (uint8_t)(value >> 24), (uint8_t)(value >> 16), (uint8_t)(value >> 8), (uint8_t)value};
  client_frame(client, NGHTTP2_SETTINGS, 0, 0, entry, sizeof entry);
}

/* ---- reading ---- */

static uint32_t number_at(const uint8_t *at) {
  return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

static void copy_field(char *out, size_t size, const nghttp2_nv *nv) {
  snprintf(out, size, "%.*s", (int)nv->valuelen, (const char *)nv->value);
}

static void take_block(struct client *client, struct got *got, const uint8_t *at, size_t len) {
  for (int flags = 0; !(flags & NGHTTP2_HD_INFLATE_FINAL);) {
    nghttp2_nv nv;
    ssize_t n = nghttp2_hd_inflate_hd2(client->inflater, &nv, &flags, at, len, 1);
    assert_true(n >= 0);
    at += n;
    len -= (size_t)n;
    if (!(flags & NGHTTP2_HD_INFLATE_EMIT)) continue;
    if (nv.namelen == 11 && memcmp(nv.name, "grpc-status", 11) == 0) got->status = atoi((const char *)nv.value);
    if (nv.namelen == 12 && memcmp(nv.name, "grpc-message", 12) == 0) copy_field(got->text, sizeof got->text, &nv);
    if (nv.namelen == 7 && memcmp(nv.name, ":status", 7) == 0) copy_field(got->http, sizeof got->http, &nv);
  }
  nghttp2_hd_inflate_end_headers(client->inflater);
  got->headers++;
}

static void take_data(struct got *got, const uint8_t *at, size_t len) {
  for (size_t i = 0; i < len && got->data + i < sizeof got->start; i++) got->start[got->data + i] = at[i];
  got->data += len;
  got->frames++;
}

static void take_stream_frame(struct client *client, uint8_t type, uint8_t flags, struct got *got, const uint8_t *at,
                              size_t len) {
  if (type == NGHTTP2_DATA) take_data(got, at, len);
  if (type == NGHTTP2_HEADERS) take_block(client, got, at, len);
  if (type == NGHTTP2_RST_STREAM) got->reset = (int)number_at(at);
  if (type == NGHTTP2_WINDOW_UPDATE) got->credit += number_at(at);
  if (type <= NGHTTP2_HEADERS && (flags & END_STREAM)) got->ended = true;
}

static void take_frame(struct client *client, uint8_t type, uint8_t flags, int32_t stream, const uint8_t *at,
                       size_t len) {
  bool ack = (type == NGHTTP2_SETTINGS || type == NGHTTP2_PING) && (flags & NGHTTP2_FLAG_ACK);
  assert_true(type < TYPES);
  if (ack) {
    client->acks[type]++;
    return;
  }
  client->frames[type]++;
  if (stream > 0) {
    take_stream_frame(client, type, flags, got_of(client, stream), at, len);
  } else if (type == NGHTTP2_GOAWAY) {
    client->last = (int32_t)number_at(at);
    client->goaway = (int)number_at(at + 4);
    snprintf(client->reason, sizeof client->reason, "%.*s", (int)(len - 8), (const char *)at + 8);
  } else if (type == NGHTTP2_WINDOW_UPDATE) {
    client->credit += number_at(at);
  } else if (type == NGHTTP2_SETTINGS) {
    for (size_t i = 0; i + 6 <= len; i += 6) client->settings[at[i + 1] & 7] = number_at(at + i + 2);
    if (!client->silent) client_frame(client, NGHTTP2_SETTINGS, NGHTTP2_FLAG_ACK, 0, NULL, 0);
  } else if (type == NGHTTP2_PING && !client->silent) {
    client_frame(client, NGHTTP2_PING, NGHTTP2_FLAG_ACK, 0, at, len);
  }
}

static void take_frames(struct client *client) {
  size_t at = 0;
  const uint8_t *data = client->in.data;
  while (client->in.len - at >= 9) {
    const uint8_t *head = data + at;
    size_t len = (size_t)head[0] << 16 | (size_t)head[1] << 8 | head[2];
    if (client->in.len - at < 9 + len) break;
    take_frame(client, head[3], head[4], (int32_t)(number_at(head + 5) & INT32_MAX), head + 9, len);
    at += 9 + len;
  }
  if (at > 0) memmove(client->in.data, data + at, client->in.len - at);
  client->in.len -= at;
}

static void on_readable(uv_poll_t *poll, int status, int events) {
  struct client *client = poll->data;
  static uint8_t bytes[65536];
  ssize_t n = recv(client->fd, bytes, sizeof bytes, MSG_DONTWAIT);
  if (n < 0 && errno == EAGAIN) return;
  if (n > 0) {
    assert_int_equal(mw_buf_append(&client->in, bytes, (size_t)n), 0);
    take_frames(client);
    return;
  }
  client->eof = true;
  client->reset = n < 0;
  uv_poll_stop(poll);
}

/* ---- life ---- */

void client_connect(struct client *client, struct server *server, bool deaf) {
  *client = (struct client){.server = server, .deaf = deaf, .goaway = -1, .in = MW_BUF_INIT};
  for (size_t i = 0; i < STREAMS / 2; i++) client->streams[i].reset = client->streams[i].status = -1;
  assert_int_equal(mw_buf_reserve(&client->in, 4096), 0);
  struct sockaddr_in at;
  uv_ip4_addr("127.0.0.1", (int)server->port, &at);
  client->fd = socket(AF_INET, SOCK_STREAM, 0);
  int small = 4096; /* fills up soon if the client is deaf */
  if (deaf) setsockopt(client->fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
  int at_once = 1;
  setsockopt(client->fd, IPPROTO_TCP, TCP_NODELAY, &at_once, sizeof at_once);
  assert_int_equal(connect(client->fd, (const struct sockaddr *)&at, sizeof at), 0);
  assert_int_equal(nghttp2_hd_deflate_new(&client->deflater, 4096), 0);
  assert_int_equal(nghttp2_hd_inflate_new(&client->inflater), 0);
  client->poll = malloc(sizeof *client->poll);
  uv_poll_init(&server->loop.uv, client->poll, client->fd);
  client->poll->data = client;
  if (!deaf) uv_poll_start(client->poll, UV_READABLE | UV_DISCONNECT, on_readable);
}

void client_listen(struct client *client) {
  client->deaf = false;
  uv_poll_start(client->poll, UV_READABLE | UV_DISCONNECT, on_readable);
}

void client_preface(struct client *client) {
  client_write(client, NGHTTP2_CLIENT_MAGIC, NGHTTP2_CLIENT_MAGIC_LEN);
  client_frame(client, NGHTTP2_SETTINGS, 0, 0, NULL, 0);
}

void client_open(struct client *client, struct server *server) {
  client_connect(client, server, false);
  client_preface(client);
  UNTIL(server, client->acks[NGHTTP2_SETTINGS] > 0);
}

static void on_poll_closed(uv_handle_t *handle) { free(handle); }

void client_close(struct client *client) {
  uv_close((uv_handle_t *)client->poll, on_poll_closed);
  turn(client->server);
  close(client->fd);
  nghttp2_hd_deflate_del(client->deflater);
  nghttp2_hd_inflate_del(client->inflater);
  mw_buf_fini(&client->in);
}
