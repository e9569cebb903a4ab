/* Room for large messages: what the streams of a connection may hold together beyond their windows.
 *
 * A message that may not fit into a stream's window can only come if the client is let send on before it is complete. For
 * that its whole size is borrowed first, and given back when it was handed out or the call is over. There is a limit to
 * what a connection lends; who comes then waits, in order, with his window as full as it is, and the others go on. One
 * message can always be lent for. */
#ifndef MW_ENGINE_HTTP_LOAN_H
#define MW_ENGINE_HTTP_LOAN_H

#include <stddef.h>

#include "base/list.h"

struct mw_http_lender {
  size_t lent;
  struct mw_list waiting; /* struct mw_http_loan.link */
};

struct mw_http_loan {
  size_t bytes;        /* 0: none */
  struct mw_list link; /* in lender.waiting; initialised by whoever embeds it */
};

/* Returns whether the loan has `bytes` now; otherwise it waits. It has none. */
bool mw_http_loan_take(struct mw_http_lender *lender, struct mw_http_loan *loan, size_t bytes, size_t limit);

/* Gives back what the loan has; it waits no more. */
void mw_http_loan_return(struct mw_http_lender *lender, struct mw_http_loan *loan);

/* Whose turn it is to try again; NULL for nobody's. */
static inline struct mw_http_loan *mw_http_loan_first(struct mw_http_lender *lender) {
  return mw_list_empty(&lender->waiting) ? NULL : MW_CONTAINER(lender->waiting.next, struct mw_http_loan, link);
}

#endif
