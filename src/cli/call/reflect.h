/* Reads the schema of a server through its reflection service: grpc.reflection.v1, or v1alpha if the server has no
 * other.
 *
 * It uses one stream and asks one question at a time. Each function runs the loop until its answers have arrived. It
 * does not ask for files that every pool has. One thread. */
#ifndef MW_CLI_CALL_REFLECT_H
#define MW_CLI_CALL_REFLECT_H

#include "base/map.h"
#include "rpc/client_rpc.h"
#include "schema/pool/pool.h"

struct mw_reflect {
  struct mw_loop *loop;
  struct mw_client_channel *channel;
  const struct mw_client_request *like; /* metadata, deadline and wait_for_ready of the stream */
  struct mw_client_rpc *rpc;            /* NULL before the first question and after the end */
  unsigned version;                     /* index of the service in use */
  bool answered, over, cancelled;
  bool late;            /* the server has not ended the stream in time */
  struct mw_buf answer; /* the last ServerReflectionResponse */
  enum mw_code code;    /* status of the ended stream, with `message` */
  struct mw_buf message;
  struct mw_pool *base; /* pool of the built-in files */
  struct mw_map seen;   /* paths of files that were received or asked for */
  struct mw_buf set;    /* FileDescriptorSet of the received files */
};

/* Borrows all three until mw_reflect_fini(). The channel stays open until then. Returns 0 or MW_ENOMEM. */
int mw_reflect_init(struct mw_reflect *reflect, struct mw_loop *loop, struct mw_client_channel *channel,
                    const struct mw_client_request *like, struct mw_err *err);

/* Ends an open stream first: runs the loop until the server's status arrives, for at most a second. */
void mw_reflect_fini(struct mw_reflect *reflect);

/* Ends the stream with CANCELLED. */
void mw_reflect_cancel(struct mw_reflect *reflect);

/* Appends the names of the server's services, each with its zero byte, in the server's order. Returns 0; MW_ECLOSED
 * (the stream has ended, see `code` and `message`; UNIMPLEMENTED: the server has no reflection); MW_EFORMAT (an error,
 * a malformed answer, or the answer to another question) or MW_ENOMEM. */
int mw_reflect_list(struct mw_reflect *reflect, struct mw_buf *names, struct mw_err *err);

/* Receives the file that defines `symbol`, and all its imports. Returns 0; the errors of mw_reflect_list();
 * MW_ENOTFOUND (no such symbol) or MW_ELIMIT (more than MW_POOL_SET_MAX bytes). */
int mw_reflect_fetch(struct mw_reflect *reflect, const char *symbol, struct mw_err *err);

/* Makes a pool of the received files. Returns as mw_pool_new(). */
int mw_reflect_pool(const struct mw_reflect *reflect, struct mw_pool **out, struct mw_err *err);

#endif
