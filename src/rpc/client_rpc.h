/* An RPC of a client: one call for its owner, and one or more attempts, each a call of an engine (rpc/channel.h).
 *
 * Attempts follow gRFC A6 and the service config: a retry policy or a hedging policy of the method, throttling of
 * the target, pushback of the server. Without a policy, an attempt that no handler has seen is repeated (transparent
 * retry): at once and up to MW_REPEATS_MAX times if it never left this process, once if the server refused it.
 *
 * The request is held until the RPC commits to an attempt, when the server's headers arrive. A request of one
 * message is held at any size if its method has a policy. Otherwise at most MW_RPC_HELD_BYTES are held, and of a
 * streamed request without a policy MW_RPC_HELD_PLAIN_BYTES; a larger request commits to the attempt under way.
 *
 * The functions and events correspond to those of struct mw_channel_ops and follow the same rules. Everything runs
 * on the loop's thread. */
#ifndef MW_RPC_CLIENT_RPC_H
#define MW_RPC_CLIENT_RPC_H

#include "loop/loop.h"
#include "rpc/engine.h"

enum { MW_RPC_HELD_BYTES = 256 * 1024, MW_RPC_HELD_PLAIN_BYTES = 64 * 1024 };

struct mw_client_channel;
struct mw_client_rpc;

/* Opens a channel of `engine`, which runs in `loop`. Returns 0, or the codes of struct mw_channel_ops.open. For an
 * invalid service config the error of MW_EINVAL has the path of the wrong member. */
int mw_client_channel_open(struct mw_engine *engine, struct mw_loop *loop, const struct mw_channel_config *config,
                           struct mw_client_channel **out, struct mw_err *err);

/* Cancels its RPCs; their owners must still release them. NULL is allowed. */
void mw_client_channel_close(struct mw_client_channel *channel);

/* Starts an RPC. `request->path` is borrowed until release. Returns 0, MW_ECLOSED or MW_ENOMEM. */
int mw_client_rpc_start(struct mw_client_channel *channel, const struct mw_client_request *request,
                        const struct mw_client_events *events, void *user, struct mw_client_rpc **out,
                        struct mw_err *err);
uint8_t *mw_client_rpc_reserve(struct mw_client_rpc *rpc, size_t size);
bool mw_client_rpc_send(struct mw_client_rpc *rpc);
bool mw_client_rpc_over(const struct mw_client_rpc *rpc);
void mw_client_rpc_half_close(struct mw_client_rpc *rpc);
void mw_client_rpc_read(struct mw_client_rpc *rpc);
void mw_client_rpc_cancel(struct mw_client_rpc *rpc);
void mw_client_rpc_release(struct mw_client_rpc *rpc);

#endif
