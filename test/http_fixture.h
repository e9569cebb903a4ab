/* Engine http and raw clients in one thread and one loop. A client writes handmade frames, byte by byte, and records
 * the frames that it receives. */
#ifndef MW_TEST_HTTP_FIXTURE_H
#define MW_TEST_HTTP_FIXTURE_H

#include "serving_fixture.h"
#include "until.h"

#include <netinet/tcp.h>
#include <nghttp2/nghttp2.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "engine/http/conn/engine.h"
#include "engine/http/http.h"
#include "engine/http/h2/reader.h"

enum { STREAMS = 1024, TYPES = 16, TEXT_MAX = 1 << 16 };
enum { END_STREAM = NGHTTP2_FLAG_END_STREAM, END_HEADERS = NGHTTP2_FLAG_END_HEADERS, PADDED = NGHTTP2_FLAG_PADDED };

/* ---- the server ---- */

struct server {
  struct mw_loop loop;
  struct mw_dispatch dispatch;
  struct mw_router router;
  struct mw_metrics *metrics;
  struct mw_engine *engine;
  unsigned port;
  int log, stderr_saved; /* stderr is redirected to `log` */
  uv_timer_t guard;      /* keeps the loop turning */
};

/* Opens the engine and its listener on a free port, with stderr in `log`. `with` has the settings, NULL for none. */
void server_open(struct server *server, const struct mw_engine_config *with);
void server_close(struct server *server);

/* Counts `text` in the log so far. */
unsigned logged(const struct server *server, const char *text);

/* Turns the loop once, for 20 ms at most. */
void turn(struct server *server);

/* Turns the loop until `condition` holds. */
#define UNTIL(server, condition) TURN_UNTIL(turn(server), condition)

/* ---- a client ---- */

struct got {
  unsigned headers;    /* header blocks */
  size_t data, frames; /* bytes and frames of DATA */
  uint8_t start[64];   /* of the data */
  bool ended;
  int reset;      /* error code; -1: none */
  int status;     /* grpc-status; -1: none */
  char http[4];   /* :status */
  char text[128]; /* grpc-message */
  size_t credit;  /* by WINDOW_UPDATE */
};

struct client {
  struct server *server;
  int fd;
  uv_poll_t *poll;
  nghttp2_hd_deflater *deflater;
  nghttp2_hd_inflater *inflater;
  struct mw_buf in;
  bool deaf;  /* does not read its socket */
  bool reset; /* the connection was reset */
  bool eof;
  bool silent;            /* acknowledges nothing */
  unsigned frames[TYPES]; /* by type; acknowledgements are not counted */
  unsigned acks[TYPES];
  int goaway;      /* error code of the newest; -1: none */
  int32_t last;    /* last stream id of the GOAWAY */
  char reason[32]; /* debug data of the GOAWAY */
  size_t credit;   /* of the connection, by WINDOW_UPDATE */
  uint32_t settings[8];
  struct got streams[STREAMS / 2]; /* of stream 2 * i + 1 */
};

/* Returns the record of a stream. */
struct got *got_of(struct client *client, int32_t stream);

/* ---- writing ---- */

/* Writes all bytes; turns the server while the socket is full. Returns early if the connection is closed. */
void client_write(struct client *client, const void *bytes, size_t len);

/* Writes a frame with a payload of 64 KiB at most. */
void client_frame(struct client *client, uint8_t type, uint8_t flags, int32_t stream, const void *payload, size_t len);

/* Makes the header block of a request for `path`, with `more` bytes of metadata. Returns its length. */
size_t client_block(struct client *client, const char *path, size_t more, uint8_t *out, size_t size);

/* Sends a request's HEADERS, with `flags` in addition to END_HEADERS. */
void client_headers(struct client *client, int32_t stream, const char *path, uint8_t flags);

/* Sends a gRPC message of `len` bytes in one frame. */
void client_message(struct client *client, int32_t stream, size_t len, uint8_t flags);

/* Makes a unary call of "/t.T/Echo". */
void client_echo(struct client *client, int32_t stream);

/* Sends a frame whose payload is `number`, such as WINDOW_UPDATE. */
void client_number(struct client *client, uint8_t type, int32_t stream, uint32_t number);

/* Waits for the answer to a PING: the server has processed all earlier frames then. */
void client_ping(struct client *client);

/* Sends RST_STREAM with CANCEL. */
void client_reset(struct client *client, int32_t stream);

/* Sends SETTINGS with one entry. */
void client_setting(struct client *client, uint8_t id, uint32_t value);

/* ---- connections ---- */

/* Connects and sends nothing; the client may be deaf from the start. */
void client_connect(struct client *client, struct server *server, bool deaf);

/* Makes a deaf client read, from its first byte on. */
void client_listen(struct client *client);

/* Sends the preface and empty SETTINGS. */
void client_preface(struct client *client);

/* Connects and exchanges the prefaces. */
void client_open(struct client *client, struct server *server);

/* Closes the socket. */
void client_close(struct client *client);

#endif
