#include <stdio.h>
#include <stdlib.h>

#include "base/text.h"
#include "schema/pool/build.h"
#include "schema/pool/layout.h"
#include "schema/pool/wellknown.h"

typedef Google__Protobuf__FieldDescriptorProto FieldProto;

enum { MAX_FIELD_NUMBER = 536870911, FIRST_RESERVED_NUMBER = 19000, LAST_RESERVED_NUMBER = 19999 };
enum { LABEL_OPTIONAL = 1, LABEL_REQUIRED = 2, LABEL_REPEATED = 3, TYPE_GROUP = 10 };

/* ---- one field ---- */

static bool packable(enum mw_kind kind) {
  return kind != MW_KIND_STRING && kind != MW_KIND_BYTES && kind != MW_KIND_MESSAGE;
}

int mw_build_check_number(struct mw_builder *b, const char *type, const FieldProto *proto) {
  bool reserved = proto->number >= FIRST_RESERVED_NUMBER && proto->number <= LAST_RESERVED_NUMBER;
  if (proto->number >= 1 && proto->number <= MAX_FIELD_NUMBER && !reserved) return 0;
  return mw_build_fail(b, MW_EFORMAT, "%s.%s: number %d: expected 1 to %d, and not %d to %d", type, proto->name,
                       proto->number, MAX_FIELD_NUMBER, FIRST_RESERVED_NUMBER, LAST_RESERVED_NUMBER);
}

/* Sets the field's kind and, for messages and enums, the type that its name refers to. */
static int link_type(struct mw_builder *b, const char *where, const FieldProto *proto, struct mw_field *field) {
  const struct mw_symbol *symbol = proto->type_name ? mw_build_find(b, proto->type_name) : NULL;
  int kind = proto->has_type ? (int)proto->type : 0;
  if (proto->type_name) {
    if (!symbol || (symbol->kind != MW_SYMBOL_MESSAGE && symbol->kind != MW_SYMBOL_ENUM)) {
      return mw_build_fail(b, MW_EFORMAT, "%s: there is no type \"%s\"", where, proto->type_name);
    }
    int named = symbol->kind == MW_SYMBOL_MESSAGE ? MW_KIND_MESSAGE : MW_KIND_ENUM;
    if (kind == 0) kind = named;
    if (kind != named) {
      return mw_build_fail(b, MW_EFORMAT, "%s: \"%s\" is not %s, as the field's type requires", where, proto->type_name,
                           kind == MW_KIND_MESSAGE ? "a message"
                           : kind == MW_KIND_ENUM  ? "an enum"
                                                   : "a scalar");
    }
    if (kind == MW_KIND_MESSAGE) field->message = symbol->type;
    if (kind == MW_KIND_ENUM) field->enumeration = symbol->type;
  } else if (kind < MW_KIND_DOUBLE || kind > MW_KIND_SINT64 || kind == MW_KIND_MESSAGE || kind == MW_KIND_ENUM) {
    return mw_build_fail(b, MW_EFORMAT, "%s: has no type", where);
  }
  field->kind = (enum mw_kind)kind;
  return 0;
}

/* Converts "status_filter" to "statusFilter", as protoc does. Returns NULL without memory. */
static char *json_name_of(struct mw_builder *b, const char *name) {
  char *copy = mw_build_copy(b, name);
  if (!copy) return NULL;
  char *out = copy;
  bool upper = false;
  for (const char *in = copy; *in; in++) {
    if (*in == '_') {
      upper = true;
    } else {
      *out++ = upper && *in >= 'a' && *in <= 'z' ? (char)(*in - 'a' + 'A') : *in;
      upper = false;
    }
  }
  *out = '\0';
  return copy;
}

static int name_field(struct mw_builder *b, const char *where, const FieldProto *proto, struct mw_field *field) {
  if (proto->json_name && !mw_utf8_valid(mw_slice_str(proto->json_name))) {
    return mw_build_fail(b, MW_EFORMAT, "%s: the JSON name is not valid UTF-8", where);
  }
  field->name = mw_build_copy(b, proto->name);
  field->json_name = proto->json_name ? mw_build_copy(b, proto->json_name) : json_name_of(b, proto->name);
  return field->name && field->json_name ? 0 : mw_build_no_memory(b);
}

/* Applies label and options. The field's kind is already set. */
static int apply_label(struct mw_builder *b, const char *where, const FieldProto *proto, struct mw_field *field) {
  int label = proto->has_label ? (int)proto->label : LABEL_OPTIONAL;
  if (label < LABEL_OPTIONAL || label > LABEL_REPEATED) {
    return mw_build_fail(b, MW_EFORMAT, "%s: label %d: expected optional, required or repeated", where, label);
  }
  if (label != LABEL_OPTIONAL && proto->has_oneof_index) {
    return mw_build_fail(b, MW_EFORMAT, "%s: a member of a oneof must be neither required nor repeated", where);
  }
  field->repeated = label == LABEL_REPEATED;
  field->required = label == LABEL_REQUIRED;
  field->has_presence = !field->repeated && (!b->proto3 || field->kind == MW_KIND_MESSAGE || proto->has_oneof_index);
  bool has_packed_option = proto->options && proto->options->has_packed;
  field->packed = field->repeated && packable(field->kind) && (has_packed_option ? proto->options->packed : b->proto3);
  if (field->message && field->message->map_entry) {
    if (!field->repeated) return mw_build_fail(b, MW_EFORMAT, "%s: a map must be repeated", where);
    field->map = true;
  }
  return 0;
}

static int link_default(struct mw_builder *b, const char *where, const FieldProto *proto, struct mw_field *field) {
  bool singular = !field->repeated && field->kind != MW_KIND_MESSAGE;
  if (proto->default_value) {
    if (!singular || b->proto3) {
      return mw_build_fail(b, MW_EFORMAT, "%s: only a singular scalar field of proto2 can have a default", where);
    }
    return mw_build_default(b, where, proto->default_value, field);
  }
  /* A proto2 enum need not begin with 0; an unset field reads as its first value. */
  bool enum_default = singular && field->kind == MW_KIND_ENUM && field->has_presence;
  if (enum_default && field->enumeration->values[0].number != 0) {
    field->default_value = &field->enumeration->values[0].number;
  }
  return 0;
}

int mw_build_field(struct mw_builder *b, const char *type, const FieldProto *proto, struct mw_field *field) {
  struct mw_arena *scratch = &b->scratch;
  size_t size = strlen(type) + 1 + strlen(proto->name) + 1;
  char *where = mw_arena_alloc(scratch, size);
  if (!where) return mw_build_no_memory(b);
  snprintf(where, size, "%s.%s", type, proto->name);
  field->number = (uint32_t)proto->number;
  int rc = name_field(b, where, proto, field);
  if (rc == 0) rc = link_type(b, where, proto, field);
  if (rc == 0) rc = apply_label(b, where, proto, field);
  if (rc == 0) rc = link_default(b, where, proto, field);
  return rc;
}

/* ---- the fields of a message ---- */

static int compare_field_protos(const void *a, const void *b) {
  const FieldProto *x = *(const FieldProto *const *)a, *y = *(const FieldProto *const *)b;
  return x->number < y->number ? -1 : x->number > y->number;
}

static int compare_names(const void *a, const void *b) {
  const struct mw_field *x = *(const struct mw_field *const *)a, *y = *(const struct mw_field *const *)b;
  return strcmp(x->name, y->name);
}

static int compare_json_names(const void *a, const void *b) {
  const struct mw_field *x = *(const struct mw_field *const *)a, *y = *(const struct mw_field *const *)b;
  return strcmp(x->json_name, y->json_name);
}

/* Sorts the declared fields by number, in scratch memory. Omits groups, which are kept as unknown fields. */
static int sort_fields(struct mw_builder *b, const char *type, const Google__Protobuf__DescriptorProto *proto,
                       const FieldProto ***out, size_t *n) {
  const FieldProto **sorted = mw_arena_calloc(&b->scratch, proto->n_field, sizeof *sorted);
  if (!sorted) return mw_build_no_memory(b);
  for (size_t i = 0; i < proto->n_field; i++) {
    sorted[i] = proto->field[i];
    int rc = mw_build_check_number(b, type, sorted[i]);
    if (rc != 0) return rc;
  }
  qsort(sorted, proto->n_field, sizeof *sorted, compare_field_protos);
  size_t kept = 0;
  for (size_t i = 0; i < proto->n_field; i++) {
    if (i + 1 < proto->n_field && sorted[i]->number == sorted[i + 1]->number) {
      return mw_build_fail(b, MW_EFORMAT, "%s: fields \"%s\" and \"%s\" have the same number, %d", type,
                           sorted[i]->name, sorted[i + 1]->name, sorted[i]->number);
    }
    bool group = sorted[i]->has_type && (int)sorted[i]->type == TYPE_GROUP;
    if (!group) sorted[kept++] = sorted[i];
  }
  *out = sorted;
  *n = kept;
  return 0;
}

/* Tally of a declared oneof's members, taken before the real oneofs are placed. */
struct oneof_tally {
  size_t declared; /* members, groups included */
  size_t kept;     /* members that are fields of the type */
  bool synthetic;  /* implements proto3 `optional` */
  struct mw_oneof *oneof;
  const struct mw_field **members;
};

static int tally_oneofs(struct mw_builder *b, const char *type, const Google__Protobuf__DescriptorProto *proto,
                        struct oneof_tally *tallies) {
  for (size_t i = 0; i < proto->n_field; i++) {
    const FieldProto *field = proto->field[i];
    if (!field->has_oneof_index) continue;
    if (field->oneof_index < 0 || (size_t)field->oneof_index >= proto->n_oneof_decl) {
      return mw_build_fail(b, MW_EFORMAT, "%s.%s: there is no oneof number %d", type, field->name, field->oneof_index);
    }
    struct oneof_tally *tally = &tallies[field->oneof_index];
    tally->declared++;
    tally->kept += !(field->has_type && (int)field->type == TYPE_GROUP);
    tally->synthetic |= field->proto3_optional != 0;
  }
  for (size_t i = 0; i < proto->n_oneof_decl; i++) {
    const char *name = proto->oneof_decl[i]->name;
    if (tallies[i].declared == 0) return mw_build_fail(b, MW_EFORMAT, "%s: oneof \"%s\" has no members", type, name);
    if (tallies[i].synthetic && tallies[i].declared > 1) {
      return mw_build_fail(b, MW_EFORMAT, "%s: an optional field is in oneof \"%s\" with others", type, name);
    }
  }
  return 0;
}

static int link_oneofs(struct mw_builder *b, struct mw_message_plan *plan, struct mw_message_type *type,
                       const FieldProto *const *protos) {
  const Google__Protobuf__DescriptorProto *proto = plan->proto;
  struct mw_arena *arena = &b->pool->arena;
  struct oneof_tally *tallies = mw_arena_calloc(&b->scratch, proto->n_oneof_decl, sizeof *tallies);
  plan->oneofs = mw_arena_calloc(arena, proto->n_oneof_decl, sizeof *plan->oneofs);
  if (!tallies || !plan->oneofs) return mw_build_no_memory(b);
  int rc = tally_oneofs(b, type->full_name, proto, tallies);
  if (rc != 0) return rc;
  for (size_t i = 0; i < proto->n_oneof_decl; i++) {
    struct oneof_tally *tally = &tallies[i];
    if (tally->synthetic || tally->kept == 0) continue;
    tally->oneof = &plan->oneofs[type->n_oneofs++];
    tally->members = mw_arena_calloc(arena, tally->kept, sizeof *tally->members);
    tally->oneof->name = mw_build_copy(b, proto->oneof_decl[i]->name);
    tally->oneof->members = tally->members;
    if (!tally->members || !tally->oneof->name) return mw_build_no_memory(b);
  }
  for (size_t i = 0; i < type->n_fields; i++) {
    struct oneof_tally *tally = protos[i]->has_oneof_index ? &tallies[protos[i]->oneof_index] : NULL;
    if (!tally || !tally->oneof) continue;
    plan->fields[i].oneof = tally->oneof;
    tally->members[tally->oneof->n_members++] = &plan->fields[i];
  }
  type->oneofs = plan->oneofs;
  return 0;
}

static int index_fields(struct mw_builder *b, struct mw_message_type *type) {
  type->by_name = mw_arena_calloc(&b->pool->arena, type->n_fields, sizeof *type->by_name);
  type->by_json_name = mw_arena_calloc(&b->pool->arena, type->n_fields, sizeof *type->by_json_name);
  if (!type->by_name || !type->by_json_name) return mw_build_no_memory(b);
  for (size_t i = 0; i < type->n_fields; i++) type->by_name[i] = type->by_json_name[i] = &type->fields[i];
  qsort(type->by_name, type->n_fields, sizeof *type->by_name, compare_names);
  qsort(type->by_json_name, type->n_fields, sizeof *type->by_json_name, compare_json_names);
  return 0;
}

static int link_message(struct mw_builder *b, struct mw_message_plan *plan, struct mw_message_type *type) {
  const FieldProto **protos = NULL;
  int rc = sort_fields(b, type->full_name, plan->proto, &protos, &type->n_fields);
  if (rc != 0) return rc;
  plan->fields = mw_arena_calloc(&b->pool->arena, type->n_fields, sizeof *plan->fields);
  if (!plan->fields) return mw_build_no_memory(b);
  type->fields = plan->fields;
  for (size_t i = 0; i < type->n_fields; i++) {
    rc = mw_build_field(b, type->full_name, protos[i], &plan->fields[i]);
    if (rc != 0) return rc;
    type->has_required |= plan->fields[i].required;
    type->has_defaults |= plan->fields[i].default_value != NULL;
  }
  rc = link_oneofs(b, plan, type, protos);
  return rc == 0 ? index_fields(b, type) : rc;
}

/* ---- after all messages are linked ---- */

/* Checks a map's entry type: `key` and `value`, and a kind that is allowed for keys. */
static int check_map_entry(struct mw_builder *b, const struct mw_message_type *type) {
  const struct mw_field *fields = type->fields;
  bool ok = type->n_fields == 2 && type->n_oneofs == 0 && fields[0].number == 1 && fields[1].number == 2 &&
            !fields[0].repeated && !fields[1].repeated;
  if (!ok) return mw_build_fail(b, MW_EFORMAT, "%s: a map entry must have a key = 1 and a value = 2", type->full_name);
  switch (fields[0].kind) {
    case MW_KIND_DOUBLE:
    case MW_KIND_FLOAT:
    case MW_KIND_MESSAGE:
    case MW_KIND_BYTES:
    case MW_KIND_ENUM:
      return mw_build_fail(b, MW_EFORMAT, "%s: a map's key must be an integer, a boolean or a string, not %s",
                           type->full_name, mw_field_type_name(&fields[0]));
    default: return 0;
  }
}

/* Propagates has_required from messages to those that contain them, until nothing changes. */
static void spread_required(struct mw_pool *pool) {
  for (bool changed = true; changed;) {
    changed = false;
    for (size_t i = 0; i < pool->n_messages; i++) {
      struct mw_message_type *type = &pool->messages[i];
      for (size_t k = 0; k < type->n_fields && !type->has_required; k++) {
        const struct mw_message_type *inner = type->fields[k].message;
        if (inner && inner->has_required) changed = type->has_required = true;
      }
    }
  }
}

static int link_messages(struct mw_builder *b) {
  struct mw_pool *pool = b->pool;
  for (size_t i = 0; i < pool->n_messages; i++) {
    b->file = b->messages[i].file;
    b->proto3 = b->messages[i].proto3;
    int rc = link_message(b, &b->messages[i], &pool->messages[i]);
    if (rc != 0) return rc;
  }
  for (size_t i = 0; i < pool->n_messages; i++) {
    struct mw_message_type *type = &pool->messages[i];
    b->file = b->messages[i].file;
    int rc = type->map_entry ? check_map_entry(b, type) : 0;
    if (rc != 0) return rc;
    type->wellknown = mw_wellknown_kind(type->full_name);
    rc = mw_layout_message(&pool->arena, type, b->messages[i].fields, b->messages[i].oneofs, &b->message_descs[i]);
    if (rc != 0) return mw_build_no_memory(b);
  }
  spread_required(pool);
  return 0;
}

/* ---- services ---- */

const struct mw_message_type *mw_build_find_message(const struct mw_builder *b, const char *name) {
  const struct mw_symbol *symbol = name ? mw_build_find(b, name) : NULL;
  return symbol && symbol->kind == MW_SYMBOL_MESSAGE ? symbol->type : NULL;
}

static int link_method(struct mw_builder *b, const struct mw_service_type *service,
                       const Google__Protobuf__MethodDescriptorProto *proto, struct mw_method_type *method) {
  *method = (struct mw_method_type){
      .name = mw_build_copy(b, proto->name),
      .service = service,
      .input = mw_build_find_message(b, proto->input_type),
      .output = mw_build_find_message(b, proto->output_type),
      .client_streaming = proto->client_streaming,
      .server_streaming = proto->server_streaming,
  };
  const char *missing = !method->input ? proto->input_type : !method->output ? proto->output_type : NULL;
  if (!method->input || !method->output) {
    return mw_build_fail(b, MW_EFORMAT, "%s.%s: there is no message \"%s\"", service->full_name, proto->name,
                         missing ? missing : "");
  }
  size_t size = strlen(service->full_name) + strlen(proto->name) + 3;
  char *path = mw_arena_alloc(&b->pool->arena, size);
  if (!path || !method->name) return mw_build_no_memory(b);
  snprintf(path, size, "/%s/%s", service->full_name, proto->name);
  method->path = path;
  return mw_map_set(&b->pool->methods, mw_slice_str(path), method) == 0 ? 0 : mw_build_no_memory(b);
}

static int compare_services(const void *a, const void *b) {
  const struct mw_service_type *x = *(const struct mw_service_type *const *)a;
  const struct mw_service_type *y = *(const struct mw_service_type *const *)b;
  return strcmp(x->full_name, y->full_name);
}

static int link_services(struct mw_builder *b) {
  struct mw_pool *pool = b->pool;
  for (size_t i = 0; i < b->n_services; i++) {
    const struct mw_service_plan *plan = &b->services[i];
    struct mw_method_type *methods = mw_arena_calloc(&pool->arena, plan->proto->n_method, sizeof *methods);
    if (!methods) return mw_build_no_memory(b);
    b->file = plan->file;
    for (size_t k = 0; k < plan->proto->n_method; k++) {
      int rc = link_method(b, plan->type, plan->proto->method[k], &methods[k]);
      if (rc != 0) return rc;
    }
    plan->type->methods = methods;
    plan->type->n_methods = plan->proto->n_method;
    pool->services[pool->n_services++] = plan->type;
  }
  qsort(pool->services, pool->n_services, sizeof *pool->services, compare_services);
  return 0;
}

int mw_build_link(struct mw_builder *b) {
  int rc = link_messages(b);
  return rc == 0 ? link_services(b) : rc;
}
