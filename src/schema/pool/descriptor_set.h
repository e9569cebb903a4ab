/* Reads a serialised google.protobuf.FileDescriptorSet.
 *
 * Each file is kept twice: as its original bytes, so that options unknown here survive, and unpacked. Sets come from
 * protoc and from the operator's files, and may be damaged. protobuf-c trusts its input, so they are checked first. */
#ifndef MW_SCHEMA_POOL_DESCRIPTOR_SET_H
#define MW_SCHEMA_POOL_DESCRIPTOR_SET_H

#include <google/protobuf/descriptor.pb-c.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/slice.h"

struct mw_descriptor_file {
  struct mw_slice bytes;                              /* the FileDescriptorProto, borrowed from the set */
  const Google__Protobuf__FileDescriptorProto *proto; /* in the set's arena, no source information; `name` is set */
};

struct mw_descriptor_set {
  struct mw_arena arena;
  struct mw_descriptor_file *files; /* in the order of the set */
  size_t n_files;
};

/* Greatest nesting of messages: far above real use (protoc stops at 32), far below the limit of the stack. */
enum { MW_DESCRIPTOR_NESTING = 64 };

/* Reads `bytes`, which must outlive the set. Returns 0, MW_EFORMAT (not a set), MW_ELIMIT (too much memory, or messages
 * nested too deeply) or MW_ENOMEM; on failure nothing needs to be released. */
int mw_descriptor_set_init(struct mw_descriptor_set *set, struct mw_slice bytes, struct mw_err *err);
void mw_descriptor_set_fini(struct mw_descriptor_set *set);

/* Unpacks one file, without source information, into `arena`. `bytes` must come from a set that was read: they are not
 * checked again. Returns 0, MW_ELIMIT (over the arena's budget), MW_EFORMAT (not from such a set) or MW_ENOMEM, without
 * words. */
int mw_descriptor_file_unpack(struct mw_arena *arena, struct mw_slice bytes,
                              const Google__Protobuf__FileDescriptorProto **out);

/* True if two serialised FileDescriptorProtos are equal, source information (comments, positions) aside. Both must come
 * from a set that was read. */
bool mw_descriptor_file_same(struct mw_slice a, struct mw_slice b);

#endif
