/* Helpers of the tests of JSON. A function that fails ends the test. Tests run in test/. */
#ifndef MW_TEST_JSON_SUPPORT_H
#define MW_TEST_JSON_SUPPORT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "schema/json/json.h"

/* Compiles json/all.proto and json/legacy.proto into a descriptor set at `path`. */
void json_compile(const char *path);

/* Returns the pool of the descriptor set at `path`. */
struct mw_pool *json_load(const char *path);

/* Returns the pool of json/all.proto and json/legacy.proto. */
struct mw_pool *json_pool(void);

#endif
