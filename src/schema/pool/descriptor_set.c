#include "schema/pool/descriptor_set.h"

#include "base/buf.h"

static const size_t max_memory = (size_t)4 << 30; /* of an unpacked set; a normal one takes a few times its size */

/* Field numbers of descriptor.proto. */
enum { SET_FILE = 1, FILE_MESSAGE_TYPE = 4, FILE_SOURCE_CODE_INFO = 9, MESSAGE_NESTED_TYPE = 3 };

enum { WIRE_VARINT = 0, WIRE_64BIT = 1, WIRE_LENGTH = 2, WIRE_32BIT = 5 };

struct record {
  uint32_t number;
  unsigned wire_type;
  struct mw_slice whole;   /* tag and value */
  struct mw_slice payload; /* value of a length-delimited field */
};

static bool take_varint(struct mw_slice *in, uint64_t *out) {
  uint64_t value = 0;
  for (unsigned shift = 0; shift < 64 && in->len > 0; shift += 7) {
    uint8_t byte = *in->data;
    *in = mw_slice(in->data + 1, in->len - 1);
    value |= (uint64_t)(byte & 0x7f) << shift;
    if (byte < 0x80) {
      *out = value;
      return true;
    }
  }
  return false;
}

/* Takes the next field off `in`, which is not empty. False if it is malformed or a group. */
static bool take_record(struct mw_slice *in, struct record *out) {
  const uint8_t *start = in->data;
  uint64_t tag, len = 0;
  if (!take_varint(in, &tag) || tag >> 3 == 0 || tag > UINT32_MAX) return false;
  out->number = (uint32_t)(tag >> 3);
  out->wire_type = tag & 7;
  switch (out->wire_type) {
    case WIRE_VARINT:
      if (!take_varint(in, &(uint64_t){0})) return false;
      break;
    case WIRE_64BIT: len = 8; break;
    case WIRE_32BIT: len = 4; break;
    case WIRE_LENGTH:
      if (!take_varint(in, &len)) return false;
      break;
    default: return false;
  }
  if (len > in->len) return false;
  out->payload = mw_slice(in->data, (size_t)len);
  *in = mw_slice(in->data + len, in->len - (size_t)len);
  out->whole = mw_slice(start, (size_t)(in->data - start));
  return true;
}

/* Checks the framing of a message and of all messages nested in it. `number` is the field that holds nested
 * messages. */
static int check_nesting(struct mw_slice message, uint32_t number, unsigned depth) {
  if (depth > MW_DESCRIPTOR_NESTING) return MW_ELIMIT;
  while (message.len > 0) {
    struct record record;
    if (!take_record(&message, &record)) return MW_EFORMAT;
    if (record.number != number || record.wire_type != WIRE_LENGTH) continue;
    int rc = check_nesting(record.payload, MESSAGE_NESTED_TYPE, depth + 1);
    if (rc != 0) return rc;
  }
  return 0;
}

/* State of the allocator for protobuf-c: an arena, and a flag for its exhaustion. */
struct claim {
  struct mw_arena *arena;
  bool failed;
};

static void *claim_alloc(void *data, size_t size) {
  struct claim *claim = data;
  void *piece = mw_arena_alloc(claim->arena, size);
  if (!piece) claim->failed = true;
  return piece;
}

static void claim_free(void *data, void *piece) {}

/* Strips source information, into `copy` if there is some. Unpacked, it would take five times its size;
 * schema/pool/source_line.h reads it from the bytes. */
static struct mw_slice meaning_of(struct mw_slice bytes, struct mw_buf *copy) {
  struct mw_slice rest = bytes;
  size_t kept = 0;
  for (struct record record; rest.len > 0 && take_record(&rest, &record);) {
    if (record.number != FILE_SOURCE_CODE_INFO) kept += record.whole.len;
  }
  if (kept == bytes.len || rest.len > 0) return bytes;
  if (mw_buf_reserve_exact(copy, kept) != 0) return bytes; /* unpack all, which takes more memory */
  rest = bytes;
  for (struct record record; rest.len > 0 && take_record(&rest, &record);) {
    if (record.number != FILE_SOURCE_CODE_INFO) (void)mw_buf_append(copy, record.whole.data, record.whole.len);
  }
  return mw_buf_slice(copy);
}

int mw_descriptor_file_unpack(struct mw_arena *arena, struct mw_slice bytes,
                              const Google__Protobuf__FileDescriptorProto **out) {
  struct mw_buf copy = MW_BUF_INIT;
  bytes = meaning_of(bytes, &copy);
  struct claim claim = {arena, false};
  ProtobufCAllocator allocator = {claim_alloc, claim_free, &claim};
  const Google__Protobuf__FileDescriptorProto *proto = google__protobuf__file_descriptor_proto__unpack(
      &allocator, bytes.len, bytes.data);
  mw_buf_fini(&copy);
  if (claim.failed) return mw_arena_over(arena) ? MW_ELIMIT : MW_ENOMEM;
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

/* Counts the files of a set. False if it is malformed. */
static bool count_files(struct mw_slice set, size_t *count) {
  *count = 0;
  while (set.len > 0) {
    struct record record;
    if (!take_record(&set, &record)) return false;
    *count += record.number == SET_FILE && record.wire_type == WIRE_LENGTH;
  }
  return true;
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
  while (rc == 0 && bytes.len > 0) {
    struct record record;
    if (!take_record(&bytes, &record)) break; /* impossible: it was counted */
    if (record.number == SET_FILE && record.wire_type == WIRE_LENGTH) rc = read_file(set, record.payload, err);
  }
  if (rc != 0) mw_descriptor_set_fini(set);
  return rc;
}

void mw_descriptor_set_fini(struct mw_descriptor_set *set) { mw_arena_fini(&set->arena); }

/* Returns the next field other than source information; an empty slice at the end. */
static struct mw_slice next_meaningful(struct mw_slice *in) {
  struct record record;
  while (in->len > 0 && take_record(in, &record)) {
    if (record.number != FILE_SOURCE_CODE_INFO) return record.whole;
  }
  return mw_slice(NULL, 0);
}

bool mw_descriptor_file_same(struct mw_slice a, struct mw_slice b) {
  for (;;) {
    struct mw_slice x = next_meaningful(&a), y = next_meaningful(&b);
    if (!mw_slice_eq(x, y)) return false;
    if (x.len == 0) return true;
  }
}
