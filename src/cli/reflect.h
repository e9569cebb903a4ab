/* The schema of a server, by its reflection service (grpc.reflection.v1, or v1alpha of servers that have no other).
 *
 * One stream, one question at a time; each function runs the loop until its answers have come. Files whose path every pool
 * has are not asked for. One thread. */
#ifndef MW_CLI_REFLECT_H
#define MW_CLI_REFLECT_H

#include "base/map.h"
#include "rpc/client_rpc.h"
#include "schema/pool.h"

struct mw_reflect {
  struct mw_loop *loop;
  struct mw_client_channel *channel;
  const struct mw_client_request *like; /* whose metadata, deadline and wait_for_ready the stream has */
  struct mw_client_rpc *rpc;            /* NULL before the first question and after the end */
  unsigned version;                     /* index of the service that is asked */
  bool answered, over, cancelled;
  bool late;                            /* the server did not end the stream in time */
  struct mw_buf answer;                 /* a ServerReflectionResponse */
  enum mw_code code;                    /* of the stream once it is over, with the message */
  struct mw_buf message;
  struct mw_pool *base;                 /* the built-in files */
  struct mw_map seen;                   /* paths of files that were received or asked for */
  struct mw_buf set;                    /* a FileDescriptorSet of what was received */
};

/* Borrows all three until mw_reflect_fini(), before which the channel stays open. Returns 0 or MW_ENOMEM. */
int mw_reflect_init(struct mw_reflect *reflect, struct mw_loop *loop, struct mw_client_channel *channel,
                    const struct mw_client_request *like, struct mw_err *err);

/* Ends an open stream first: runs the loop until the server's status, for a second at the most. */
void mw_reflect_fini(struct mw_reflect *reflect);

/* Ends the stream with CANCELLED. */
void mw_reflect_cancel(struct mw_reflect *reflect);

/* Appends the names of the server's services, each with its zero byte, in the server's order. Returns 0; MW_ECLOSED
 * (the stream has ended, see `code` and `message`; UNIMPLEMENTED: the server has no reflection); MW_EFORMAT (an error,
 * a malformed answer or the answer to another question) or MW_ENOMEM. */
int mw_reflect_list(struct mw_reflect *reflect, struct mw_buf *names, struct mw_err *err);

/* Receives the file that defines `symbol`, and all that it imports. Returns as mw_reflect_list(); MW_ENOTFOUND (no such
 * symbol) or MW_ELIMIT (over MW_POOL_SET_MAX). */
int mw_reflect_fetch(struct mw_reflect *reflect, const char *symbol, struct mw_err *err);

/* A pool of what was received. Returns as mw_pool_new(). */
int mw_reflect_pool(const struct mw_reflect *reflect, struct mw_pool **out, struct mw_err *err);

#endif
