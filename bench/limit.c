/* The upper limit of the race: race.Race (service/proto/race.proto) by nghttp2 on libuv alone. It has no protobuf, no
 * script, and none of the checks that gRPC requires; unary and bidirectional calls echo bytes. A turn of the loop reads
 * the available bytes and answers with one write for each connection.
 *
 * usage: limit HOST:PORT   prints "listening on HOST:PORT" when it is ready; port 0 takes a free one */
#include <stdio.h>
#include <stdlib.h>

#include "bench/h2.h"

enum method { ECHOES, LISTS, UPLOADS };

struct stream {
  struct stream *next_free;
  enum method method;
  struct mw_buf body; /* the response; unsent from `sent` on */
  size_t sent;
  bool ended;             /* the body is complete */
  bool deferred;          /* nghttp2 waits for more of the body */
  uint32_t number, count; /* LISTS: next item, number of items */
  struct mw_buf request;  /* LISTS */
  struct mw_slice text;   /* LISTS: a field in `request` that goes into each item */
  uint8_t prefix[5];      /* UPLOADS: of the message that is arriving */
  size_t have, skip;
  uint64_t bytes; /* UPLOADS: sum of the data */
};

static struct h2_loop loop;
static struct stream *free_streams;
static nghttp2_session_callbacks *callbacks;
static nghttp2_option *options;

#define HEADER(name, value)                                               \
  {                                                                       \
    (uint8_t *)name, (uint8_t *)value, sizeof name - 1, sizeof value - 1, \
        NGHTTP2_NV_FLAG_NO_COPY_NAME | NGHTTP2_NV_FLAG_NO_COPY_VALUE      \
  }

static const nghttp2_nv headers[] = {HEADER(":status", "200"), HEADER("content-type", "application/grpc")};
static const nghttp2_nv trailers[] = {HEADER("grpc-status", "0")};

static void put(struct mw_buf *buf, const void *data, size_t len) {
  if (mw_buf_append(buf, data, len) != 0) abort();
}

static size_t put_varint(uint8_t *out, uint64_t n) {
  size_t len = 0;
  for (; n >= 0x80; n >>= 7) out[len++] = (uint8_t)(n | 0x80);
  out[len++] = (uint8_t)n;
  return len;
}

static size_t get_varint(const uint8_t *data, uint32_t *n) {
  size_t len = 0;
  *n = 0;
  do *n |= (uint32_t)(data[len] & 0x7f) << 7 * len;
  while (data[len++] & 0x80);
  return len;
}

/* Appends a message: a varint as field 1, then the bytes of `tail`. */
static void put_message(struct mw_buf *body, uint64_t n, struct mw_slice tail) {
  uint8_t bytes[5 + 1 + 10] = {0};
  bytes[5] = 1 << 3;
  size_t len = 1 + put_varint(bytes + 6, n) + tail.len;
  for (size_t i = 0; i < 4; i++) bytes[4 - i] = (uint8_t)(len >> 8 * i);
  put(body, bytes, 5 + len - tail.len);
  put(body, tail.data, tail.len);
}

/* Begins a list: the request's text goes into each item with its tag and length. */
static void begin_list(struct stream *stream) {
  const uint8_t *data = stream->request.data + 6;
  data += get_varint(data, &stream->count);
  stream->text = mw_slice(data, stream->request.len - (size_t)(data - stream->request.data));
  stream->number = 1;
}

static void fill_list(struct stream *stream, size_t length) {
  while (stream->body.len < length && stream->number <= stream->count) {
    put_message(&stream->body, stream->number++, stream->text);
  }
  stream->ended = stream->number > stream->count;
}

/* Adds up the data of Chunks: the bytes of each message without tag and length. */
static void count_upload(struct stream *stream, const uint8_t *data, size_t len) {
  while (len > 0) {
    if (stream->skip > 0) {
      size_t step = len < stream->skip ? len : stream->skip;
      stream->skip -= step;
      data += step;
      len -= step;
      continue;
    }
    stream->prefix[stream->have++] = *data++;
    len--;
    if (stream->have < sizeof stream->prefix) continue;
    stream->have = 0;
    stream->skip = (size_t)stream->prefix[2] << 16 | (size_t)stream->prefix[3] << 8 | stream->prefix[4];
    size_t around = 2;
    while (stream->skip - around >= (size_t)1 << 7 * (around - 1)) around++;
    stream->bytes += stream->skip - around;
  }
}

static ssize_t on_body(nghttp2_session *session, int32_t id, uint8_t *buf, size_t length, uint32_t *flags,
                       nghttp2_data_source *source, void *arg) {
  struct stream *stream = source->ptr;
  if (stream->method == LISTS && stream->body.len == 0 && stream->count > 0) fill_list(stream, length);
  size_t left = stream->body.len - stream->sent;
  if (left == 0 && !stream->ended) {
    stream->deferred = true;
    return NGHTTP2_ERR_DEFERRED;
  }
  *flags |= NGHTTP2_DATA_FLAG_NO_COPY;
  if (left > length) return (ssize_t)length;
  if (stream->ended) {
    *flags |= NGHTTP2_DATA_FLAG_EOF | NGHTTP2_DATA_FLAG_NO_END_STREAM;
    if (nghttp2_submit_trailer(session, id, trailers, 1) != 0) abort();
  }
  return (ssize_t)left;
}

static int on_send_data(nghttp2_session *session, nghttp2_frame *frame, const uint8_t *header, size_t length,
                        nghttp2_data_source *source, void *arg) {
  struct h2_conn *conn = arg;
  struct stream *stream = source->ptr;
  if (h2_full(conn)) return NGHTTP2_ERR_WOULDBLOCK;
  h2_put(conn, header, 9);
  h2_put(conn, stream->body.data + stream->sent, length);
  stream->sent += length;
  if (stream->sent == stream->body.len) stream->sent = stream->body.len = 0;
  return 0;
}

static void resume(nghttp2_session *session, int32_t id, struct stream *stream) {
  if (!stream->deferred) return;
  stream->deferred = false;
  if (nghttp2_session_resume_data(session, id) != 0) abort();
}

static int on_begin(nghttp2_session *session, const nghttp2_frame *frame, void *arg) {
  struct stream *stream = free_streams;
  if (stream) {
    free_streams = stream->next_free;
  } else if (!(stream = calloc(1, sizeof *stream))) {
    abort();
  }
  return nghttp2_session_set_stream_user_data(session, frame->hd.stream_id, stream);
}

static int on_header(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name, size_t name_len,
                     const uint8_t *value, size_t value_len, uint8_t flags, void *arg) {
  struct stream *stream = nghttp2_session_get_stream_user_data(session, frame->hd.stream_id);
  if (name_len != 5 || memcmp(name, ":path", 5) != 0) return 0;
  struct mw_slice path = mw_slice(value, value_len);
  if (mw_slice_eq_str(path, "/race.Race/List")) stream->method = LISTS;
  if (mw_slice_eq_str(path, "/race.Race/Upload")) stream->method = UPLOADS;
  return 0;
}

static int on_data(nghttp2_session *session, uint8_t flags, int32_t id, const uint8_t *data, size_t len, void *arg) {
  struct stream *stream = nghttp2_session_get_stream_user_data(session, id);
  if (!stream) return 0;
  if (stream->method == UPLOADS) {
    count_upload(stream, data, len);
  } else if (stream->method == LISTS) {
    put(&stream->request, data, len);
  } else {
    put(&stream->body, data, len);
    resume(session, id, stream);
  }
  return 0;
}

static int on_frame(nghttp2_session *session, const nghttp2_frame *frame, void *arg) {
  int32_t id = frame->hd.stream_id;
  struct stream *stream = id > 0 ? nghttp2_session_get_stream_user_data(session, id) : NULL;
  if (!stream) return 0;
  if (frame->hd.type == NGHTTP2_HEADERS) {
    nghttp2_data_provider body = {.source.ptr = stream, .read_callback = on_body};
    if (nghttp2_submit_response(session, id, headers, 2, &body) != 0) abort();
  }
  if (!(frame->hd.flags & NGHTTP2_FLAG_END_STREAM)) return 0;
  if (stream->method == LISTS) {
    begin_list(stream);
  } else {
    if (stream->method == UPLOADS) put_message(&stream->body, stream->bytes, mw_slice(NULL, 0));
    stream->ended = true;
  }
  resume(session, id, stream);
  return 0;
}

static int on_stream_close(nghttp2_session *session, int32_t id, uint32_t error, void *arg) {
  struct stream *stream = nghttp2_session_get_stream_user_data(session, id);
  if (!stream) return 0;
  struct mw_buf body = stream->body, request = stream->request;
  body.len = request.len = 0;
  *stream = (struct stream){.next_free = free_streams, .body = body, .request = request};
  free_streams = stream;
  return 0;
}

static void on_close(struct h2_conn *conn) { free(conn); }

static void on_connection(uv_stream_t *listener, int status) {
  nghttp2_session *session;
  struct h2_conn *conn = calloc(1, sizeof *conn);
  if (!conn || nghttp2_session_server_new2(&session, callbacks, conn, options) != 0) abort();
  h2_init(&loop, conn);
  conn->on_close = on_close;
  h2_check(uv_accept(listener, (uv_stream_t *)&conn->tcp), "accept");
  h2_start(conn, session);
}

static void make_callbacks(void) {
  callbacks = h2_callbacks();
  nghttp2_session_callbacks_set_send_data_callback(callbacks, on_send_data);
  nghttp2_session_callbacks_set_on_begin_headers_callback(callbacks, on_begin);
  nghttp2_session_callbacks_set_on_header_callback(callbacks, on_header);
  nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_data);
  nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, on_frame);
  nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_stream_close);
  if (nghttp2_option_new(&options) != 0) abort();
  nghttp2_option_set_no_http_messaging(options, 1);
}

int main(int argc, char **argv) {
  struct sockaddr_storage bound;
  struct sockaddr_in at;
  uv_tcp_t listener;
  char host[64] = "";
  int port, len = sizeof bound;
  if (argc != 2 || sscanf(argv[1], "%63[0-9.]:%d", host, &port) != 2) {
    fprintf(stderr, "usage: limit HOST:PORT\n");
    return 2;
  }
  make_callbacks();
  h2_loop_init(&loop);
  h2_check(uv_ip4_addr(host, port, &at), argv[1]);
  h2_check(uv_tcp_init(&loop.uv, &listener), "socket");
  h2_check(uv_tcp_bind(&listener, (const struct sockaddr *)&at, 0), argv[1]);
  h2_check(uv_listen((uv_stream_t *)&listener, 1024, on_connection), argv[1]);
  h2_check(uv_tcp_getsockname(&listener, (struct sockaddr *)&bound, &len), argv[1]);
  printf("listening on %s:%d\n", host, ntohs(((struct sockaddr_in *)(void *)&bound)->sin_port));
  fflush(stdout);
  return uv_run(&loop.uv, UV_RUN_DEFAULT);
}
