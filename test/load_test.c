/* mw_schema_load(): folders of .proto files and descriptor sets. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "schema/load.h"

static void test_loads_a_folder(void **state) {
  struct mw_err err = MW_ERR_INIT;
  struct mw_pool *pool = NULL;
  int rc = mw_schema_load(&pool, "proto/kinds", &err);
  assert_string_equal(mw_err_text(&err), "no error");
  assert_int_equal(rc, 0);
  assert_non_null(mw_pool_message(pool, "kinds3.Scalars"));
  const struct mw_service_type *service = mw_pool_service(pool, "kinds3.Kinds");
  assert_non_null(service);
  assert_int_equal(service->line, 70);
  mw_pool_unref(pool);
  mw_err_fini(&err);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_loads_a_folder),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
