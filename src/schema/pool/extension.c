/* Extensions: their numbers for each message, and the layout of their values.
 *
 * A message keeps an extension as unknown fields. The extension's holder is a message type with the extension as its
 * only field: those unknown fields unpack as a message of that type. */
#include <stdlib.h>

#include "schema/pool/build.h"
#include "schema/pool/layout.h"

typedef Google__Protobuf__FieldDescriptorProto FieldProto;

enum { LABEL_REPEATED = 3, TYPE_GROUP = 10 };

static int compare(const void *a, const void *b) {
  const struct mw_extension *x = a, *y = b;
  int order = strcmp(x->extendee, y->extendee);
  return order != 0 ? order : x->number < y->number ? -1 : x->number > y->number;
}

/* ---- linking ---- */

/* Returns "[pkg.name]". */
static char *bracketed(struct mw_builder *b, const char *name) {
  size_t len = strlen(name);
  char *text = mw_arena_alloc(&b->pool->arena, len + 3);
  if (!text) return NULL;
  text[0] = '[';
  memcpy(text + 1, name, len);
  memcpy(text + 1 + len, "]", 2);
  return text;
}

/* Groups have no holder, nor have extensions of a message set, which are encoded differently. */
static bool has_holder(const struct mw_builder *b, const struct mw_message_type *extendee, const FieldProto *proto) {
  const Google__Protobuf__DescriptorProto *message = b->messages[extendee->index].proto;
  bool set = message->options && message->options->message_set_wire_format;
  return !set && !(proto->has_type && (int)proto->type == TYPE_GROUP);
}

static int make_holder(struct mw_builder *b, const struct mw_extension_plan *plan, struct mw_extension *extension,
                       const struct mw_message_type *extendee) {
  struct mw_arena *arena = &b->pool->arena;
  struct mw_message_type *holder = mw_arena_calloc(arena, 1, sizeof *holder);
  ProtobufCMessageDescriptor *desc = mw_arena_calloc(arena, 1, sizeof *desc);
  struct mw_field *field = mw_arena_calloc(arena, 1, sizeof *field);
  const struct mw_field **index = mw_arena_calloc(arena, 1, sizeof *index);
  char *name = bracketed(b, plan->full_name);
  if (!holder || !desc || !field || !index || !name) return mw_build_no_memory(b);
  FieldProto proto = *plan->proto;
  proto.has_oneof_index = false; /* index of the synthetic oneof of `optional`, which the holder lacks */
  b->proto3 = plan->proto3;
  int rc = mw_build_field(b, extendee->full_name, &proto, field);
  if (rc != 0) return rc;
  field->name = field->json_name = name;
  field->has_presence = !field->repeated;
  field->required = false;
  index[0] = field;
  *holder = (struct mw_message_type){.full_name = extendee->full_name,
                                     .file = b->file->path,
                                     .index = (unsigned)-1,
                                     .desc = desc,
                                     .fields = field,
                                     .n_fields = 1,
                                     .by_name = index,
                                     .by_json_name = index,
                                     .has_required = field->message && field->message->has_required};
  if (mw_layout_message(arena, holder, field, NULL, desc) != 0) return mw_build_no_memory(b);
  extension->holder = holder;
  struct mw_symbol *symbol = mw_map_get(&b->pool->symbols, mw_slice_str(plan->full_name));
  symbol->type = holder;
  return 0;
}

int mw_build_extensions(struct mw_builder *b) {
  struct mw_pool *pool = b->pool;
  for (size_t i = 0; i < b->n_extensions; i++) {
    const struct mw_extension_plan *plan = &b->extensions[i];
    const struct mw_message_type *extendee = mw_build_find_message(b, plan->proto->extendee);
    b->file = plan->file;
    if (!extendee) {
      return mw_build_fail(b, MW_EFORMAT, "extension \"%s\": there is no message \"%s\"", plan->proto->name,
                           plan->proto->extendee ? plan->proto->extendee : "");
    }
    int rc = mw_build_check_number(b, extendee->full_name, plan->proto);
    if (rc != 0) return rc;
    struct mw_extension *extension = &pool->extensions[pool->n_extensions++];
    *extension = (struct mw_extension){extendee->full_name, plan->proto->number, b->file, NULL};
    if (has_holder(b, extendee, plan->proto)) rc = make_holder(b, plan, extension, extendee);
    if (rc != 0) return rc;
  }
  qsort(pool->extensions, pool->n_extensions, sizeof *pool->extensions, compare);
  for (size_t i = 0; i < pool->n_extensions; i++) pool->extension_numbers[i] = pool->extensions[i].number;
  return 0;
}

/* ---- lookup ---- */

/* Returns the index of the first extension that does not sort before `extendee` and `number`; n_extensions if there is
 * none. */
static size_t first_from(const struct mw_pool *pool, const char *extendee, int32_t number) {
  const struct mw_extension wanted = {extendee, number, NULL, NULL};
  size_t low = 0, high = pool->n_extensions;
  while (low < high) {
    size_t middle = low + (high - low) / 2;
    if (compare(&pool->extensions[middle], &wanted) < 0) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return low;
}

static const struct mw_extension *find(const struct mw_pool *pool, const char *extendee, int32_t number) {
  size_t i = first_from(pool, extendee, number);
  const struct mw_extension *found = i < pool->n_extensions ? &pool->extensions[i] : NULL;
  return found && found->number == number && strcmp(found->extendee, extendee) == 0 ? found : NULL;
}

size_t mw_pool_extensions(const struct mw_pool *pool, const char *type, const int32_t **numbers) {
  size_t first = first_from(pool, type, INT32_MIN), end = first;
  while (end < pool->n_extensions && strcmp(pool->extensions[end].extendee, type) == 0) end++;
  *numbers = end > first ? &pool->extension_numbers[first] : NULL;
  return end - first;
}

const char *mw_pool_file_of_extension(const struct mw_pool *pool, const char *type, int32_t number) {
  const struct mw_extension *extension = find(pool, type, number);
  return extension ? extension->file->path : NULL;
}

const struct mw_message_type *mw_pool_extension(const struct mw_pool *pool, const char *type, uint32_t number) {
  const struct mw_extension *extension = pool->n_extensions > 0 ? find(pool, type, (int32_t)number) : NULL;
  return extension ? extension->holder : NULL;
}

const struct mw_message_type *mw_pool_extension_by_name(const struct mw_pool *pool, struct mw_slice full_name) {
  const struct mw_symbol *symbol = mw_map_get(&pool->symbols, full_name);
  return symbol && symbol->kind == MW_SYMBOL_MEMBER ? symbol->type : NULL;
}
