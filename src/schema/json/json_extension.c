/* Extensions in JSON: members "[pkg.name]" after the message's own fields. A message holds an extension as unknown
 * fields; they unpack as a message of the extension's holder (schema/pool/pool.h), which has the value. */
#include "schema/json/json_reader.h"
#include "schema/json/json_writer.h"
#include "schema/wire/wire.h"

/* ---- writing ---- */

/* Sorts the unknown fields of a message by extension. */
struct sorting {
  struct mw_json_writer *w;
  const int32_t *numbers; /* numbers of the type's extensions, sorted */
  size_t n;
  size_t *ends; /* end of each extension's fields in `bytes` */
  uint8_t *bytes;
};

/* Packs the unknown fields. One entry may hold several fields. */
static struct mw_slice pack_unknowns(struct mw_json_writer *w, const ProtobufCMessage *message) {
  ProtobufCMessageDescriptor bare = *message->descriptor;
  bare.n_fields = 0;
  const ProtobufCMessage unknowns = {&bare, message->n_unknown_fields, message->unknown_fields};
  size_t size = mw_message_size(&unknowns);
  uint8_t *bytes = mw_arena_alloc(&w->arena, size);
  if (!bytes) return mw_slice(NULL, 0);
  mw_message_pack(&unknowns, bytes);
  return mw_slice(bytes, size);
}

/* Returns the index of an extension by number; n if there is none. */
static size_t index_of(const struct sorting *s, uint32_t number) {
  size_t low = 0, high = s->n;
  while (low < high) {
    size_t middle = low + (high - low) / 2;
    if ((uint32_t)s->numbers[middle] == number) return middle;
    if ((uint32_t)s->numbers[middle] < number) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return s->n;
}

/* Adds the length of each field to its extension's end. With `place`, first copies the field to that end. */
static void walk(struct sorting *s, struct mw_slice fields, bool place) {
  const uint8_t *at = fields.data, *end = at + fields.len;
  struct mw_wire_field field;
  for (; at < end && s->w->printer.rc == 0; at = field.end) {
    if (mw_wire_next(at, end, MW_WIRE_NUMBER_MAX, MW_MESSAGE_DEPTH, &field) != MW_WIRE_OK) return;
    size_t len = (size_t)(field.end - at), i = index_of(s, field.number);
    if (mw_pace_is_over(s->w->printer.pace, len)) s->w->printer.rc = MW_ELIMIT;
    if (i == s->n) continue;
    if (place) memcpy(s->bytes + s->ends[i], at, len);
    s->ends[i] += len;
  }
}

/* Fills in `ends` and `bytes`. False without memory. */
static bool sort(struct sorting *s, struct mw_slice fields) {
  s->ends = mw_arena_calloc(&s->w->arena, s->n, sizeof *s->ends);
  s->bytes = mw_arena_alloc(&s->w->arena, fields.len);
  if (!fields.data || !s->ends || !s->bytes) return false;
  walk(s, fields, false);
  size_t start = 0;
  for (size_t i = 0; i < s->n; i++) {
    size_t len = s->ends[i];
    s->ends[i] = start;
    start += len;
  }
  walk(s, fields, true);
  return true;
}

/* Writes the extension whose fields are `bytes`. Omits a malformed one like other unknown fields: the rest of the
 * message is valid. */
static int write_one(struct mw_json_writer *w, const struct mw_message_type *holder, struct mw_slice bytes) {
  const struct mw_field *field = &holder->fields[0];
  ProtobufCMessage *message = NULL;
  int rc = mw_message_unpack(holder, bytes, &w->arena, &message, w->err);
  if (rc == 0) rc = mw_message_check_required(holder, message, w->err);
  if (rc == MW_EFORMAT && w->err) mw_err_fini(w->err);
  if (rc != 0) return rc == MW_EFORMAT ? 0 : rc;
  bool written = field->repeated ? *mw_field_count(message, field) > 0 : mw_field_is_set(message, field);
  if (!written) return 0; /* the fields have another wire type */
  const struct mw_json_path here = {.up = w->path, .kind = MW_PATH_FIELD, .name = field->name};
  w->path = &here;
  mw_json_key(&w->printer, mw_slice_str(field->json_name));
  rc = mw_json_write_field(w, message, field);
  w->path = here.up;
  return rc;
}

int mw_json_write_extensions(struct mw_json_writer *w, const struct mw_message_type *type,
                             const ProtobufCMessage *message) {
  struct sorting s = {.w = w};
  s.n = mw_pool_extensions(w->pool, type->full_name, &s.numbers);
  if (s.n == 0) return 0;
  if (mw_pace_is_over(w->printer.pace, s.n)) w->printer.rc = MW_ELIMIT;
  if (!sort(&s, pack_unknowns(w, message))) {
    return mw_err_set(w->err, MW_ELIMIT, "%s: the extensions take too much memory", type->full_name);
  }
  int rc = 0;
  for (size_t i = 0, start = 0; i < s.n && rc == 0 && w->printer.rc == 0; start = s.ends[i++]) {
    const struct mw_message_type *holder = mw_pool_extension(w->pool, type->full_name, (uint32_t)s.numbers[i]);
    if (s.ends[i] > start && holder) rc = write_one(w, holder, mw_slice(s.bytes + start, s.ends[i] - start));
  }
  return rc;
}

/* ---- reading ---- */

const struct mw_message_type *mw_json_find_extension(struct mw_json_reader *r, const struct mw_message_type *type,
                                                     struct mw_slice key) {
  if (key.len < 2 || key.data[0] != '[' || key.data[key.len - 1] != ']') return NULL;
  const struct mw_message_type *holder = mw_pool_extension_by_name(r->pool, mw_slice(key.data + 1, key.len - 2));
  return holder && strcmp(holder->full_name, type->full_name) == 0 ? holder : NULL;
}

/* Adds encoded fields to the unknown fields. `bytes` begins with the first tag and must live as long as the message. */
static int add_unknown(struct mw_json_reader *r, ProtobufCMessage *message, struct mw_slice bytes) {
  ProtobufCMessageUnknownField *all = mw_arena_alloc(r->arena, (message->n_unknown_fields + 1) * sizeof *all);
  if (!all) return mw_json_no_memory(r);
  if (message->n_unknown_fields > 0) memcpy(all, message->unknown_fields, message->n_unknown_fields * sizeof *all);
  uint64_t tag = 0;
  const uint8_t *body = mw_wire_varint(bytes.data, bytes.data + bytes.len, MW_WIRE_TAG_MAX, &tag);
  all[message->n_unknown_fields++] = (ProtobufCMessageUnknownField){.tag = (uint32_t)(tag >> 3),
                                                                    .wire_type = (ProtobufCWireType)(tag & 7),
                                                                    .len = bytes.len - (size_t)(body - bytes.data),
                                                                    .data = (uint8_t *)(uintptr_t)body};
  message->unknown_fields = all;
  return 0;
}

int mw_json_read_extension(struct mw_json_reader *r, const struct mw_message_type *holder, ProtobufCMessage *message) {
  const struct mw_field *field = &holder->fields[0];
  for (unsigned i = 0; i < message->n_unknown_fields; i++) {
    if (message->unknown_fields[i].tag == field->number) {
      return mw_json_fail(r, "the extension \"%s\" is given twice", field->name);
    }
  }
  const struct mw_json_path here = {.up = r->path, .kind = MW_PATH_FIELD, .name = field->name};
  ProtobufCMessage *held = mw_message_new(holder, r->arena);
  if (!held) return mw_json_no_memory(r);
  r->path = &here;
  int rc = mw_json_advance(r);
  if (rc == 0) rc = mw_json_read_field(r, held, field);
  if (rc == 0 && holder->has_required) rc = mw_message_check_required(holder, held, r->err);
  r->path = here.up;
  size_t size = rc == 0 ? mw_message_size(held) : 0;
  if (size == 0) return rc;
  uint8_t *bytes = mw_arena_alloc(r->arena, size);
  if (!bytes) return mw_json_no_memory(r);
  mw_message_pack(held, bytes);
  return add_unknown(r, message, mw_slice(bytes, size));
}
