/* Loads the schema of `moonwire call`: from a folder of .proto files, or from the server's reflection. */
#ifndef MW_CLI_CALL_CALL_SCHEMA_H
#define MW_CLI_CALL_CALL_SCHEMA_H

#include "cli/call/call_options.h"
#include "cli/call/reflect.h"

struct mw_call_schema {
  struct mw_pool *pool;   /* a reference */
  struct mw_buf services; /* names that the server lists, each with its zero byte; empty for all services */
  struct mw_buf folders;  /* folders of .proto files, separated by commas; empty for the server's reflection */
  bool skipped_server;    /* the folder existed, so the server was not asked */
};

/* Loads the file that defines options->method, or the files of all services. --proto names a folder. Without it, a
 * method comes from the project's folders of .proto files if they exist, else from the server's reflection;
 * --reflection always asks the server. A list of services always comes from the server; if that has no reflection, from
 * the folder, after a line on stderr. `reflect` is initialised. Returns 0; MW_ECLOSED (reflection has ended with
 * reflect->code); MW_ENOTFOUND (no such name, or no schema, with advice); or the errors of mw_schema_load() and
 * mw_reflect_fetch(). The caller calls mw_call_schema_fini() in all cases. */
int mw_call_schema_load(struct mw_call_schema *schema, const struct mw_call_options *options,
                        struct mw_reflect *reflect, struct mw_err *err);
void mw_call_schema_fini(struct mw_call_schema *schema);

/* True if the schema comes from the server. */
static inline bool mw_call_schema_reflected(const struct mw_call_schema *schema) { return schema->folders.len == 0; }

/* Finds the method `name`: "package.Service/Method", or the end of it after a dot or slash. If several methods match,
 * takes the only one outside of the built-in services. Returns 0; MW_ENOTFOUND with the nearest names; or MW_EEXIST
 * with all matching names. */
int mw_call_schema_method(const struct mw_call_schema *schema, const char *name, const struct mw_method_type **out,
                          struct mw_err *err);

/* Prints the services with their methods on stdout. */
int mw_call_schema_list(const struct mw_call_schema *schema, struct mw_err *err);

/* Prints the definition of a service, method, message or enum, found by a name as above; NULL for all services. */
int mw_call_schema_describe(const struct mw_call_schema *schema, const char *name, struct mw_err *err);

#endif
