/* The tokenizer against RFC 8259: accepted texts, errors with their places, limits. */
#include "schema/json/json_token.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/buf.h"

/* Pulls all tokens. Writes their kinds to `kinds` as letters. Returns the code. */
static int run(struct mw_slice text, char *kinds, size_t room, struct mw_err *err) {
  static const char letters[] = "{}[]ks0tfn.";
  struct mw_json_lexer lexer;
  struct mw_json_token token = {.kind = MW_JSON_NULL};
  size_t len = 0;
  int rc = 0;
  mw_json_lexer_init(&lexer, text);
  while (rc == 0 && token.kind != MW_JSON_END) {
    rc = mw_json_next(&lexer, &token, err);
    if (rc == 0 && len + 1 < room) kinds[len++] = letters[token.kind];
  }
  kinds[len] = '\0';
  return rc;
}

static void check(const char *text, const char *kinds) {
  char got[64];
  struct mw_err err = MW_ERR_INIT;
  if (run(mw_slice_str(text), got, sizeof got, &err) != 0) fail_msg("%s: %s", text, mw_err_text(&err));
  assert_string_equal(got, kinds);
}

static void refuse(const char *text, const char *words) {
  char got[64];
  struct mw_err err = MW_ERR_INIT;
  if (run(mw_slice_str(text), got, sizeof got, &err) == 0) fail_msg("%s was taken", text);
  assert_string_equal(mw_err_text(&err), words);
  mw_err_fini(&err);
}

static void test_takes(void **state) {
  check("{}", "{}.");
  check("[]", "[].");
  check(" null\n", "n.");
  check("{\"a\":1,\"b\":[true,false,null,\"s\",{\"c\":{}}]}", "{k0k[tfns{k{}}]}.");
  check("[[],[[]],{}]", "[[][[]]{}].");
  check("[0,-0,1.5,-1.5e3,1E+3,2e-1]", "[000000].");
  check("\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u00e9\\uD83D\\uDE00\"", "s.");
}

static void test_refuses(void **state) {
  refuse("", "1:1: expected a value, got the end of the text");
  refuse("[1,]", "1:4: expected a value, got ']'");
  refuse("{\"a\":1,}", "1:8: expected a key in double quotes, got '}'");
  refuse("{a:1}", "1:2: expected a key in double quotes, got 'a'");
  refuse("{\"a\" 1}", "1:6: expected ':' behind the key, got '1'");
  refuse("{\"a\":}", "1:6: expected a value, got '}'");
  refuse("{\"a\":1 \"b\":2}", "1:8: expected ',' or '}', got '\"'");
  refuse("[1 2]", "1:4: expected ',' or ']', got '2'");
  refuse("[1}", "1:3: expected ',' or ']', got '}'");
  refuse("{]", "1:2: expected a key in double quotes, got ']'");
  refuse("[", "1:2: expected a value, got the end of the text");
  refuse("]", "1:1: expected a value, got ']'");
  refuse("[1,\n  2,\n  x]", "3:3: expected a value, got 'x'");
  refuse("// no\n1", "1:1: expected a value, got '/'");
  refuse("'a'", "1:1: expected a value, got '''");
  refuse("nul", "1:1: expected a value, got 'n'");
  refuse("nulll", "1:5: expected the end of the text, got 'l'");
  refuse("\xef\xbb\xbf{}", "1:1: expected a value, got the byte 0xef");
}

static void test_refuses_numbers(void **state) {
  refuse("01", "1:1: a number must not have leading zeros");
  refuse("-01", "1:1: a number must not have leading zeros");
  refuse("+1", "1:1: expected a value, got '+'");
  refuse(".5", "1:1: expected a value, got '.'");
  refuse("5.", "1:3: expected a digit, got the end of the text");
  refuse("-", "1:2: expected a digit, got the end of the text");
  refuse("1e", "1:3: expected a digit, got the end of the text");
  refuse("1e+", "1:4: expected a digit, got the end of the text");
  refuse("0x10", "1:2: expected the end of the text, got 'x'");
}

static void test_refuses_strings(void **state) {
  refuse("\"abc", "1:5: expected '\"' at the end of the string, got the end of the text");
  refuse("\"\xc3\xa4\tb\"", "1:3: the control character 0x09 in a string must be escaped");
  refuse("\"\\x41\"", "1:2: invalid escape or unpaired surrogate in a string");
  refuse("\"\\u12g4\"", "1:2: invalid escape or unpaired surrogate in a string");
  refuse("\"\\ud800\"", "1:2: invalid escape or unpaired surrogate in a string");
  refuse("\"\\ud800\\u0041\"", "1:2: invalid escape or unpaired surrogate in a string");
  refuse("\"\\udc00\"", "1:2: invalid escape or unpaired surrogate in a string");
  refuse("\"\\", "1:2: invalid escape or unpaired surrogate in a string");
  refuse("\"a\xff\"", "1:1: the string is not valid UTF-8");
  refuse("\"\xed\xa0\x80\"", "1:1: the string is not valid UTF-8");
}

static void test_depth(void **state) {
  char text[2 * MW_JSON_DEPTH + 3], kinds[8];
  memset(text, '[', MW_JSON_DEPTH);
  memset(text + MW_JSON_DEPTH, ']', MW_JSON_DEPTH);
  assert_int_equal(run(mw_slice(text, 2 * MW_JSON_DEPTH), kinds, sizeof kinds, NULL), 0);
  memset(text, '[', MW_JSON_DEPTH + 1);
  struct mw_err err = MW_ERR_INIT;
  assert_int_equal(run(mw_slice(text, MW_JSON_DEPTH + 1), kinds, sizeof kinds, &err), MW_ELIMIT);
  assert_string_equal(mw_err_text(&err), "1:101: nested deeper than 100 levels");
  mw_err_fini(&err);
}

static void test_number_length(void **state) {
  char text[MW_JSON_NUMBER_LEN + 1], kinds[8];
  memset(text, '7', sizeof text);
  assert_int_equal(run(mw_slice(text, MW_JSON_NUMBER_LEN), kinds, sizeof kinds, NULL), 0);
  assert_int_equal(run(mw_slice(text, MW_JSON_NUMBER_LEN + 1), kinds, sizeof kinds, NULL), MW_ELIMIT);
}

/* Each prefix is an error. Each text with one byte changed is valid or an error. */
static void test_broken_texts(void **state) {
  static const char whole[] = "{\"a\\u00e9\":[1.5e3,true,null,{\"b\":\"\xc3\xa4\\ud83d\\ude00\"}]}";
  char kinds[64];
  for (size_t len = 0; len < sizeof whole - 1; len++) {
    assert_int_equal(run(mw_slice(whole, len), kinds, sizeof kinds, NULL), MW_EFORMAT);
    for (int byte = 0; byte < 256; byte++) {
      char text[sizeof whole];
      memcpy(text, whole, sizeof whole);
      text[len] = (char)byte;
      int rc = run(mw_slice(text, sizeof whole - 1), kinds, sizeof kinds, NULL);
      assert_true(rc == 0 || rc == MW_EFORMAT);
    }
  }
}

static void test_unescape(void **state) {
  static const struct {
    const char *text, *out;
  } cases[] = {{"a\\nb", "a\nb"},
               {"\\u0041\\u00e9\\u20ac", "A\u00e9\u20ac"},
               {"\\ud83d\\ude00!", "\U0001f600!"},
               {"\\\"\\\\\\/\\b\\f\\r\\t", "\"\\/\b\f\r\t"}};
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    char out[64];
    size_t len = mw_json_unescape(mw_slice_str(cases[i].text), out);
    assert_true(len <= strlen(cases[i].text));
    assert_true(mw_slice_eq_str(mw_slice(out, len), cases[i].out));
  }
}

static void test_skip(void **state) {
  struct mw_json_lexer lexer;
  struct mw_json_token token;
  mw_json_lexer_init(&lexer, mw_slice_str("[{\"a\":[1,{}]},2]"));
  assert_int_equal(mw_json_next(&lexer, &token, NULL), 0);
  assert_int_equal(mw_json_next(&lexer, &token, NULL), 0);
  assert_int_equal(mw_json_skip(&lexer, &token, NULL), 0);
  assert_int_equal(mw_json_next(&lexer, &token, NULL), 0);
  assert_int_equal(token.kind, MW_JSON_NUMBER);
}

static void test_show(void **state) {
  static const char umlauts[] = "\"xääääääääääääääääääääääääääää\"";
  struct mw_json_lexer lexer;
  struct mw_json_token token;
  char shown[MW_JSON_SHOW_LEN];
  mw_json_lexer_init(&lexer, mw_slice_str(umlauts));
  assert_int_equal(mw_json_next(&lexer, &token, NULL), 0);
  mw_json_show(&token, shown);
  assert_string_equal(shown, "\"xäääääääääääääääääää...\"");
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_takes),
      cmocka_unit_test(test_refuses),
      cmocka_unit_test(test_refuses_numbers),
      cmocka_unit_test(test_refuses_strings),
      cmocka_unit_test(test_depth),
      cmocka_unit_test(test_number_length),
      cmocka_unit_test(test_broken_texts),
      cmocka_unit_test(test_unescape),
      cmocka_unit_test(test_skip),
      cmocka_unit_test(test_show),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
