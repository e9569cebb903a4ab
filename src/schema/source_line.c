#include "schema/source_line.h"

#include <assert.h>

struct mw_source_path mw_source_path_join(const struct mw_source_path *path, int32_t number, size_t index) {
  struct mw_source_path joined = *path;
  assert(joined.n + 2 <= MW_SOURCE_PATH_MAX);
  joined.at[joined.n++] = number;
  joined.at[joined.n++] = (int32_t)index;
  return joined;
}

/* Whether `location` is `path` or something around it. */
static bool encloses(const Google__Protobuf__SourceCodeInfo__Location *location, const struct mw_source_path *path) {
  size_t n = location->n_path;
  return n == 0 || (n <= path->n && memcmp(location->path, path->at, n * sizeof *path->at) == 0);
}

unsigned mw_source_line(const Google__Protobuf__FileDescriptorProto *file, const struct mw_source_path *path) {
  const Google__Protobuf__SourceCodeInfo *info = file->source_code_info;
  const Google__Protobuf__SourceCodeInfo__Location *nearest = NULL;
  for (size_t i = 0; info && i < info->n_location; i++) {
    const Google__Protobuf__SourceCodeInfo__Location *location = info->location[i];
    bool usable = location->n_span > 0 && location->span[0] >= 0 && encloses(location, path);
    if (usable && (!nearest || location->n_path > nearest->n_path)) nearest = location;
  }
  return nearest ? (unsigned)nearest->span[0] + 1 : 0;
}
