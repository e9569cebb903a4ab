/* Where the requests of `moonwire call` come from: a text, a file or standard input, read piece by piece through the
 * loop, only as fast as they are asked for. */
#ifndef MW_CLI_CALL_INPUT_H
#define MW_CLI_CALL_INPUT_H

#include "base/buf.h"
#include "loop/loop.h"
#include "schema/json_split.h"

enum { MW_CALL_CHUNK = 64 * 1024 };

struct mw_call_input {
  const char *name;     /* for messages: "request", "stdin", a file's */
  struct mw_loop *loop;
  void (*ready)(void *arg); /* the answer to mw_call_input_more() */
  void *arg;

  struct mw_buf text;   /* what was read */
  size_t taken;         /* how much of it values have used up */
  unsigned line, column; /* where the part behind it begins, from 1 */
  struct mw_json_split split;
  bool begun;           /* past a byte order mark */
  bool ended;           /* there is no more to read */
  int error;            /* libuv's; reading failed */

  int fd;               /* -1 when there is nothing to read */
  int flags;            /* of the descriptor, as they were; -1 when they need no care */
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
  struct mw_slice text;  /* until the next call on the input */
  unsigned line, column; /* where it begins */
};

/* `source` is JSON text, "-" or "@file"; borrowed. `ready(arg)` runs on the loop. The struct must stay where it is
 * until the loop is closed. Returns 0, MW_ENOTFOUND or MW_EIO. */
int mw_call_input_open(struct mw_call_input *input, struct mw_loop *loop, const char *source,
                       void (*ready)(void *arg), void *arg, struct mw_err *err);

/* The next value, whole. Returns 0; MW_EBUSY (more must be read first); MW_ECLOSED (the end); MW_EIO or MW_ENOMEM. */
int mw_call_input_next(struct mw_call_input *input, struct mw_call_value *value, struct mw_err *err);

/* Has more read: `ready` will run, once. */
void mw_call_input_more(struct mw_call_input *input);

/* `ready` runs no more. The loop must be closed before mw_call_input_fini(). */
void mw_call_input_close(struct mw_call_input *input);
void mw_call_input_fini(struct mw_call_input *input);

#endif
