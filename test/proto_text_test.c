/* mw_proto_next_token() and mw_proto_next_import(). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "schema/load/proto_text.h"

static void assert_token(struct mw_proto_text *text, const char *expected, unsigned line) {
  struct mw_slice token = mw_proto_next_token(text);
  if (!mw_slice_eq_str(token, expected)) fail_msg("expected %s, got %.*s", expected, (int)token.len, token.data);
  assert_int_equal(text->line, line);
}

static void test_tokens(void **state) {
  struct mw_proto_text text = mw_proto_text(
      mw_slice_str("// \"a\nsyntax=\"pro\\\"to3\" ; /* x\n*/ /**/ package a.b_1;\n'un\nended \"at\\"));
  assert_token(&text, "syntax", 2);
  assert_token(&text, "=", 2);
  assert_token(&text, "\"pro\\\"to3\"", 2);
  assert_token(&text, ";", 2);
  assert_token(&text, "package", 3);
  assert_token(&text, "a.b_1", 3);
  assert_token(&text, ";", 3);
  assert_token(&text, "'un\n", 5);
  assert_token(&text, "ended", 5);
  assert_token(&text, "\"at\\", 5);
  assert_token(&text, "", 5);
  text = mw_proto_text(mw_slice_str("/* for ever"));
  assert_token(&text, "", 1);
  text = mw_proto_text(mw_slice_str("/"));
  assert_token(&text, "/", 1);
  text = mw_proto_text(mw_slice(NULL, 0));
  assert_token(&text, "", 1);
}

static void assert_import(struct mw_proto_text *text, const char *expected, unsigned at) {
  struct mw_slice path;
  unsigned line;
  assert_true(mw_proto_next_import(text, &path, &line));
  assert_true(mw_slice_eq_str(path, expected));
  assert_int_equal(line, at);
}

static void test_imports(void **state) {
  struct mw_proto_text text = mw_proto_text(
      mw_slice_str("import \"a.proto\"; //import \"b.proto\";\nimport\npublic 'c.proto';import weak\"\";\n"
                   "message M { string import = 1; }\nimport d.proto; import \"e.proto\nimport \"f.proto\";"));
  assert_import(&text, "a.proto", 1);
  assert_import(&text, "c.proto", 2);
  assert_import(&text, "", 3);
  assert_import(&text, "f.proto", 6);
  struct mw_slice path;
  unsigned line;
  assert_false(mw_proto_next_import(&text, &path, &line));
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_tokens), cmocka_unit_test(test_imports)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
