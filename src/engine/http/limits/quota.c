#include "engine/http/limits/quota.h"

bool mw_http_quota_reserve(struct mw_http_quota *quota, struct mw_http_reservation *reservation, size_t bytes,
                           size_t limit) {
  struct mw_http_reservation *first = mw_http_quota_first(quota);
  bool fits = quota->reserved == 0 || (quota->reserved <= limit && bytes <= limit - quota->reserved);
  if (!fits || (first && first != reservation)) {
    if (mw_list_empty(&reservation->link)) mw_list_push(&quota->waiting, &reservation->link);
    return false;
  }
  mw_list_remove(&reservation->link);
  reservation->bytes = bytes;
  quota->reserved += bytes;
  return true;
}

void mw_http_quota_release(struct mw_http_quota *quota, struct mw_http_reservation *reservation) {
  mw_list_remove(&reservation->link);
  quota->reserved -= reservation->bytes;
  reservation->bytes = 0;
}
