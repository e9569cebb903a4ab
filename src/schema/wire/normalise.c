/* Invariant of the output: every message holds each singular submessage at most once and nothing that protobuf-c
 * refuses, so that mw_scan() finds it plain; and it has the meaning of the input.
 *
 * Rules for a field of the input:
 *   - A singular submessage may occur several times; the specification requires that the copies are merged. Merging
 *     is the same as parsing the concatenation of their bytes. So the copies are recorded as a list of pieces and
 *     written once, as one message made of all the pieces, at the end of the message that holds them. Each byte is
 *     visited once for its own level, however the copies are spread: the time is linear.
 *   - In a oneof the last member wins and earlier ones are void. A submessage of the same member is void too if another
 *     member came between. Setting a member drops the pieces of the previous one.
 *   - A field of a wrong wire type, a group, or an unknown value of a closed enum is to be kept as an unknown field.
 *     protobuf-c would not keep it under its number, so its bytes, tag included, travel in a carrier, a field that no
 *     message can have; mw_normalise_restore() unpacks the carriers after protobuf-c. A map entry with a closed enum
 *     value is carried as a whole if the last value in it is unknown.
 *   - Everything else is copied.
 * A submessage may move after its siblings: order matters only among fields of one number, of one oneof, and among
 * unknown fields, and these stay in order.
 *
 * Lengths of written messages take five bytes, padded, so that they can be filled in afterwards. */
#include "schema/wire/normalise.h"

#include <stdlib.h>

#include "schema/wire/message.h"
#include "schema/wire/write.h"

enum { LENGTH_SIZE = 5, NONE = 0 };

/* A range of the input that is part of a message. */
struct piece {
  uint32_t start, len; /* in bytes; a message has less than 2 GiB */
  uint32_t next;       /* index of the next piece of the same message, or NONE */
};

/* State of a field while its message is being written. */
struct slot {
  uint32_t first, last; /* pieces of a singular submessage, or NONE */
  uint32_t set_number;  /* in the slot of a oneof's first member: number of the set member, or 0 */
};

struct normaliser {
  const uint8_t *input;
  struct mw_buf *out;
  struct piece *pieces; /* a stack: a message's pieces are popped once it is written; the first is unused, see NONE */
  size_t n_pieces, cap_pieces;
  size_t cost, budget;
};

static int put_bytes(struct mw_buf *out, const uint8_t *begin, const uint8_t *end) {
  return mw_buf_append(out, begin, (size_t)(end - begin));
}

static int put_carrier(struct mw_buf *out, const uint8_t *begin, const uint8_t *end) {
  return mw_wire_put_bytes(out, MW_CARRIER_NUMBER, mw_slice(begin, (size_t)(end - begin)));
}

/* Appends a piece of the input to those of its message. */
static int note_piece(struct normaliser *n, struct slot *slot, const uint8_t *begin, const uint8_t *end) {
  if (n->n_pieces >= n->cap_pieces) {
    size_t cap = n->cap_pieces * 2 + 32;
    if (cap * sizeof *n->pieces > n->budget) return MW_ELIMIT;
    struct piece *grown = realloc(n->pieces, cap * sizeof *grown);
    if (!grown) return MW_ENOMEM;
    n->pieces = grown;
    n->cap_pieces = cap;
  }
  uint32_t index = (uint32_t)n->n_pieces++;
  n->pieces[index] = (struct piece){(uint32_t)(begin - n->input), (uint32_t)(end - begin), NONE};
  if (slot->first == NONE) {
    slot->first = index;
  } else {
    n->pieces[slot->last].next = index;
  }
  slot->last = index;
  return 0;
}

static int write_message(struct normaliser *n, const struct mw_message_type *type, uint32_t first);

/* Writes a submessage made of the pieces from `first` on, with its tag and length. */
static int write_submessage(struct normaliser *n, const struct mw_field *field, uint32_t first) {
  int code = mw_wire_put_tag(n->out, field->number, MW_WIRE_LEN);
  if (code == 0) code = mw_buf_reserve(n->out, LENGTH_SIZE);
  if (code != 0) return code;
  size_t at = n->out->len;
  n->out->len += LENGTH_SIZE;
  code = write_message(n, field->message, first);
  if (code != 0) return code;
  size_t len = n->out->len - at - LENGTH_SIZE;
  for (size_t i = 0; i < LENGTH_SIZE; i++) {
    n->out->data[at + i] = (uint8_t)((len >> (7 * i) & 0x7f) | (i + 1 < LENGTH_SIZE ? 0x80 : 0));
  }
  return 0;
}

/* True if the last value of a map entry is unknown to its closed enum. */
static bool entry_has_unknown_enum(const struct mw_field *map, const struct mw_wire_field *entry) {
  const struct mw_field *value = mw_field_by_number(map->message, 2);
  if (!value || value->kind != MW_KIND_ENUM || !value->enumeration->closed) return false;
  bool unknown = false;
  struct mw_wire_field f;
  for (const uint8_t *at = entry->value; at < entry->end; at = f.end) {
    if (mw_wire_next(at, entry->end, MW_WIRE_NUMBER_MAX, MW_MESSAGE_DEPTH, &f) != MW_WIRE_OK) break;
    if (f.number == 2 && f.wire == MW_WIRE_VARINT) unknown = mw_wire_unknown_enum(value->enumeration, f.varint);
  }
  return unknown;
}

/* Splits packed values of a closed enum: writes known ones one by one, carries unknown ones. */
static int write_packed_enum(struct normaliser *n, const struct mw_field *field, const struct mw_wire_field *f) {
  int code = 0;
  for (const uint8_t *at = f->value; at < f->end && code == 0;) {
    uint64_t value = 0;
    at = mw_wire_varint(at, f->end, MW_WIRE_VARINT_MAX, &value);
    uint8_t one[MW_WIRE_TAG_MAX + MW_WIRE_VARINT_MAX];
    const uint8_t *end = mw_wire_write_varint(mw_wire_write_varint(one, (uint64_t)field->number << 3), value);
    code = mw_wire_unknown_enum(field->enumeration, value) ? put_carrier(n->out, one, end)
                                                           : put_bytes(n->out, one, end);
  }
  return code;
}

/* Makes `field` the set member of its oneof and drops the pieces of the previous one. */
static void set_member(const struct mw_message_type *type, struct slot *slots, const struct mw_field *field) {
  uint32_t *set_number = &slots[field->oneof->members[0] - type->fields].set_number;
  if (*set_number != 0 && *set_number != field->number) {
    struct slot *old = &slots[mw_field_by_number(type, *set_number) - type->fields];
    old->first = old->last = NONE;
  }
  *set_number = field->number;
}

/* True for an unknown enum value in a map entry that is not carried as a whole: a later value replaces it. Kept among
 * the entry's unknown fields, it would be packed last and win. */
static bool is_replaced(const struct mw_message_type *type, const struct mw_field *field,
                        const struct mw_wire_field *f) {
  return type->map_entry && field->kind == MW_KIND_ENUM && f->wire == MW_WIRE_VARINT &&
         mw_wire_unknown_enum(field->enumeration, f->varint);
}

static bool is_unknown(const struct mw_field *field, const struct mw_wire_field *f) {
  if (!mw_wire_fits(field, f->wire)) return true;
  if (field->map) return entry_has_unknown_enum(field, f);
  return field->kind == MW_KIND_ENUM && f->wire == MW_WIRE_VARINT &&
         mw_wire_unknown_enum(field->enumeration, f->varint);
}

/* Writes, records or carries one field, which begins at `begin`. */
static int write_field(struct normaliser *n, const struct mw_message_type *type, struct slot *slots,
                       const uint8_t *begin, const struct mw_wire_field *f) {
  const struct mw_field *field = mw_field_by_number(type, f->number);
  if (field && is_replaced(type, field, f)) return 0;
  if (field ? is_unknown(field, f) : f->wire == MW_WIRE_START_GROUP) return put_carrier(n->out, begin, f->end);
  if (!field) return put_bytes(n->out, begin, f->end);
  if (field->oneof) set_member(type, slots, field);
  if (field->kind == MW_KIND_MESSAGE) {
    if (!field->repeated) return note_piece(n, &slots[field - type->fields], f->value, f->end);
    struct slot element = {NONE, NONE, 0};
    size_t mark = n->n_pieces;
    int code = note_piece(n, &element, f->value, f->end);
    if (code == 0) code = write_submessage(n, field, element.first);
    n->n_pieces = mark;
    return code;
  }
  if (field->kind == MW_KIND_ENUM && f->wire == MW_WIRE_LEN) return write_packed_enum(n, field, f);
  return put_bytes(n->out, begin, f->end);
}

/* Writes the message made of the pieces from `first` on: its plain fields, then its submessages. */
static int write_message(struct normaliser *n, const struct mw_message_type *type, uint32_t first) {
  n->cost += type->desc->sizeof_message;
  if (n->cost > n->budget) return MW_ELIMIT;
  struct slot *slots = calloc(type->n_fields + 1, sizeof *slots);
  if (!slots) return MW_ENOMEM;
  size_t mark = n->n_pieces;
  int code = 0;
  for (uint32_t i = first; i != NONE && code == 0; i = n->pieces[i].next) {
    const uint8_t *at = n->input + n->pieces[i].start, *end = at + n->pieces[i].len;
    struct mw_wire_field f;
    for (; at < end && code == 0; at = f.end) {
      mw_wire_next(at, end, MW_WIRE_NUMBER_MAX, MW_MESSAGE_DEPTH, &f);
      code = write_field(n, type, slots, at, &f);
    }
  }
  for (size_t i = 0; i < type->n_fields && code == 0; i++) {
    if (slots[i].first != NONE) code = write_submessage(n, &type->fields[i], slots[i].first);
  }
  n->n_pieces = mark;
  free(slots);
  return code;
}

int mw_normalise(const struct mw_message_type *type, struct mw_slice bytes, size_t budget, struct mw_buf *out,
                 struct mw_err *err) {
  struct normaliser n = {.input = bytes.data, .out = out, .n_pieces = NONE + 1, .budget = budget};
  struct slot whole = {NONE, NONE, 0};
  int code = note_piece(&n, &whole, bytes.data, bytes.data + bytes.len);
  if (code == 0) code = write_message(&n, type, whole.first);
  free(n.pieces);
  if (code == MW_ELIMIT) {
    mw_err_set(err, code, "%s: takes more memory than the %zu bytes that remain", type->full_name, budget);
  } else if (code != 0) {
    mw_err_set(err, code, "%s: no memory to merge repeated fields", type->full_name);
  }
  return code;
}

static void restore_unknown(ProtobufCMessageUnknownField *unknown) {
  if (unknown->tag != MW_CARRIER_NUMBER) return;
  uint64_t len = 0;
  const uint8_t *end = unknown->data + unknown->len;
  const uint8_t *field = mw_wire_varint(unknown->data, end, MW_WIRE_TAG_MAX, &len);
  *unknown = mw_wire_unknown_field(mw_slice(field, (size_t)(end - field)));
}

void mw_normalise_restore(const struct mw_message_type *type, ProtobufCMessage *message) {
  for (unsigned i = 0; i < message->n_unknown_fields; i++) restore_unknown(&message->unknown_fields[i]);
  for (size_t i = 0; i < type->n_fields; i++) {
    const struct mw_field *field = &type->fields[i];
    if (field->kind != MW_KIND_MESSAGE) continue;
    if (field->oneof && *mw_field_case(message, field) != field->number) continue;
    ProtobufCMessage **subs = mw_field_value(message, field);
    size_t count = 1;
    if (field->repeated) {
      count = *mw_field_count(message, field);
      subs = *(ProtobufCMessage ***)subs;
    }
    for (size_t k = 0; k < count; k++) {
      if (subs[k]) mw_normalise_restore(field->message, subs[k]);
    }
  }
}
