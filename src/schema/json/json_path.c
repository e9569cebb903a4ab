#include "schema/json/json_path.h"

enum { KEY_SHOWN = 40 /* characters of a map's key, at most */ };

static int print_node(const struct mw_json_path *node, struct mw_buf *out) {
  switch (node->kind) {
    case MW_PATH_TYPE: return mw_buf_printf(out, node->up ? "[%s]" : "%s", node->name);
    case MW_PATH_FIELD: return mw_buf_printf(out, ".%s", node->name);
    case MW_PATH_INDEX: return mw_buf_printf(out, "[%zu]", node->index);
    case MW_PATH_KEY: break;
  }
  size_t len = node->key.len < KEY_SHOWN ? node->key.len : KEY_SHOWN;
  while (len > 0 && len < node->key.len && (node->key.data[len] & 0xc0) == 0x80) len--;
  return mw_buf_printf(out, "[\"%.*s%s\"]", (int)len, len ? (const char *)node->key.data : "",
                       len < node->key.len ? "..." : "");
}

int mw_json_path_print(const struct mw_json_path *path, struct mw_buf *out) {
  if (path->up) {
    int rc = mw_json_path_print(path->up, out);
    if (rc != 0) return rc;
  }
  return print_node(path, out);
}
