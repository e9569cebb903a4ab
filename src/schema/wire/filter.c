/* The fields of the conditions form a tree of levels, one for each message. Each field has one bit: of a message, that
 * it is present; of a compared field, that its current value is accepted. A message matches if finally all bits are
 * set. */
#include "schema/wire/filter.h"

#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "schema/wire/field.h"
#include "schema/wire/message.h"

union value {
  uint64_t number;
  struct mw_slice text;
};

struct mw_filter_condition {
  const struct mw_field **path;
  size_t depth;
  union value *values; /* sorted by mw_filter_build() */
  size_t n_values, room;
  bool unset;
};

struct entry {
  const struct mw_field *field;
  const struct mw_filter_condition *condition; /* that compares the field; or NULL */
  const struct mw_filter_level *below;         /* of a message on the way to a field; or NULL */
  uint64_t bit;                                /* 0 for a field that is here as a rival of another alone */
  uint64_t rivals;                             /* bits of the other members of its oneof, which it clears */
  uint64_t rivals_unset;                       /* those of them that absence sets */
};

struct mw_filter_level {
  struct entry *entries; /* sorted by number */
  size_t n_entries;
  uint64_t bits;  /* of this level and those below */
  uint64_t start; /* bits that are set in an empty message */
};

/* ---- values ---- */

static bool is_text(const struct mw_field *field) {
  return field->kind == MW_KIND_STRING || field->kind == MW_KIND_BYTES;
}

/* Numbers are compared by these 64 bits. */

static uint64_t bits_of_double(double number) {
  uint64_t bits = 0;
  if (number != 0) memcpy(&bits, &number, sizeof bits); /* -0 equals 0 */
  return bits;
}

static uint64_t bits_of_int32(int32_t number) { return (uint64_t)(int64_t)number; }

static union value value_in_memory(const struct mw_field *field, const void *slot) {
  switch (field->kind) {
    case MW_KIND_STRING:
    case MW_KIND_BYTES: {
      const ProtobufCBinaryData *data = slot;
      return (union value){.text = mw_slice(data->data, data->len)};
    }
    case MW_KIND_DOUBLE: return (union value){bits_of_double(*(const double *)slot)};
    case MW_KIND_FLOAT: return (union value){bits_of_double((double)*(const float *)slot)};
    case MW_KIND_BOOL: return (union value){*(const protobuf_c_boolean *)slot != 0};
    case MW_KIND_UINT32:
    case MW_KIND_FIXED32: return (union value){*(const uint32_t *)slot};
    case MW_KIND_INT32:
    case MW_KIND_SINT32:
    case MW_KIND_SFIXED32:
    case MW_KIND_ENUM: return (union value){bits_of_int32(*(const int32_t *)slot)};
    default: return (union value){*(const uint64_t *)slot};
  }
}

static union value value_on_wire(const struct mw_field *field, const struct mw_wire_field *f) {
  union {
    uint64_t number;
    ProtobufCBinaryData text;
  } slot;
  mw_wire_decode(field->kind, f, &slot);
  return value_in_memory(field, &slot);
}

static int compare_numbers(const void *left, const void *right) {
  uint64_t a = ((const union value *)left)->number, b = ((const union value *)right)->number;
  return (a > b) - (a < b);
}

static int compare_texts(const void *left, const void *right) {
  struct mw_slice a = ((const union value *)left)->text, b = ((const union value *)right)->text;
  if (a.len != b.len) return a.len < b.len ? -1 : 1;
  return a.len == 0 ? 0 : memcmp(a.data, b.data, a.len);
}

static bool accepts(const struct mw_filter_condition *condition, union value value) {
  const struct mw_field *field = condition->path[condition->depth - 1];
  if (condition->n_values == 0) return false;
  return bsearch(&value, condition->values, condition->n_values, sizeof value,
                 is_text(field) ? compare_texts : compare_numbers) != NULL;
}

/* ---- conditions ---- */

void mw_filter_init(struct mw_filter *filter, struct mw_quota *quota) {
  *filter = (struct mw_filter){.n_conditions = 0};
  mw_arena_init(&filter->arena, SIZE_MAX);
  filter->arena.quota = quota;
}

void mw_filter_fini(struct mw_filter *filter) { mw_arena_fini(&filter->arena); }

struct mw_filter_condition *mw_filter_add(struct mw_filter *filter, const struct mw_field *const *path, size_t depth) {
  if (filter->n_conditions == MW_FILTER_MAX) return NULL;
  if (!filter->conditions)
    filter->conditions = mw_arena_alloc(&filter->arena, MW_FILTER_MAX * sizeof *filter->conditions);
  if (!filter->conditions) return NULL;
  struct mw_filter_condition *condition = mw_arena_calloc(&filter->arena, 1, sizeof *condition);
  if (!condition) return NULL;
  condition->path = mw_arena_alloc(&filter->arena, depth * sizeof(*path));
  if (!condition->path) return NULL;
  memcpy(condition->path, path, depth * sizeof *path);
  condition->depth = depth;
  return filter->conditions[filter->n_conditions++] = condition;
}

int mw_filter_accept(struct mw_filter *filter, struct mw_filter_condition *condition, const void *slot) {
  if (condition->n_values == condition->room) {
    size_t room = condition->room ? condition->room * 2 : 4;
    union value *values = mw_arena_alloc(&filter->arena, room * sizeof *values);
    if (!values) return MW_ENOMEM;
    if (condition->n_values > 0) memcpy(values, condition->values, condition->n_values * sizeof *values);
    condition->values = values;
    condition->room = room;
  }
  const struct mw_field *field = condition->path[condition->depth - 1];
  union value value = value_in_memory(field, slot);
  if (is_text(field) && value.text.len > 0) {
    value.text.data = (uint8_t *)mw_arena_strndup(&filter->arena, (const char *)value.text.data, value.text.len);
    if (!value.text.data) return MW_ENOMEM;
  }
  condition->values[condition->n_values++] = value;
  return 0;
}

void mw_filter_accept_unset(struct mw_filter_condition *condition) { condition->unset = true; }

/* ---- building ---- */

struct builder {
  struct mw_filter *filter;
  unsigned n_bits;
};

static bool accepts_absence(const struct mw_filter_condition *condition) {
  static const ProtobufCBinaryData zero; /* zero for a value of any kind */
  const struct mw_field *field = condition->path[condition->depth - 1];
  if (field->has_presence) return condition->unset;
  return accepts(condition, value_in_memory(field, field->default_value ? field->default_value : &zero));
}

/* Finds the entry of a field of the level, or adds it. The level has room. */
static struct entry *entry_of(struct mw_filter_level *level, const struct mw_field *field) {
  size_t i = 0;
  while (i < level->n_entries && level->entries[i].field->number < field->number) i++;
  struct entry *entry = &level->entries[i];
  if (i < level->n_entries && entry->field == field) return entry;
  memmove(entry + 1, entry, (level->n_entries - i) * sizeof *entry);
  level->n_entries++;
  *entry = (struct entry){.field = field};
  return entry;
}

static int build_level(struct builder *b, struct mw_filter_condition **conditions, size_t n, size_t depth,
                       const struct mw_message_type *type, const struct mw_filter_level **out);

/* Moves to the front the conditions whose field at `depth` is the first one's. Returns their number. */
static size_t gather(struct mw_filter_condition **conditions, size_t n, size_t depth) {
  size_t count = 1;
  for (size_t i = 1; i < n; i++) {
    struct mw_filter_condition *other = conditions[i];
    if (other->path[depth] != conditions[0]->path[depth]) continue;
    conditions[i] = conditions[count];
    conditions[count++] = other;
  }
  return count;
}

/* Adds the entry for the field at `depth` of the conditions, all of which have it. */
static int build_entry(struct builder *b, struct mw_filter_condition **conditions, size_t n, size_t depth,
                       struct mw_filter_level *level) {
  const struct mw_field *field = conditions[0]->path[depth];
  struct entry made = {.field = field};
  if (b->n_bits == MW_FILTER_MAX) return MW_ELIMIT;
  made.bit = (uint64_t)1 << b->n_bits++;
  for (size_t i = 0; i < n; i++) {
    if (conditions[i]->depth == depth + 1) made.condition = conditions[i];
  }
  level->bits |= made.bit;
  if (made.condition) {
    if (n > 1) return MW_EINVAL;
    if (accepts_absence(made.condition)) level->start |= made.bit;
  } else {
    int rc = build_level(b, conditions, n, depth + 1, field->message, &made.below);
    if (rc != 0) return rc;
    level->bits |= made.below->bits;
  }
  *entry_of(level, field) = made;
  return 0;
}

static uint64_t bits_of(const struct entry *entry) { return entry->bit | (entry->below ? entry->below->bits : 0); }

/* A member of a oneof clears the other members: each gets an entry. */
static void add_rivals(struct mw_filter_level *level, const struct mw_oneof *oneof) {
  uint64_t bits = 0;
  for (size_t i = 0; i < level->n_entries; i++) {
    if (level->entries[i].field->oneof == oneof) bits |= level->entries[i].bit;
  }
  if (bits == 0) return;
  for (size_t i = 0; i < oneof->n_members; i++) entry_of(level, oneof->members[i]);
  for (size_t i = 0; i < level->n_entries; i++) {
    struct entry *entry = &level->entries[i];
    if (entry->field->oneof != oneof) continue;
    for (size_t k = 0; k < level->n_entries; k++) {
      const struct entry *rival = &level->entries[k];
      if (rival == entry || rival->field->oneof != oneof) continue;
      entry->rivals |= bits_of(rival);
      entry->rivals_unset |= level->start & rival->bit;
    }
  }
}

static int build_level(struct builder *b, struct mw_filter_condition **conditions, size_t n, size_t depth,
                       const struct mw_message_type *type, const struct mw_filter_level **out) {
  struct mw_filter_level *level = mw_arena_calloc(&b->filter->arena, 1, sizeof *level);
  if (!level) return MW_ENOMEM;
  level->entries = mw_arena_calloc(&b->filter->arena, type->n_fields, sizeof *level->entries);
  if (!level->entries && type->n_fields > 0) return MW_ENOMEM;
  for (size_t i = 0, count; i < n; i += count) {
    count = gather(conditions + i, n - i, depth);
    int rc = build_entry(b, conditions + i, count, depth, level);
    if (rc != 0) return rc;
  }
  for (size_t i = 0; i < type->n_oneofs; i++) add_rivals(level, &type->oneofs[i]);
  *out = level;
  return 0;
}

int mw_filter_build(struct mw_filter *filter, const struct mw_message_type *type) {
  for (size_t i = 0; i < filter->n_conditions; i++) {
    struct mw_filter_condition *condition = filter->conditions[i];
    if (condition->n_values == 0) continue;
    qsort(condition->values, condition->n_values, sizeof *condition->values,
          is_text(condition->path[condition->depth - 1]) ? compare_texts : compare_numbers);
  }
  struct builder builder = {filter, 0};
  int rc = build_level(&builder, filter->conditions, filter->n_conditions, 0, type, &filter->root);
  if (rc == 0) filter->all = filter->root->bits;
  return rc;
}

/* ---- matching ---- */

/* Follows one level through one occurrence of its message. Returns false for malformed bytes. */
static bool follow(const struct mw_filter_level *level, struct mw_slice bytes, uint64_t *bits);

static bool follow_field(const struct entry *entry, const struct mw_wire_field *f, uint64_t *bits) {
  const struct mw_field *field = entry->field;
  if (!mw_wire_sets(field, f)) return true;
  *bits = (*bits & ~entry->rivals) | entry->rivals_unset;
  if (entry->below) {
    if (!(*bits & entry->bit)) *bits |= entry->bit | entry->below->start;
    return follow(entry->below, mw_wire_value(f), bits);
  }
  *bits &= ~entry->bit;
  if (entry->condition && field->kind != MW_KIND_MESSAGE && accepts(entry->condition, value_on_wire(field, f))) {
    *bits |= entry->bit;
  }
  return true;
}

static bool follow(const struct mw_filter_level *level, struct mw_slice bytes, uint64_t *bits) {
  const struct entry *begin = level->entries, *end = begin + level->n_entries, *entry = begin;
  const uint8_t *at = bytes.data, *last = at + bytes.len;
  struct mw_wire_field f;
  for (; at < last; at = f.end) {
    if (mw_wire_next(at, last, MW_WIRE_NUMBER_MAX, MW_MESSAGE_DEPTH, &f) != MW_WIRE_OK) return false;
    if (entry > begin && entry[-1].field->number >= f.number) entry = begin; /* the numbers ascend, but need not */
    while (entry < end && entry->field->number < f.number) entry++;
    if (entry == end || entry->field->number != f.number) continue;
    if (!follow_field(entry, &f, bits)) return false;
  }
  return true;
}

bool mw_filter_matches(const struct mw_filter *filter, struct mw_slice bytes) {
  uint64_t bits = filter->root->start;
  if (bytes.len > 0 && !follow(filter->root, bytes, &bits)) return true;
  return bits == filter->all;
}
