/* Extensions in JSON: members "[pkg.name]" after the message's own fields. A message holds an extension as unknown
 * fields; they unpack as a message of the extension's holder (schema/pool/pool.h), which has the value. This file has
 * the parts of writing them. */
#include "schema/json/json_writer.h"
#include "schema/wire/wire.h"

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
static size_t index_of(const struct mw_json_extensions *s, uint32_t number) {
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

/* Adds the length of each field to its extension's end. With `copy`, first copies the field to that end. */
static void add_or_copy_fields(struct mw_json_writer *w, struct mw_json_extensions *s, struct mw_slice fields,
                               bool copy) {
  const uint8_t *at = fields.data, *end = at + fields.len;
  struct mw_wire_field field;
  for (; at < end && w->printer.rc == 0; at = field.end) {
    if (mw_wire_next(at, end, MW_WIRE_NUMBER_MAX, MW_MESSAGE_DEPTH, &field) != MW_WIRE_OK) return;
    size_t len = (size_t)(field.end - at), i = index_of(s, field.number);
    if (mw_pace_is_over(w->printer.pace, len)) w->printer.rc = MW_ELIMIT;
    if (i == s->n) continue;
    if (copy) memcpy(s->bytes + s->ends[i], at, len);
    s->ends[i] += len;
  }
}

/* Fills in `ends` and `bytes`. False without memory. */
static bool sort(struct mw_json_writer *w, struct mw_json_extensions *s, struct mw_slice fields) {
  s->ends = mw_arena_calloc(&w->arena, s->n, sizeof *s->ends);
  s->bytes = mw_arena_alloc(&w->arena, fields.len);
  if (!fields.data || !s->ends || !s->bytes) return false;
  add_or_copy_fields(w, s, fields, false);
  size_t start = 0;
  for (size_t i = 0; i < s->n; i++) {
    size_t len = s->ends[i];
    s->ends[i] = start;
    start += len;
  }
  add_or_copy_fields(w, s, fields, true);
  return true;
}

int mw_json_sort_extensions(struct mw_json_writer *w, const struct mw_message_type *type,
                            const ProtobufCMessage *message, struct mw_json_extensions *out) {
  *out = (struct mw_json_extensions){0};
  out->n = mw_pool_extensions(w->pool, type->full_name, &out->numbers);
  if (out->n == 0) return 0;
  if (mw_pace_is_over(w->printer.pace, out->n)) w->printer.rc = MW_ELIMIT;
  if (sort(w, out, pack_unknowns(w, message))) return 0;
  return mw_err_set(w->err, MW_ELIMIT, "%s: the extensions take too much memory", type->full_name);
}

int mw_json_unpack_extension(struct mw_json_writer *w, const struct mw_message_type *type,
                             const struct mw_json_extensions *sorted, size_t i, const struct mw_field **field,
                             ProtobufCMessage **held) {
  *held = NULL;
  size_t start = i > 0 ? sorted->ends[i - 1] : 0;
  if (sorted->ends[i] == start) return 0;
  const struct mw_message_type *holder = mw_pool_extension(w->pool, type->full_name, (uint32_t)sorted->numbers[i]);
  if (!holder) return 0;
  *field = &holder->fields[0];
  ProtobufCMessage *message = NULL;
  int rc = mw_message_unpack(holder, mw_slice(sorted->bytes + start, sorted->ends[i] - start), &w->arena, &message,
                             w->err);
  if (rc == 0) rc = mw_message_check_required(holder, message, w->err);
  if (rc == MW_EFORMAT && w->err) mw_err_fini(w->err);
  if (rc != 0) return rc == MW_EFORMAT ? 0 : rc;
  /* fields of another wire type leave the extension unset */
  bool set = (*field)->repeated ? *mw_field_count(message, *field) > 0 : mw_field_is_set(message, *field);
  if (set) *held = message;
  return 0;
}
