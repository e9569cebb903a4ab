/* Findings from protoc's errors, with a remedy where protoc names none. */
#ifndef MW_SCHEMA_PROTOC_FINDINGS_H
#define MW_SCHEMA_PROTOC_FINDINGS_H

#include "base/buf.h"
#include "base/map.h"

struct mw_protoc_findings {
  const char *const *roots; /* schema/roots.h; borrowed, like the rest */
  const char *const *files; /* that protoc compiles */
  size_t n_files;
  struct mw_err *err;       /* receives the findings */
  int code;                 /* of the first finding; 0 for none */
  struct mw_map seen;       /* findings: a bad import fails every file that has it */
  char *file;               /* owned: of the line before, */
  struct mw_buf text;       /* with its text */
  size_t lines;             /* findings about it in a row; those beyond a limit are counted alone */
};

/* Adds a finding for each error in what protoc wrote: "ROOT/FILE:LINE:COL: message". Returns 0 or MW_ENOMEM. */
int mw_protoc_report(struct mw_protoc_findings *findings, struct mw_slice errors);

/* Whether `line` of protoc's is a warning. */
bool mw_protoc_is_warning(struct mw_slice line);

/* Takes the next line off `text`, its end left out. */
struct mw_slice mw_protoc_take_line(struct mw_slice *text);

void mw_protoc_findings_fini(struct mw_protoc_findings *findings);

#endif
