/* gRPC status codes and statuses (grpc.io, "Status codes and their use in gRPC"). */
#ifndef MW_RPC_STATUS_H
#define MW_RPC_STATUS_H

#include "base/arena.h"
#include "base/slice.h"

enum mw_code {
  MW_CODE_OK = 0,
  MW_CODE_CANCELLED = 1,
  MW_CODE_UNKNOWN = 2,
  MW_CODE_INVALID_ARGUMENT = 3,
  MW_CODE_DEADLINE_EXCEEDED = 4,
  MW_CODE_NOT_FOUND = 5,
  MW_CODE_ALREADY_EXISTS = 6,
  MW_CODE_PERMISSION_DENIED = 7,
  MW_CODE_RESOURCE_EXHAUSTED = 8,
  MW_CODE_FAILED_PRECONDITION = 9,
  MW_CODE_ABORTED = 10,
  MW_CODE_OUT_OF_RANGE = 11,
  MW_CODE_UNIMPLEMENTED = 12,
  MW_CODE_INTERNAL = 13,
  MW_CODE_UNAVAILABLE = 14,
  MW_CODE_DATA_LOSS = 15,
  MW_CODE_UNAUTHENTICATED = 16
};

enum { MW_CODE_COUNT = 17 };

/* A status as a view: its creator owns the bytes. */
struct mw_status {
  enum mw_code code;
  struct mw_slice message; /* UTF-8, not percent-encoded */
  struct mw_slice details; /* a serialised google.rpc.Status for grpc-status-details-bin; empty for none */
};

/* Makes a status with a static, or otherwise longer-lived, text. */
static inline struct mw_status mw_status(enum mw_code code, const char *message) {
  return (struct mw_status){code, mw_slice_str(message), {NULL, 0}};
}

/* Status of calls that a stopping server refuses or ends. */
static inline struct mw_status mw_status_shutting_down(void) {
  return mw_status(MW_CODE_UNAVAILABLE, "the server is shutting down");
}

/* Copies a status into `arena`. Without memory, the text that does not fit is empty. */
struct mw_status mw_status_copy(struct mw_arena *arena, const struct mw_status *status);

/* Greatest length of a message as a percent-encoded `grpc-message`: a client refuses a response with too long
 * headers (8 KiB by default), and with it the status. */
enum { MW_STATUS_MESSAGE_MAX = 4096 };

/* Returns the start of `message` that fits, cut between characters. */
struct mw_slice mw_status_message_cut(struct mw_slice message);

/* Returns a name such as "NOT_FOUND"; "UNKNOWN" for an invalid code. Static. */
const char *mw_code_name(enum mw_code code);

/* Converts "NOT_FOUND" or "not_found"; -1 for an unknown name. */
int mw_code_from_name(const char *name);

/* Returns the code with which a caller is answered for an MW_E* error of its input. */
enum mw_code mw_code_of_error(int error);

#endif
