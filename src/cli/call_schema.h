/* Where `moonwire call` has its schema from: a folder of .proto files, or the server's reflection. */
#ifndef MW_CLI_CALL_SCHEMA_H
#define MW_CLI_CALL_SCHEMA_H

#include "cli/call_options.h"
#include "cli/reflect.h"

struct mw_call_schema {
  struct mw_pool *pool;         /* a reference */
  struct mw_buf services;       /* the names that the server lists, each with its zero byte; empty for all of the pool's */
  struct mw_buf folders;        /* of the .proto files, separated by commas; empty for the server's reflection */
  bool unasked;                 /* the folder was there, so that the server was not asked */
};

/* Loads what the options ask for: the file of a method or a name, or those of all services. `reflect` is initialised;
 * it is used without --proto if the folder of protos is not there, and by --reflection. To list services, the server
 * is asked unless --proto is given; a server without reflection has the folder listed, after a line on stderr. Returns
 * 0; MW_ECLOSED (reflection has ended with reflect->code); MW_ENOTFOUND (nothing of that name, or no schema at all,
 * and what to do); or what mw_schema_load() and mw_reflect_fetch() return. mw_call_schema_fini() is needed in any
 * case. */
int mw_call_schema_load(struct mw_call_schema *schema, const struct mw_call_options *options, struct mw_reflect *reflect,
                        struct mw_err *err);
void mw_call_schema_fini(struct mw_call_schema *schema);

/* Whether the schema is from the server. */
static inline bool mw_call_schema_reflected(const struct mw_call_schema *schema) { return schema->folders.len == 0; }

/* The method `name`: "package.Service/Method", or the end of that from after a dot or slash. A name that several
 * methods end in is that of the only one outside of the built-in services. Returns 0; MW_ENOTFOUND with the nearest
 * names; or MW_EEXIST with those that it could be. */
int mw_call_schema_method(const struct mw_call_schema *schema, const char *name, const struct mw_method_type **out,
                          struct mw_err *err);

/* Prints the services with their methods on stdout. */
int mw_call_schema_list(const struct mw_call_schema *schema, struct mw_err *err);

/* Prints the definition of a service, method, message or enum, by a name as above; NULL for all services. */
int mw_call_schema_describe(const struct mw_call_schema *schema, const char *name, struct mw_err *err);

#endif
