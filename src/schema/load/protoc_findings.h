/* Findings from protoc's errors, with a remedy where protoc names none. */
#ifndef MW_SCHEMA_LOAD_PROTOC_FINDINGS_H
#define MW_SCHEMA_LOAD_PROTOC_FINDINGS_H

#include "base/buf.h"
#include "base/map.h"

struct mw_protoc_findings {
  const char *const *roots; /* schema/pool/roots.h; borrowed, like the rest */
  const char *const *files; /* the files that protoc compiles */
  size_t n_files;
  struct mw_err *err; /* receives the findings */
  int code;           /* of the first finding; 0 for none */
  struct mw_map seen; /* texts of findings: a bad import fails every file that has it */
  char *file;         /* owned: the file of the previous line */
  struct mw_buf text; /* the text of `file` */
  size_t lines;       /* consecutive findings about `file`; those beyond a limit are only counted */
};

/* Adds a finding for each error in protoc's output: "ROOT/FILE:LINE:COL: message". Returns 0 or MW_ENOMEM. */
int mw_protoc_report(struct mw_protoc_findings *findings, struct mw_slice errors);

/* True if `line` of protoc's output is a warning. */
bool mw_protoc_is_warning(struct mw_slice line);

/* Takes the next line off `text`. Returns it without its line end. */
struct mw_slice mw_protoc_take_line(struct mw_slice *text);

void mw_protoc_findings_fini(struct mw_protoc_findings *findings);

#endif
