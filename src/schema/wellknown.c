#include "schema/wellknown.h"

#include "schema/load.h"

/* Made by cmake/descriptors.cmake. */
extern const unsigned char mw_wellknown_set[];
extern const unsigned long mw_wellknown_set_len;

struct mw_slice mw_schema_wellknown(void) { return mw_slice(mw_wellknown_set, mw_wellknown_set_len); }

enum mw_wellknown mw_wellknown_kind(const char *full_name) {
  static const struct {
    const char *name;
    enum mw_wellknown kind;
  } known[] = {
      {"Timestamp", MW_WKT_TIMESTAMP},  {"Duration", MW_WKT_DURATION},    {"FieldMask", MW_WKT_FIELD_MASK},
      {"Struct", MW_WKT_STRUCT},        {"Value", MW_WKT_VALUE},          {"ListValue", MW_WKT_LIST_VALUE},
      {"Any", MW_WKT_ANY},              {"Empty", MW_WKT_EMPTY},          {"DoubleValue", MW_WKT_WRAPPER},
      {"FloatValue", MW_WKT_WRAPPER},   {"Int64Value", MW_WKT_WRAPPER},   {"UInt64Value", MW_WKT_WRAPPER},
      {"Int32Value", MW_WKT_WRAPPER},   {"UInt32Value", MW_WKT_WRAPPER},  {"BoolValue", MW_WKT_WRAPPER},
      {"StringValue", MW_WKT_WRAPPER},  {"BytesValue", MW_WKT_WRAPPER},
  };
  static const char package[] = "google.protobuf.";
  size_t len = sizeof package - 1;
  if (strncmp(full_name, package, len) != 0) return MW_WKT_NONE;
  for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
    if (strcmp(full_name + len, known[i].name) == 0) return known[i].kind;
  }
  return MW_WKT_NONE;
}
