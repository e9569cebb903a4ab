#include "bind/message/message_read.h"

#include <stdio.h>

#include "bind/message/marker.h"
#include "bind/message/message.h"
#include "bind/message/packed.h"
#include "schema/wire/scan.h"
#include "schema/wire/wire.h"

int mw_read_no_memory(struct mw_reader *r, const struct mw_path *path) {
  if (mw_arena_over(r->arena)) {
    return mw_path_fail(r->err, r->L, path, MW_ELIMIT,
                        "the message takes too much memory, more than the %zu bytes of limits.unpack_bytes",
                        r->arena->budget);
  }
  return mw_path_fail(r->err, r->L, path, MW_ENOMEM, "out of memory");
}

int mw_read_new(struct mw_reader *r, const struct mw_message_type *type, const struct mw_path *path,
                ProtobufCMessage **out) {
  *out = mw_message_new(type, r->arena);
  return *out ? 0 : mw_read_no_memory(r, path);
}

/* Rejects a table with weak references. A message borrows its strings from the tables that it is read from, which must
 * keep their values until it is packed. */
static int check_strong(struct mw_reader *r, int at, const struct mw_path *path) {
  if (!mw_bind_is_weak(r->L, at)) return 0;
  return mw_path_fail(r->err, r->L, path, MW_EINVAL,
                      "expected a table that keeps its values, got one with weak references (__mode)");
}

/* ---- singular fields ---- */

static int read_element(struct mw_reader *r, int at, const struct mw_field *field, const struct mw_path *path,
                        void *slot) {
  if (field->kind == MW_KIND_MESSAGE) return mw_read_message(r, at, field->message, path, slot);
  return mw_read_scalar(r, at, field, path, slot);
}

static int fail_oneof(struct mw_reader *r, const struct mw_field *field, uint32_t other,
                      const struct mw_path *message_path) {
  const struct mw_path here = {.parent = message_path, .name = field->oneof->name};
  const char *first = field->name, *second = first;
  for (size_t i = 0; i < field->oneof->n_members; i++) {
    const struct mw_field *member = field->oneof->members[i];
    if (member->number != other) continue;
    if (other < field->number) first = member->name;
    else second = member->name;
  }
  return mw_path_fail(r->err, r->L, &here, MW_EINVAL, "both \"%s\" and \"%s\" are set; a oneof holds one at most",
                      first, second);
}

int mw_read_singular(struct mw_reader *r, int at, const struct mw_field *field, const struct mw_path *message_path,
                     ProtobufCMessage *message) {
  if (field->oneof && *mw_field_case(message, field) != 0) {
    return fail_oneof(r, field, *mw_field_case(message, field), message_path);
  }
  const struct mw_path here = {.parent = message_path, .name = field->name};
  int rc = read_element(r, at, field, &here, mw_field_value(message, field));
  if (rc == 0) mw_field_mark(message, field);
  return rc;
}

/* ---- repeated fields and maps ---- */

static int fail_hole(struct mw_reader *r, lua_Integer beyond, int at, const struct mw_path *path) {
  lua_Integer hole = 1;
  while (lua_rawgeti(r->L, at, hole) != LUA_TNIL) {
    mw_budget_tick(r->L, &r->steps);
    lua_pop(r->L, 1);
    hole++;
  }
  const struct mw_path here = {.parent = path, .index = hole};
  return mw_path_fail(r->err, r->L, &here, MW_EINVAL,
                      "no element here, but one at " LUA_INTEGER_FMT "; a sequence has no holes", (LUAI_UACINT)beyond);
}

/* Reads every pair of the table as an element of a sequence of `n`. */
static int read_elements(struct mw_reader *r, int at, const struct mw_field *field, const struct mw_path *path,
                         size_t n, char *slots) {
  lua_State *L = r->L;
  size_t size = mw_kind_size(field->kind), read = 0;
  int key = lua_gettop(L) + 1;
  lua_Integer index = 0;
  lua_pushnil(L);
  for (; lua_next(L, at); lua_settop(L, key), read++) {
    mw_budget_tick(L, &r->steps);
    struct mw_path here = {.parent = path, .key = key};
    if (!lua_isinteger(L, key) || lua_tointeger(L, key) < 1) {
      return mw_path_fail(r->err, L, &here, MW_EINVAL, "expected a sequence of %s, which has the keys 1, 2, 3 ... only",
                          mw_field_type_name(field));
    }
    index = here.index = lua_tointeger(L, key);
    if ((lua_Unsigned)index > n) return fail_hole(r, index, at, path);
    int rc = read_element(r, key + 1, field, &here, slots + (size_t)(index - 1) * size);
    if (rc != 0) return rc;
  }
  return read == n ? 0 : fail_hole(r, (lua_Integer)n, at, path);
}

int mw_read_sequence(struct mw_reader *r, int at, const struct mw_field *field, const struct mw_path *path,
                     ProtobufCMessage *message) {
  if (!lua_istable(r->L, at)) {
    char expected[300];
    snprintf(expected, sizeof expected, "a sequence of %s", mw_field_type_name(field));
    return mw_path_fail_value(r->err, r->L, path, at, expected, "");
  }
  luaL_checkstack(r->L, 8, "message nested too deep");
  int rc = check_strong(r, at, path);
  if (rc != 0) return rc;
  size_t n = lua_rawlen(r->L, at);
  char *slots = NULL;
  if (n > 0) {
    slots = mw_arena_calloc(r->arena, n, mw_kind_size(field->kind));
    if (!slots) return mw_read_no_memory(r, path);
  }
  rc = read_elements(r, at, field, path, n, slots);
  if (rc != 0) return rc;
  *(char **)mw_field_value(message, field) = slots;
  *mw_field_count(message, field) = n;
  return 0;
}

/* Reads a pair. The key must fit the key field of the entry. */
static int read_entry(struct mw_reader *r, int key, const struct mw_field *field, const struct mw_path *path,
                      ProtobufCMessage **out) {
  const struct mw_field *fields = field->message->fields;
  const struct mw_path here = {.parent = path, .key = key};
  const struct mw_path here_key = {.parent = path, .key = key, .is_key = true};
  ProtobufCMessage *entry;
  int rc = mw_read_new(r, field->message, path, &entry);
  if (rc == 0) rc = mw_read_scalar(r, key, &fields[0], &here_key, mw_field_value(entry, &fields[0]));
  if (rc == 0) rc = read_element(r, key + 1, &fields[1], &here, mw_field_value(entry, &fields[1]));
  if (rc != 0) return rc;
  mw_field_mark(entry, &fields[0]);
  mw_field_mark(entry, &fields[1]);
  *out = entry;
  return 0;
}

static size_t count_pairs(struct mw_reader *r, int at) {
  size_t n = 0;
  lua_pushnil(r->L);
  for (; lua_next(r->L, at); lua_pop(r->L, 1)) {
    mw_budget_tick(r->L, &r->steps);
    n++;
  }
  return n;
}

int mw_read_map(struct mw_reader *r, int at, const struct mw_field *field, const struct mw_path *path,
                ProtobufCMessage *message) {
  lua_State *L = r->L;
  if (!lua_istable(L, at)) return mw_path_fail_value(r->err, L, path, at, "a table of keys and values", "");
  luaL_checkstack(L, 8, "message nested too deep");
  int rc = check_strong(r, at, path);
  if (rc != 0) return rc;
  size_t n = count_pairs(r, at);
  if (n == 0) return 0;
  ProtobufCMessage **entries = mw_arena_calloc(r->arena, n, sizeof *entries);
  if (!entries) return mw_read_no_memory(r, path);
  int key = lua_gettop(L) + 1;
  size_t i = 0;
  r->depth++;
  lua_pushnil(L);
  for (; lua_next(L, at); lua_settop(L, key)) {
    mw_budget_tick(L, &r->steps);
    rc = read_entry(r, key, field, path, &entries[i++]);
    if (rc != 0) return rc;
  }
  r->depth--;
  *(ProtobufCMessage ***)mw_field_value(message, field) = entries;
  *mw_field_count(message, field) = n;
  return 0;
}

/* ---- messages ---- */

static const char *name_of_field(const void *ctx, size_t i) {
  const struct mw_message_type *type = ctx;
  return type->fields[i].name;
}

/* Returns the error for a key that names no field. */
static int fail_key(struct mw_reader *r, int key, const struct mw_message_type *type, const struct mw_path *path) {
  struct mw_path here = {.parent = path, .key = key};
  if (lua_type(r->L, key) != LUA_TSTRING) {
    return mw_path_fail(r->err, r->L, &here, MW_EINVAL, "no such field; the keys of a message are field names");
  }
  size_t len;
  const char *name = lua_tolstring(r->L, key, &len);
  if (strlen(name) == len && mw_utf8_valid(mw_slice(name, len)) && !strpbrk(name, " .\n\r\t\"")) here.name = name;
  for (size_t i = 0; i < type->n_oneofs; i++) {
    if (strcmp(type->oneofs[i].name, name) == 0) {
      return mw_path_fail(r->err, r->L, &here, MW_EINVAL, "a oneof is set by setting one of its members");
    }
  }
  const char *nearest = mw_nearest(name, type->n_fields, name_of_field, type);
  if (!nearest) return mw_path_fail(r->err, r->L, &here, MW_EINVAL, "no such field");
  return mw_path_fail(r->err, r->L, &here, MW_EINVAL, "no such field (did you mean \"%s\"?)", nearest);
}

static const struct mw_field *find_field(lua_State *L, int key, const struct mw_message_state *state) {
  int position = mw_name_index_find(&state->names, lua_topointer(L, key));
  if (position >= 0) return &state->type->fields[position];
  if (lua_type(L, key) != LUA_TSTRING) return NULL;
  size_t len;
  const char *name = lua_tolstring(L, key, &len);
  return mw_field_by_name(state->type, mw_slice(name, len));
}

static int read_field(struct mw_reader *r, int at, const struct mw_field *field, const struct mw_path *path,
                      ProtobufCMessage *message) {
  if (!field->repeated) return mw_read_singular(r, at, field, path, message);
  const struct mw_path here = {.parent = path, .name = field->name};
  if (field->map) return mw_read_map(r, at, field, &here, message);
  return mw_read_sequence(r, at, field, &here, message);
}

static int check_required(struct mw_reader *r, const struct mw_message_type *type, const struct mw_path *path,
                          const ProtobufCMessage *message) {
  for (size_t i = 0; i < type->n_fields; i++) {
    const struct mw_field *field = &type->fields[i];
    if (!field->required || mw_field_is_set(message, field)) continue;
    const struct mw_path here = {.parent = path, .name = field->name};
    return mw_path_fail(r->err, r->L, &here, MW_EINVAL, "required, but not set; expected %s",
                        mw_field_type_name(field));
  }
  return 0;
}

/* Adds the unknown fields that came with the table to the message. */
static int attach_unknowns(struct mw_reader *r, int at, const struct mw_path *path, ProtobufCMessage *message) {
  lua_State *L = r->L;
  mw_messages_push_unknowns(L);
  lua_pushvalue(L, at);
  lua_rawget(L, -2);
  size_t len = 0;
  const char *bytes = lua_tolstring(L, -1, &len);
  lua_pop(L, 2);
  if (len == 0) return 0;
  if (mw_read_charge(r, len, path) != 0) return MW_ELIMIT;
  message->unknown_fields = mw_arena_alloc(r->arena, sizeof *message->unknown_fields);
  if (!message->unknown_fields) return mw_read_no_memory(r, path);
  message->unknown_fields[0] = mw_wire_unknown_field(mw_slice(bytes, len));
  message->n_unknown_fields = 1;
  return 0;
}

/* Rejects a table that is a message of another type, even if its fields fit. Accepts a message of the same type of
 * another program. Sets `may_have_unknowns` if the table can have unknown fields. */
static int check_metatable(struct mw_reader *r, int at, const struct mw_message_state *state,
                           const struct mw_path *path, bool *may_have_unknowns) {
  *may_have_unknowns = false;
  if (!lua_getmetatable(r->L, at)) return 0;
  const void *metatable = lua_topointer(r->L, -1);
  lua_pop(r->L, 1);
  if (metatable == state->metatable) {
    *may_have_unknowns = r->messages->unknowns;
    return 0;
  }
  const struct mw_message_state *other = mw_message_state_at(r->L, at);
  if (other && strcmp(other->type->full_name, state->type->full_name) != 0) {
    return mw_path_fail_value(r->err, r->L, path, at, state->type->full_name, "");
  }
  *may_have_unknowns = other != NULL;
  return other ? 0 : check_strong(r, at, path);
}

int mw_read_fields(struct mw_reader *r, int at, const struct mw_message_type *type, const struct mw_path *path,
                   ProtobufCMessage **out) {
  lua_State *L = r->L;
  const struct mw_message_state *state = &r->messages->types[type->index];
  ProtobufCMessage *message;
  bool may_have_unknowns;
  if (!lua_istable(L, at)) return mw_path_fail_value(r->err, L, path, at, type->full_name, "");
  if (r->depth > 1) luaL_checkstack(L, 8, "message nested too deep"); /* for the outermost: mw_bind_to_message() */
  int rc = check_metatable(r, at, state, path, &may_have_unknowns);
  if (rc == 0) rc = mw_read_new(r, type, path, &message);
  if (rc != 0) return rc;
  int key = lua_gettop(L) + 1;
  lua_pushnil(L);
  mw_budget_spend(L, &r->steps, MW_BUDGET_WALK);
  for (; lua_next(L, at); lua_settop(L, key)) {
    const struct mw_field *field = find_field(L, key, state);
    rc = field ? read_field(r, key + 1, field, path, message) : fail_key(r, key, type, path);
    if (rc != 0) return rc;
  }
  if (state->has_required) rc = check_required(r, type, path, message);
  if (rc == 0 && may_have_unknowns) rc = attach_unknowns(r, at, path, message);
  *out = message;
  return rc;
}

/* Unpacks a packed message into the message that is being made. */
static int read_packed(struct mw_reader *r, int at, const struct mw_packed *packed, const struct mw_message_type *type,
                       const struct mw_path *path, ProtobufCMessage **out) {
  if (strcmp(packed->type->full_name, type->full_name) != 0) {
    return mw_path_fail_value(r->err, r->L, path, at, type->full_name, "");
  }
  struct mw_scan unused;
  mw_budget_bytes(r->L, &r->steps, packed->bytes.len);
  int rc = mw_scan_nested(type, packed->bytes, (unsigned)r->depth, &unused, r->err);
  return rc != 0 ? rc : mw_message_view(type, packed->bytes, r->arena, out, r->err);
}

int mw_read_message(struct mw_reader *r, int at, const struct mw_message_type *type, const struct mw_path *path,
                    ProtobufCMessage **out) {
  if (r->depth >= MW_MESSAGE_DEPTH) {
    return mw_path_fail(r->err, r->L, path, MW_ELIMIT, "more than %d messages within each other", MW_MESSAGE_DEPTH);
  }
  const struct mw_packed *packed = mw_packed_at(r->L, at);
  if (packed) return read_packed(r, at, packed, type, path, out);
  r->depth++;
  int rc = type->wellknown == MW_WKT_NONE ? mw_read_fields(r, at, type, path, out)
                                          : mw_read_wellknown(r, at, type, path, out);
  r->depth--;
  return rc;
}

int mw_bind_to_message(lua_State *L, int index, struct mw_program *program, const struct mw_message_type *type,
                       struct mw_arena *arena, ProtobufCMessage **out, struct mw_err *err) {
  struct mw_reader reader = {.L = L, .messages = mw_messages_of(program), .arena = arena, .err = err};
  const struct mw_path root = {.name = type->full_name};
  int top = lua_gettop(L);
  ProtobufCMessage *message = NULL;
  luaL_checkstack(L, 8, NULL);
  int rc = mw_read_message(&reader, lua_absindex(L, index), type, &root, &message);
  if (rc == 0) {
    *out = message;
  } else {
    lua_settop(L, top);
  }
  return rc;
}
