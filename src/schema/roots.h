/* The folders of a project's protos. A path such as "tasks.proto" is the file of that name in the first of them that has
 * one. The first holds the contract; the others are for imports. */
#ifndef MW_SCHEMA_ROOTS_H
#define MW_SCHEMA_ROOTS_H

/* An array of folders that ends with NULL. */
#define MW_ROOTS(...) ((const char *const[]){__VA_ARGS__, NULL})

/* The folder of `file`: of those that have it the first; the first one when none has it, "" when there are none. */
const char *mw_root_of(const char *const *roots, const char *file);

#endif
