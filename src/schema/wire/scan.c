/* Messages are scanned by recursion, one C frame a level. The path of an error is not kept while scanning: on failure
 * each level adds its step on the way out, and only then counts the index in a repeated field. */
#include "schema/wire/scan.h"

#include <limits.h>

#include "base/buf.h"
#include "base/text.h"
#include "schema/wire/message.h"
#include "schema/wire/wire.h"

struct path_step {
  const struct mw_field *field; /* NULL for an unknown field */
  uint32_t number;              /* 0 for the message itself */
  size_t index;                 /* in a repeated field */
};

struct scanner {
  struct mw_scan result;
  uint32_t last_number;
  const char *reason;
  struct path_step error_path[MW_MESSAGE_DEPTH + 1]; /* innermost first */
  size_t n_error_path;
};

/* Allocations of protobuf-c besides the values, as versions 1.4.1 and 1.5.2 make them. */
enum {
  MEMBERS_ON_STACK = 16, /* fields it tracks before it allocates more room, doubled each time */
  MEMBER_SIZE = 32,
  REQUIRED_BITS_ON_STACK = 128
};

static size_t arena_size(size_t size) { return (size + 15) / 16 * 16; } /* 0 for 0: protobuf-c does not allocate then */

static size_t message_cost(const struct mw_message_type *type, size_t members, size_t unknown) {
  size_t cost = arena_size(type->desc->sizeof_message) + arena_size(unknown * sizeof(ProtobufCMessageUnknownField));
  if (type->n_fields > REQUIRED_BITS_ON_STACK) cost += arena_size((type->n_fields + 7) / 8);
  for (size_t slab = MEMBERS_ON_STACK, room = slab; members > room; room += slab) {
    slab *= 2;
    cost += slab * MEMBER_SIZE;
  }
  return cost;
}

static const char *fault_text(enum mw_wire_fault fault) {
  switch (fault) {
    case MW_WIRE_TRUNCATED: return "truncated: it extends past the end of its message";
    case MW_WIRE_OVERLONG: return "a varint of more than 10 bytes, or of more than 5 in a tag or a length";
    case MW_WIRE_BAD_NUMBER: return "a field number outside 1 to 536870911";
    case MW_WIRE_BAD_TYPE: return "wire type 6 or 7; there are 0 to 5";
    case MW_WIRE_UNBALANCED: return "the end of a group without its start";
    case MW_WIRE_TOO_DEEP: return "nested too deeply, 100 levels at most";
    default: return "malformed";
  }
}

static int fail(struct scanner *s, enum mw_wire_fault fault) {
  s->reason = fault_text(fault);
  return fault == MW_WIRE_TOO_DEEP ? MW_ELIMIT : MW_EFORMAT;
}

/* Counts the fields with this number in bytes that were already scanned. */
static size_t count_before(const uint8_t *begin, const uint8_t *end, uint32_t number) {
  size_t count = 0;
  struct mw_wire_field f;
  for (const uint8_t *at = begin; at < end; at = f.end) {
    if (mw_wire_next(at, end, UINT32_MAX, MW_MESSAGE_DEPTH, &f) != MW_WIRE_OK) break;
    count += f.number == number;
  }
  return count;
}

static void add_step(struct scanner *s, const struct mw_field *field, uint32_t number, const uint8_t *begin,
                     const uint8_t *at) {
  size_t index = field && field->repeated ? count_before(begin, at, number) : 0;
  s->error_path[s->n_error_path++] = (struct path_step){field, number, index};
}

/* Tries the last field and the next one first: most fields are in the order of their numbers, or repeated. */
static inline const struct mw_field *find(const struct mw_message_type *type, uint32_t number,
                                          const struct mw_field **last) {
  const struct mw_field *near = *last;
  if (near) {
    if (near->number == number) return near;
    if (++near < type->fields + type->n_fields && near->number == number) return *last = near;
  }
  const struct mw_field *found = mw_field_by_number(type, number);
  if (found) *last = found;
  return found;
}

static int scan_message(struct scanner *s, const struct mw_message_type *type, const uint8_t *begin, const uint8_t *end,
                        unsigned depth);

static int scan_packed_varints(struct scanner *s, const struct mw_field *field, const uint8_t *at, const uint8_t *end) {
  size_t count = 0;
  while (at < end) {
    uint64_t value;
    const uint8_t *next = mw_wire_varint(at, end, MW_WIRE_VARINT_MAX, &value);
    if (!next) return fail(s, mw_wire_varint_fault(at, end, MW_WIRE_VARINT_MAX));
    if (field->kind == MW_KIND_ENUM && mw_wire_unknown_enum(field->enumeration, value)) s->result.plain = false;
    count++;
    at = next;
  }
  s->result.cost += count * mw_kind_size(field->kind);
  return 0;
}

static int scan_packed(struct scanner *s, const struct mw_field *field, const struct mw_wire_field *f) {
  size_t len = (size_t)(f->end - f->value);
  unsigned wire = mw_wire_of_kind(field->kind);
  if (wire == MW_WIRE_VARINT) {
    if (field->kind != MW_KIND_BOOL) return scan_packed_varints(s, field, f->value, f->end);
    size_t before = s->result.cost;
    int code = scan_packed_varints(s, field, f->value, f->end);
    s->result.cost = before + len * sizeof(protobuf_c_boolean); /* protobuf-c counts bytes */
    return code;
  }
  size_t size = wire == MW_WIRE_I64 ? 8 : 4;
  if (len % size != 0) {
    s->reason = size == 8 ? "the length of packed 8-byte values is not a multiple of 8"
                          : "the length of packed 4-byte values is not a multiple of 4";
    return MW_EFORMAT;
  }
  s->result.cost += len;
  return 0;
}

/* `seen` has a bit for each of the first 64 fields; later fields share them. Two fields that share a bit look like a
 * repetition: the message then goes through the normaliser, which is slower but correct. */
static int scan_submessage(struct scanner *s, const struct mw_message_type *type, const struct mw_field *field,
                           const struct mw_wire_field *f, uint64_t *seen, unsigned depth) {
  if (depth == MW_MESSAGE_DEPTH) return fail(s, MW_WIRE_TOO_DEEP);
  if (!field->repeated) {
    uint64_t bit = (uint64_t)1 << ((size_t)(field - type->fields) % 64);
    if (*seen & bit) s->result.plain = false;
    *seen |= bit;
  }
  return scan_message(s, field->message, f->value, f->end, depth + 1);
}

static inline int scan_known(struct scanner *s, const struct mw_message_type *type, const struct mw_field *field,
                             const struct mw_wire_field *f, uint64_t *seen, unsigned depth) {
  if (f->wire != mw_wire_of_kind(field->kind)) {
    if (mw_wire_fits(field, f->wire)) return scan_packed(s, field, f);
    s->result.plain = false;
    return 0;
  }
  if (field->repeated) s->result.cost += mw_kind_size(field->kind);
  switch (field->kind) {
    case MW_KIND_MESSAGE: return scan_submessage(s, type, field, f, seen, depth);
    case MW_KIND_STRING:
      if (!mw_utf8_valid(mw_slice(f->value, (size_t)(f->end - f->value)))) {
        s->reason = "not valid UTF-8";
        return MW_EFORMAT;
      }
      s->result.cost += arena_size((size_t)(f->end - f->value));
      return 0;
    case MW_KIND_BYTES: s->result.cost += arena_size((size_t)(f->end - f->value)); return 0;
    case MW_KIND_ENUM:
      if (mw_wire_unknown_enum(field->enumeration, f->varint)) s->result.plain = false;
      return 0;
    default: return 0;
  }
}

static int scan_message(struct scanner *s, const struct mw_message_type *type, const uint8_t *begin, const uint8_t *end,
                        unsigned depth) {
  const struct mw_field *last = type->n_fields ? type->fields : NULL;
  uint64_t seen = 0;
  size_t members = 0, unknown = 0;
  struct mw_wire_field f;
  for (const uint8_t *at = begin; at < end; at = f.end) {
    enum mw_wire_fault fault = mw_wire_next(at, end, s->last_number, MW_MESSAGE_DEPTH - depth, &f);
    const struct mw_field *field = find(type, f.number, &last);
    int code = 0;
    if (fault != MW_WIRE_OK) {
      code = fail(s, fault);
    } else if (f.wire == MW_WIRE_START_GROUP) {
      s->result.plain = false;
    } else if (field) {
      code = scan_known(s, type, field, &f, &seen, depth);
    } else {
      s->result.cost += arena_size((size_t)(f.end - f.body));
      unknown++;
    }
    if (code != 0) {
      add_step(s, field, f.number, begin, at);
      return code;
    }
    members++;
  }
  s->result.cost += message_cost(type, members, unknown);
  return 0;
}

/* Writes "tasks.Task.tags[3].x", or "tasks.Task: field 7" for an unknown field. */
static void write_path(const struct scanner *s, const struct mw_message_type *type, struct mw_buf *path) {
  int code = mw_buf_puts(path, type->full_name);
  for (size_t i = s->n_error_path; i > 0 && code == 0; i--) {
    const struct path_step *step = &s->error_path[i - 1];
    if (!step->field) {
      if (step->number != 0) code = mw_buf_printf(path, ": field %u", step->number);
    } else if (step->field->repeated) {
      code = mw_buf_printf(path, ".%s[%zu]", step->field->name, step->index);
    } else {
      code = mw_buf_printf(path, ".%s", step->field->name);
    }
  }
}

static int scan(const struct mw_message_type *type, struct mw_slice bytes, uint32_t last_number, unsigned depth,
                struct mw_scan *out, struct mw_err *err) {
  if (bytes.len > INT_MAX) return mw_err_set(err, MW_ELIMIT, "%s: over 2 GiB, the limit of protobuf", type->full_name);
  struct scanner s; /* not cleared: the error_path is written before it is read */
  s.result = (struct mw_scan){.plain = true};
  s.last_number = last_number;
  s.n_error_path = 0;
  const uint8_t *begin = bytes.len ? bytes.data : (const uint8_t *)"";
  int code = scan_message(&s, type, begin, begin + bytes.len, depth);
  if (code == 0) {
    *out = s.result;
    return 0;
  }
  struct mw_buf path = MW_BUF_INIT;
  write_path(&s, type, &path);
  mw_err_set(err, code, "%s: %s", mw_buf_str(&path), s.reason);
  mw_buf_fini(&path);
  return code;
}

int mw_scan(const struct mw_message_type *type, struct mw_slice bytes, uint32_t last_number, struct mw_scan *out,
            struct mw_err *err) {
  return scan(type, bytes, last_number, 0, out, err);
}

int mw_scan_nested(const struct mw_message_type *type, struct mw_slice bytes, unsigned depth, struct mw_scan *out,
                   struct mw_err *err) {
  return scan(type, bytes, MW_WIRE_NUMBER_MAX, depth, out, err);
}
