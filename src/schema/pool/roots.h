/* Roots: the folders of a project's .proto files. A path such as "tasks.proto" names the file in the first root that
 * has it. The first root holds the contract; the others are for imports. */
#ifndef MW_SCHEMA_POOL_ROOTS_H
#define MW_SCHEMA_POOL_ROOTS_H

/* An array of folders that ends with NULL. */
#define MW_ROOTS(...) ((const char *const[]){__VA_ARGS__, NULL})

/* Returns the first root that has `file`; if none has it, the first root; "" if there are no roots. */
const char *mw_root_of(const char *const *roots, const char *file);

#endif
