#include "random_message.h"

#include "schema/wire/wire.h"
#include "schema/wire/write.h"

static uint64_t rng_state;

/* xorshift64 */
static uint64_t rng(void) {
  rng_state ^= rng_state << 13;
  rng_state ^= rng_state >> 7;
  rng_state ^= rng_state << 17;
  return rng_state;
}

void random_seed(uint64_t seed) { rng_state = seed; }
size_t random_below(size_t n) { return (size_t)(rng() >> 11) % n; }
bool random_one_in(size_t n) { return random_below(n) == 0; }

static void put_sized(struct mw_buf *out, const struct mw_buf *bytes) {
  mw_wire_put_varint(out, bytes->len);
  mw_buf_append(out, bytes->data ? bytes->data : (const uint8_t *)"", bytes->len);
}

uint64_t random_integer(void) {
  static const uint64_t edges[] = {0,          1,         2,         127, 128, INT32_MAX, (uint64_t)INT32_MIN,
                                   UINT32_MAX, INT64_MAX, 1ull << 63};
  return random_one_in(3) ? rng() >> random_below(64)
                          : edges[random_below(sizeof edges / sizeof *edges)] * (random_one_in(8) ? UINT64_MAX : 1);
}

static void put_raw(struct mw_buf *out, size_t len) {
  uint64_t value = random_integer();
  mw_buf_append(out, &value, len);
}

static void put_text(struct mw_buf *out) {
  static const char *const texts[] = {
      "", "a", "Hello", "\xe2\x82\xac", "\xf0\x9f\x8c\x99 moon", "a longer line of text"};
  const char *text = texts[random_below(sizeof texts / sizeof *texts)];
  mw_wire_put_varint(out, strlen(text));
  mw_buf_puts(out, text);
}

/* Appends a tag and a random value of any wire type under `number`. */
static void put_unknown(struct mw_buf *out, uint32_t number, unsigned wire, unsigned depth) {
  mw_wire_put_tag(out, number, wire);
  switch (wire) {
    case MW_WIRE_VARINT: mw_wire_put_varint(out, random_integer()); break;
    case MW_WIRE_I64: put_raw(out, 8); break;
    case MW_WIRE_I32: put_raw(out, 4); break;
    case MW_WIRE_LEN: put_text(out); break;
    default:
      for (size_t n = random_below(3); n > 0 && depth < 4; n--)
        put_unknown(out, 20, (unsigned)random_below(4), depth + 1);
      mw_wire_put_tag(out, number, MW_WIRE_END_GROUP);
  }
}

static unsigned random_wire(void) { return (const unsigned[]){0, 1, 2, 3, 5}[random_below(5)]; }

static void put_message(struct mw_buf *out, const struct mw_message_type *type, unsigned depth);

/* Mostly a value of Color or Closed. At most 32 bits, as protoc truncates larger ones unless they are packed. */
static uint64_t random_enum(void) {
  return random_one_in(4) ? (uint64_t)(int32_t)(uint32_t)random_integer() : random_below(4);
}

/* Appends a random value of the field's kind, without its tag. */
static void put_value(struct mw_buf *out, const struct mw_field *field, unsigned depth) {
  struct mw_buf inner = MW_BUF_INIT;
  switch (mw_wire_of_kind(field->kind)) {
    case MW_WIRE_I64: put_raw(out, 8); return;
    case MW_WIRE_I32: put_raw(out, 4); return;
    case MW_WIRE_VARINT:
      mw_wire_put_varint(out, field->kind == MW_KIND_ENUM ? random_enum() : random_integer());
      return;
    default: break;
  }
  if (field->kind != MW_KIND_MESSAGE) {
    put_text(out);
    return;
  }
  put_message(&inner, field->message, depth + 1);
  put_sized(out, &inner);
  mw_buf_fini(&inner);
}

static void put_packed(struct mw_buf *out, const struct mw_field *field) {
  struct mw_buf values = MW_BUF_INIT;
  for (size_t n = random_below(5); n > 0; n--) put_value(&values, field, 0);
  mw_wire_put_tag(out, field->number, MW_WIRE_LEN);
  put_sized(out, &values);
  mw_buf_fini(&values);
}

static void put_known(struct mw_buf *out, const struct mw_field *field, unsigned depth) {
  unsigned wire = mw_wire_of_kind(field->kind);
  if (field->repeated && wire != MW_WIRE_LEN && random_one_in(2)) {
    put_packed(out, field);
    return;
  }
  mw_wire_put_tag(out, field->number, wire);
  put_value(out, field, depth);
}

static void put_any(struct mw_buf *out, const struct mw_message_type *type, unsigned depth) {
  const struct mw_field *field = type->n_fields ? &type->fields[random_below(type->n_fields)] : NULL;
  uint32_t number = (uint32_t)random_below(300) + 1;
  if (field && !random_one_in(8) && (field->kind != MW_KIND_MESSAGE || depth < 6)) {
    put_known(out, field, depth);
  } else if (field && !field->repeated && random_one_in(2)) {
    unsigned wire = random_wire();
    if (!mw_wire_fits(field, wire)) put_unknown(out, field->number, wire, 0);
  } else if (!mw_field_by_number(type, number) && number != 101) { /* 101: an extension with a required field */
    put_unknown(out, number, random_wire(), 0);
  }
}

/* protoc drops unknown fields of map entries, so they get none. */
static void put_entry(struct mw_buf *out, const struct mw_message_type *type, unsigned depth) {
  for (size_t i = 0; i < type->n_fields; i++) {
    const struct mw_field *field = &type->fields[i];
    if (random_one_in(6)) continue;
    mw_wire_put_tag(out, field->number, mw_wire_of_kind(field->kind));
    if (field->kind == MW_KIND_ENUM) {
      mw_wire_put_varint(out, random_below(2));
    } else {
      put_value(out, field, depth);
    }
  }
}

static void put_message(struct mw_buf *out, const struct mw_message_type *type, unsigned depth) {
  if (type->map_entry) {
    put_entry(out, type, depth);
    return;
  }
  for (size_t n = random_below(depth < 3 ? 12 : 4); n > 0; n--) put_any(out, type, depth);
  for (size_t i = 0; i < type->n_fields; i++) {
    if (type->fields[i].required) put_known(out, &type->fields[i], depth);
  }
}

void random_message(struct mw_buf *out, const struct mw_message_type *type) { put_message(out, type, 0); }

void random_damage(struct mw_buf *bytes) {
  for (size_t n = 1 + random_below(3); n > 0 && bytes->len > 0; n--) {
    size_t at = random_below(bytes->len);
    switch (random_below(4)) {
      case 0: bytes->data[at] ^= (uint8_t)(1u << random_below(8)); break;
      case 1: bytes->data[at] = (uint8_t)rng(); break;
      case 2: bytes->len = at; break;
      default: memmove(bytes->data + at, bytes->data + at + 1, bytes->len - at - 1); bytes->len--;
    }
  }
}
