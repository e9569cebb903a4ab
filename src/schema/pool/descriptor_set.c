#include "schema/pool/descriptor_set.h"

#include "base/buf.h"
#include "schema/wire/arena_allocator.h"
#include "schema/wire/wire.h"

static const size_t max_memory = (size_t)4 << 30; /* of an unpacked set; a normal one takes a few times its size */

/* Field numbers of descriptor.proto. */
enum { SET_FILE = 1, FILE_MESSAGE_TYPE = 4, FILE_SOURCE_CODE_INFO = 9, MESSAGE_NESTED_TYPE = 3 };

enum { NO_GROUPS = 0 }; /* descriptor.proto has none: a group is malformed */

/* Checks the framing of a message and of all messages nested in it. `number` is the field that holds nested
 * messages. */
static int check_nesting(struct mw_slice message, uint32_t number, unsigned depth) {
  if (depth > MW_DESCRIPTOR_NESTING) return MW_ELIMIT;
  struct mw_wire_field field;
  while (mw_wire_take(&message, NO_GROUPS, &field)) {
    if (field.number != number || field.wire != MW_WIRE_LEN) continue;
    int rc = check_nesting(mw_wire_value(&field), MESSAGE_NESTED_TYPE, depth + 1);
    if (rc != 0) return rc;
  }
  return message.len == 0 ? 0 : MW_EFORMAT;
}

/* Takes the next field other than source information off `in`. Returns its bytes; an empty slice at the end, or if the
 * next field is malformed. */
static struct mw_slice next_semantic_field(struct mw_slice *in) {
  struct mw_wire_field field;
  for (const uint8_t *start = in->data; mw_wire_take(in, NO_GROUPS, &field); start = field.end) {
    if (field.number != FILE_SOURCE_CODE_INFO) return mw_slice(start, (size_t)(field.end - start));
  }
  return mw_slice(NULL, 0);
}

/* Strips source information, into `copy` if there is some. Unpacked, it would take five times its size;
 * schema/pool/source_line.h reads it from the bytes. */
static struct mw_slice strip_source_info(struct mw_slice bytes, struct mw_buf *copy) {
  struct mw_slice rest = bytes, field;
  size_t kept = 0;
  while ((field = next_semantic_field(&rest)).len > 0) kept += field.len;
  if (kept == bytes.len || rest.len > 0) return bytes;
  if (mw_buf_reserve_exact(copy, kept) != 0) return bytes; /* unpack all, which takes more memory */
  rest = bytes;
  while ((field = next_semantic_field(&rest)).len > 0) (void)mw_buf_append(copy, field.data, field.len);
  return mw_buf_slice(copy);
}

int mw_descriptor_file_unpack(struct mw_arena *arena, struct mw_slice bytes,
                              const Google__Protobuf__FileDescriptorProto **out) {
  struct mw_buf copy = MW_BUF_INIT;
  bytes = strip_source_info(bytes, &copy);
  struct mw_arena_allocator allocator;
  mw_arena_allocator_init(&allocator, arena);
  const Google__Protobuf__FileDescriptorProto *proto = google__protobuf__file_descriptor_proto__unpack(
      &allocator.base, bytes.len, bytes.data);
  mw_buf_fini(&copy);
  if (allocator.failed) return mw_arena_over(arena) ? MW_ELIMIT : MW_ENOMEM;
  if (!proto) return MW_EFORMAT;
  *out = proto;
  return 0;
}

static int read_file(struct mw_descriptor_set *set, struct mw_slice bytes, struct mw_err *err) {
  size_t position = set->n_files + 1;
  int rc = check_nesting(bytes, FILE_MESSAGE_TYPE, 0);
  if (rc == MW_ELIMIT) {
    return mw_err_set(err, rc, "descriptor set: file %zu nests messages more than %d deep", position,
                      MW_DESCRIPTOR_NESTING);
  }
  if (rc != 0) return mw_err_set(err, rc, "descriptor set: file %zu is damaged", position);

  const Google__Protobuf__FileDescriptorProto *proto = NULL;
  rc = mw_descriptor_file_unpack(&set->arena, bytes, &proto);
  switch (rc) {
    case 0: break;
    case MW_ENOMEM: return mw_err_set(err, rc, "descriptor set: out of memory");
    case MW_ELIMIT:
      return mw_err_set(err, rc, "descriptor set: more than %zu MiB of memory once unpacked, at file %zu",
                        max_memory >> 20, position);
    default: return mw_err_set(err, rc, "descriptor set: file %zu is damaged", position);
  }
  if (!proto->name || !*proto->name) {
    return mw_err_set(err, MW_EFORMAT, "descriptor set: file %zu has no name", position);
  }
  set->files[set->n_files++] = (struct mw_descriptor_file){bytes, proto};
  return 0;
}

static bool is_file(const struct mw_wire_field *field) {
  return field->number == SET_FILE && field->wire == MW_WIRE_LEN;
}

/* Counts the files of a set. False if it is malformed. */
static bool count_files(struct mw_slice set, size_t *count) {
  *count = 0;
  for (struct mw_wire_field field; mw_wire_take(&set, NO_GROUPS, &field);) *count += is_file(&field);
  return set.len == 0;
}

int mw_descriptor_set_init(struct mw_descriptor_set *set, struct mw_slice bytes, struct mw_err *err) {
  size_t count;
  if (!count_files(bytes, &count)) {
    return mw_err_set(err, MW_EFORMAT, "not a serialised google.protobuf.FileDescriptorSet");
  }
  *set = (struct mw_descriptor_set){0};
  mw_arena_init(&set->arena, max_memory);
  set->files = mw_arena_calloc(&set->arena, count, sizeof *set->files);
  int rc = set->files ? 0 : mw_err_set(err, MW_ENOMEM, "descriptor set: out of memory");
  for (struct mw_wire_field field; rc == 0 && mw_wire_take(&bytes, NO_GROUPS, &field);) {
    if (is_file(&field)) rc = read_file(set, mw_wire_value(&field), err);
  }
  if (rc != 0) mw_descriptor_set_fini(set);
  return rc;
}

void mw_descriptor_set_fini(struct mw_descriptor_set *set) { mw_arena_fini(&set->arena); }

bool mw_descriptor_file_same(struct mw_slice a, struct mw_slice b) {
  for (;;) {
    struct mw_slice x = next_semantic_field(&a), y = next_semantic_field(&b);
    if (!mw_slice_eq(x, y)) return false;
    if (x.len == 0) return true;
  }
}
