/* Declarations shared by the files that implement the rules of schema/compat/compat.h; private to them. */
#ifndef MW_SCHEMA_COMPAT_COMPAT_RULES_H
#define MW_SCHEMA_COMPAT_COMPAT_RULES_H

#include "schema/pool/catalogue.h"

struct mw_compat {
  struct mw_catalogue old, new;
  const char *const *roots; /* schema/pool/roots.h */
  struct mw_err *err;
  bool broken; /* set by the first finding */
};

/* The same definition before and after the edit: the subject of a rule. */
struct mw_compat_pair {
  struct mw_compat *compat;
  const struct mw_definition *old, *new;
};

/* The file and line of a finding. */
struct mw_compat_place {
  const char *file;
  unsigned line; /* 0 for none */
};

static inline struct mw_compat_place mw_compat_place(const struct mw_definition *definition,
                                                     const struct mw_source_path *path) {
  return (struct mw_compat_place){definition->file->path, mw_source_line(definition->file->bytes, path)};
}

/* compat_report.c: adds the finding "DIR/FILE:LINE: RULE: words". */
void mw_compat_report(struct mw_compat *compat, struct mw_compat_place place, const char *rule, const char *fmt, ...)
    MW_PRINTF(4, 5);

/* compat_type.c */
void mw_compat_message(const struct mw_compat_pair *pair);
void mw_compat_enum(const struct mw_compat_pair *pair);

/* compat_field.c: compares field `i` of the old message with field `k` of the new one. Both have the same number. */
void mw_compat_field(const struct mw_compat_pair *pair, size_t i, size_t k);

/* compat_service.c */
void mw_compat_service(const struct mw_compat_pair *pair);

static inline bool mw_compat_required(const Google__Protobuf__FieldDescriptorProto *field) {
  return field->has_label && field->label == GOOGLE__PROTOBUF__FIELD_DESCRIPTOR_PROTO__LABEL__LABEL_REQUIRED;
}

#endif
