#include "cli/call/call_input.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "schema/json/json_token.h"

/* ---- reading ---- */

/* Handles a read. `got`: bytes, 0 at the end, or a negative error of libuv. */
static void on_read(struct mw_call_input *input, ssize_t got) {
  input->reading = false;
  if (input->closed) return;
  if (got == 0) input->ended = true;
  if (got < 0) input->error = (int)got;
  if (got > 0 && mw_buf_append(&input->text, input->chunk, (size_t)got) != 0) input->error = UV_ENOMEM;
  input->ready(input->arg);
}

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buf) {
  struct mw_call_input *input = handle->data;
  *buf = uv_buf_init(input->chunk, sizeof input->chunk);
}

/* Reads one piece at a time. Input that the call has no room for stays in its source. */
static void on_stream_read(uv_stream_t *stream, ssize_t got, const uv_buf_t *buf) {
  if (got == 0) return; /* no data yet */
  uv_read_stop(stream);
  on_read(stream->data, got == UV_EOF ? 0 : got);
}

static void on_file_read(uv_fs_t *request) {
  struct mw_call_input *input = request->data;
  ssize_t got = request->result;
  uv_fs_req_cleanup(request);
  on_read(input, got);
}

void mw_call_input_more(struct mw_call_input *input) {
  if (input->reading || input->closed) return;
  input->reading = true;
  if (input->is_stream) {
    uv_read_start(&input->handle.stream, on_alloc, on_stream_read);
    return;
  }
  uv_buf_t buf = uv_buf_init(input->chunk, sizeof input->chunk);
  input->request.data = input;
  uv_fs_read(&input->loop->uv, &input->request, input->fd, &buf, 1, -1, on_file_read);
}

/* ---- values ---- */

/* Consumes `len` bytes of the rest. */
static void take(struct mw_call_input *input, size_t len) {
  mw_json_locate(mw_slice(input->text.data + input->taken, len), len, &input->line, &input->column);
  input->taken += len;
}

/* Skips a byte order mark at the start. Returns false while the input may be an incomplete one. */
static bool begin(struct mw_call_input *input) {
  static const char mark[] = "\xef\xbb\xbf";
  size_t size = sizeof mark - 1, len = input->text.len < size ? input->text.len : size;
  bool alike = len == 0 || memcmp(input->text.data, mark, len) == 0;
  if (alike && len < size && !input->ended) return false;
  if (alike && len == size) input->taken = size;
  input->begun = true;
  return true;
}

/* Removes consumed bytes, once they are most of the text. */
static void compact(struct mw_call_input *input) {
  if (input->taken * 2 < input->text.len) return;
  input->text.len -= input->taken;
  memmove(input->text.data, input->text.data + input->taken, input->text.len);
  input->taken = 0;
}

int mw_call_input_next(struct mw_call_input *input, struct mw_call_value *value, struct mw_err *err) {
  if (input->error == UV_ENOMEM) return mw_err_set(err, MW_ENOMEM, "%s: out of memory", input->name);
  if (input->error != 0) return mw_err_set(err, MW_EIO, "%s: %s", input->name, uv_strerror(input->error));
  if (!input->begun && !begin(input)) return MW_EBUSY;
  if (input->taken > 0) compact(input);
  struct mw_slice left = {NULL, input->text.len - input->taken};
  if (left.len > 0) left.data = input->text.data + input->taken;
  if (!mw_json_split_next(&input->split, left, input->ended, &value->text)) return input->ended ? MW_ECLOSED : MW_EBUSY;
  take(input, (size_t)(value->text.data - left.data));
  value->line = input->line;
  value->column = input->column;
  take(input, value->text.len);
  input->split = (struct mw_json_split){0};
  return 0;
}

/* ---- opening and closing ---- */

/* Reads pipes, terminals and sockets as streams; files and everything else in libuv's thread pool. libuv makes the
 * descriptor non-blocking for all processes that share it. Closing restores its flags. */
static int open_descriptor(struct mw_call_input *input, struct mw_err *err) {
  uv_loop_t *uv = &input->loop->uv;
  int rc = 0;
  input->is_stream = true;
  input->flags = fcntl(input->fd, F_GETFL);
  switch (uv_guess_handle(input->fd)) {
    case UV_TTY: rc = uv_tty_init(uv, &input->handle.tty, input->fd, 0); break;
    case UV_NAMED_PIPE:
      rc = uv_pipe_init(uv, &input->handle.pipe, 0);
      if (rc == 0) rc = uv_pipe_open(&input->handle.pipe, input->fd);
      break;
    case UV_TCP:
      rc = uv_tcp_init(uv, &input->handle.tcp);
      if (rc == 0) rc = uv_tcp_open(&input->handle.tcp, input->fd);
      break;
    default: input->is_stream = false; input->flags = -1;
  }
  if (input->is_stream) input->handle.stream.data = input;
  return rc == 0 ? 0 : mw_err_set(err, MW_EIO, "%s: %s", input->name, uv_strerror(rc));
}

static int open_text(struct mw_call_input *input, const char *text, struct mw_err *err) {
  input->name = "request";
  input->ended = true;
  return mw_buf_puts(&input->text, text) == 0 ? 0 : mw_err_set(err, MW_ENOMEM, "out of memory");
}

int mw_call_input_open(struct mw_call_input *input, struct mw_loop *loop, const char *source, void (*ready)(void *arg),
                       void *arg, struct mw_err *err) {
  memset(input, 0, offsetof(struct mw_call_input, chunk));
  input->loop = loop;
  input->ready = ready;
  input->arg = arg;
  input->line = input->column = 1;
  input->fd = input->flags = -1;
  if (source[0] != '@' && strcmp(source, "-") != 0) return open_text(input, source, err);
  input->name = source[0] == '@' ? source + 1 : "stdin";
  input->fd = source[0] == '@' ? open(input->name, O_RDONLY | O_CLOEXEC) : STDIN_FILENO;
  if (input->fd < 0) {
    int code = errno == ENOENT ? MW_ENOTFOUND : MW_EIO;
    return mw_err_set(err, code, "%s: %s", input->name, strerror(errno));
  }
  return open_descriptor(input, err);
}

void mw_call_input_close(struct mw_call_input *input) {
  if (input->closed) return;
  input->closed = true;
  if (input->is_stream) uv_read_stop(&input->handle.stream);
  if (input->flags >= 0) (void)fcntl(input->fd, F_SETFL, input->flags);
}

void mw_call_input_fini(struct mw_call_input *input) {
  if (!input->is_stream && input->fd > STDIN_FILENO) close(input->fd);
  mw_buf_fini(&input->text);
}
