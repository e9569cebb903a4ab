/* What the files that hold the rules of schema/compat.h share; not for others. */
#ifndef MW_SCHEMA_COMPAT_RULES_H
#define MW_SCHEMA_COMPAT_RULES_H

#include "schema/catalogue.h"

struct mw_compat {
  struct mw_catalogue old, new;
  const char *const *roots; /* schema/roots.h */
  struct mw_err *err;
  bool broken; /* there is a finding */
};

/* What a rule says about a pair: the same definition, before and after. */
struct mw_compat_pair {
  struct mw_compat *compat;
  const struct mw_definition *old, *new;
};

/* Where a finding is. */
struct mw_compat_place {
  const char *file;
  unsigned line; /* 0 when there is none to name */
};

static inline struct mw_compat_place mw_compat_place(const struct mw_definition *definition,
                                                     const struct mw_source_path *path) {
  return (struct mw_compat_place){definition->file->path, mw_source_line(definition->file->bytes, path)};
}

/* Adds the finding "DIR/FILE:LINE: RULE: words". */
void mw_compat_report(struct mw_compat *compat, struct mw_compat_place place, const char *rule, const char *fmt, ...)
    MW_PRINTF(4, 5);

/* compat_type.c */
void mw_compat_message(const struct mw_compat_pair *pair);
void mw_compat_enum(const struct mw_compat_pair *pair);

/* compat_field.c: fields `i` of the old message and `k` of the new one, which have the same number. */
void mw_compat_field(const struct mw_compat_pair *pair, size_t i, size_t k);

/* compat_service.c */
void mw_compat_service(const struct mw_compat_pair *pair);

static inline bool mw_compat_required(const Google__Protobuf__FieldDescriptorProto *field) {
  return field->has_label && field->label == GOOGLE__PROTOBUF__FIELD_DESCRIPTOR_PROTO__LABEL__LABEL_REQUIRED;
}

#endif
