/* Input of the requests of `moonwire call`: a text, a file or standard input. It is read piece by piece through the
 * loop, no faster than the caller asks for it. */
#ifndef MW_CLI_CALL_CALL_INPUT_H
#define MW_CLI_CALL_CALL_INPUT_H

#include "base/buf.h"
#include "loop/loop.h"
#include "schema/json/json_split.h"

enum { MW_CALL_CHUNK = 64 * 1024 };

struct mw_call_input {
  const char *name; /* for messages: "request", "stdin" or a file's name */
  struct mw_loop *loop;
  void (*ready)(void *arg); /* answers mw_call_input_more() */
  void *arg;

  struct mw_buf text;    /* the input read so far */
  size_t taken;          /* bytes of it consumed by values */
  unsigned line, column; /* place of the rest, from 1 */
  struct mw_json_split split;
  bool begun; /* a byte order mark has been skipped, or there is none */
  bool ended; /* everything has been read */
  int error;  /* libuv error of a failed read; 0 for none */

  int fd;    /* -1 without a descriptor to read */
  int flags; /* flags of the descriptor to restore; -1 for none */
  bool is_stream, reading, closed;
  union {
    uv_stream_t stream;
    uv_pipe_t pipe;
    uv_tty_t tty;
    uv_tcp_t tcp;
  } handle;
  uv_fs_t request;
  char chunk[MW_CALL_CHUNK];
};

struct mw_call_value {
  struct mw_slice text;  /* valid until the next call on the input */
  unsigned line, column; /* place of its first character */
};

/* Opens `source`: JSON text, "-" or "@file"; borrowed. `ready(arg)` runs on the loop. The struct must not move until
 * the loop is closed. Returns 0, MW_ENOTFOUND or MW_EIO. */
int mw_call_input_open(struct mw_call_input *input, struct mw_loop *loop, const char *source, void (*ready)(void *arg),
                       void *arg, struct mw_err *err);

/* Returns the next complete value. Returns 0; MW_EBUSY (read more first); MW_ECLOSED (the end); MW_EIO or MW_ENOMEM. */
int mw_call_input_next(struct mw_call_input *input, struct mw_call_value *value, struct mw_err *err);

/* Reads more; `ready` will run once. */
void mw_call_input_more(struct mw_call_input *input);

/* Stops reading; `ready` runs no more. The loop must be closed before mw_call_input_fini(). */
void mw_call_input_close(struct mw_call_input *input);
void mw_call_input_fini(struct mw_call_input *input);

#endif
