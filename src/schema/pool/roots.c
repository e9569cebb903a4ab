#include "schema/pool/roots.h"

#include <unistd.h>

#include "base/buf.h"

const char *mw_root_of(const char *const *roots, const char *file) {
  for (size_t i = 0; roots[0] && roots[1] && roots[i]; i++) {
    struct mw_buf path = MW_BUF_INIT;
    bool found = mw_buf_printf(&path, "%s/%s", roots[i], file) == 0 && access(mw_buf_str(&path), F_OK) == 0;
    mw_buf_fini(&path);
    if (found) return roots[i];
  }
  return roots[0] ? roots[0] : "";
}
