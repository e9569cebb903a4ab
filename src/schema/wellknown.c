#include "schema/wellknown.h"

#include <stdlib.h>

#include "base/buf.h"
#include "schema/load.h"

/* Made by cmake/descriptors.cmake. */
extern const unsigned char mw_wellknown_set[];
extern const unsigned long mw_wellknown_set_len;

struct mw_slice mw_schema_wellknown(void) { return mw_slice(mw_wellknown_set, mw_wellknown_set_len); }

static const struct {
  const char *full_name;
  enum mw_wellknown kind;
  const char *fields; /* as describe() writes them */
} known[] = {
    {"google.protobuf.Timestamp", MW_WKT_TIMESTAMP, "int64 seconds = 1; int32 nanos = 2;"},
    {"google.protobuf.Duration", MW_WKT_DURATION, "int64 seconds = 1; int32 nanos = 2;"},
    {"google.protobuf.FieldMask", MW_WKT_FIELD_MASK, "repeated string paths = 1;"},
    {"google.protobuf.Struct", MW_WKT_STRUCT, "repeated google.protobuf.Struct.FieldsEntry fields = 1;"},
    {"google.protobuf.Struct.FieldsEntry", MW_WKT_NONE, "string key = 1; google.protobuf.Value value = 2;"},
    {"google.protobuf.Value", MW_WKT_VALUE,
     "kind: google.protobuf.NullValue null_value = 1; kind: double number_value = 2; kind: string string_value = 3; "
     "kind: bool bool_value = 4; kind: google.protobuf.Struct struct_value = 5; "
     "kind: google.protobuf.ListValue list_value = 6;"},
    {"google.protobuf.ListValue", MW_WKT_LIST_VALUE, "repeated google.protobuf.Value values = 1;"},
    {"google.protobuf.Any", MW_WKT_ANY, "string type_url = 1; bytes value = 2;"},
    {"google.protobuf.Empty", MW_WKT_EMPTY, ""},
    {"google.protobuf.DoubleValue", MW_WKT_WRAPPER, "double value = 1;"},
    {"google.protobuf.FloatValue", MW_WKT_WRAPPER, "float value = 1;"},
    {"google.protobuf.Int64Value", MW_WKT_WRAPPER, "int64 value = 1;"},
    {"google.protobuf.UInt64Value", MW_WKT_WRAPPER, "uint64 value = 1;"},
    {"google.protobuf.Int32Value", MW_WKT_WRAPPER, "int32 value = 1;"},
    {"google.protobuf.UInt32Value", MW_WKT_WRAPPER, "uint32 value = 1;"},
    {"google.protobuf.BoolValue", MW_WKT_WRAPPER, "bool value = 1;"},
    {"google.protobuf.StringValue", MW_WKT_WRAPPER, "string value = 1;"},
    {"google.protobuf.BytesValue", MW_WKT_WRAPPER, "bytes value = 1;"},
    {"google.rpc.Status", MW_WKT_NONE,
     "int32 code = 1; string message = 2; repeated google.protobuf.Any details = 3;"},
};

/* "int64 seconds = 1; int32 nanos = 2;" */
static int describe(const struct mw_message_type *type, struct mw_buf *out) {
  int rc = mw_buf_puts(out, "");
  for (size_t i = 0; i < type->n_fields && rc == 0; i++) {
    const struct mw_field *field = &type->fields[i];
    const char *oneof = field->oneof ? field->oneof->name : "";
    rc = mw_buf_printf(out, "%s%s%s%s%s %s = %u;", i ? " " : "", oneof, field->oneof ? ": " : "",
                       field->repeated ? "repeated " : "", mw_field_type_name(field), field->name, field->number);
  }
  return rc;
}

static int check_fields(const struct mw_message_type *type, const char *expected, struct mw_err *err) {
  struct mw_buf fields = MW_BUF_INIT;
  int rc = describe(type, &fields);
  if (rc != 0) {
    mw_err_set(err, rc, "out of memory");
  } else if (!mw_slice_eq_str(mw_buf_slice(&fields), expected)) {
    rc = mw_err_set(err, MW_EFORMAT, "%s: %s: this copy differs from the well-known type: expected { %s }, got { %s }",
                    type->file, type->full_name, expected, mw_buf_str(&fields));
  }
  mw_buf_fini(&fields);
  return rc;
}

int mw_wellknown_classify(const struct mw_message_type *type, enum mw_wellknown *out, struct mw_err *err) {
  enum mw_wellknown kind = MW_WKT_NONE;
  for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
    if (strcmp(type->full_name, known[i].full_name) != 0) continue;
    int rc = check_fields(type, known[i].fields, err);
    if (rc != 0) return rc;
    kind = known[i].kind;
  }
  *out = kind;
  return 0;
}
