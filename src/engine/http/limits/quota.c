#include "engine/http/limits/quota.h"

bool mw_http_loan_take(struct mw_http_lender *lender, struct mw_http_loan *loan, size_t bytes, size_t limit) {
  struct mw_http_loan *first = mw_http_loan_first(lender);
  bool fits = lender->lent == 0 || (lender->lent <= limit && bytes <= limit - lender->lent);
  if (!fits || (first && first != loan)) {
    if (mw_list_empty(&loan->link)) mw_list_push(&lender->waiting, &loan->link);
    return false;
  }
  mw_list_remove(&loan->link);
  loan->bytes = bytes;
  lender->lent += bytes;
  return true;
}

void mw_http_loan_return(struct mw_http_lender *lender, struct mw_http_loan *loan) {
  mw_list_remove(&loan->link);
  lender->lent -= loan->bytes;
  loan->bytes = 0;
}
