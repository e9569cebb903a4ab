/* mw_compat_check(): for each rule, edits that break it and similar ones that do not. protoc compiles the cases, so
 * that findings have real lines. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "failmalloc.h"
#include "schema/compat/compat.h"
#include "schema/load/load.h"
#include "schema/load/subprocess.h"
#include "schema/pool/roots.h"
#include "textproto.h"

/* ---- pools of texts ---- */

static char root[64]; /* a folder for all tests */

static int make_root(void **state) {
  strcpy(root, "/tmp/moonwire-compat-XXXXXX");
  return mkdtemp(root) ? 0 : -1;
}

static int remove_root(void **state) {
  const char *const argv[] = {"rm", "-rf", root, NULL};
  int status = -1;
  struct mw_buf out = MW_BUF_INIT, errors = MW_BUF_INIT;
  mw_subprocess_run(&(struct mw_command){.argv = argv, .dir = "/"}, &out, &errors, &status, NULL);
  mw_buf_fini(&out);
  mw_buf_fini(&errors);
  return status;
}

static void write_file(const char *dir, struct mw_slice name, struct mw_slice text) {
  char path[256];
  snprintf(path, sizeof path, "%s/%.*s", dir, (int)name.len, (const char *)name.data);
  for (char *slash = path + strlen(dir) + 1; (slash = strchr(slash, '/')) != NULL; slash++) {
    *slash = '\0';
    mkdir(path, 0777);
    *slash = '/';
  }
  FILE *file = fopen(path, "wb");
  assert_non_null(file);
  assert_int_equal(fwrite(text.data, 1, text.len, file), text.len);
  fclose(file);
}

/* Returns a pool of the files in `text`. "@NAME\n" begins each file; without it, `text` is that of a.proto. */
static struct mw_pool *pool_of(const char *text) {
  static unsigned number;
  char dir[96];
  snprintf(dir, sizeof dir, "%s/%u", root, number++);
  assert_int_equal(mkdir(dir, 0777), 0);
  if (*text && *text != '@') write_file(dir, mw_slice_str("a.proto"), mw_slice_str(text));
  while (*text == '@') {
    const char *body = strchr(text, '\n') + 1;
    const char *end = strstr(body, "\n@");
    end = end ? end + 1 : body + strlen(body);
    write_file(dir, mw_slice(text + 1, (size_t)(body - text) - 2), mw_slice(body, (size_t)(end - body)));
    text = end;
  }
  struct mw_err err = MW_ERR_INIT;
  struct mw_pool *pool = NULL;
  mw_schema_load(&pool, dir, &err);
  if (!pool) fail_msg("%s", mw_err_text(&err));
  return pool;
}

/* Replaces `old` by `new`, and asserts the findings, one a line; "" for none. */
static void check(const char *old, const char *new, const char *findings) {
  struct mw_pool *running = pool_of(old), *candidate = pool_of(new);
  struct mw_err err = MW_ERR_INIT;
  int rc = mw_compat_check(running, candidate, MW_ROOTS("proto"), &err);
  char got[4096] = "";
  if (err.text) snprintf(got, sizeof got, "%s\n", err.text);
  if (strcmp(got, findings) != 0) fail_msg("from:\n%s\nto:\n%s\nexpected:\n%s\ngot:\n%s", old, new, findings, got);
  assert_int_equal(rc, *findings ? MW_ECONFLICT : 0);
  assert_int_equal(err.code, rc);
  assert_int_equal(mw_compat_check(candidate, candidate, MW_ROOTS("proto"), NULL), 0);
  mw_err_fini(&err);
  mw_pool_unref(running);
  mw_pool_unref(candidate);
}

struct edit {
  const char *old, *new, *findings;
};

static void check_all(const struct edit *edits, size_t n) {
  for (size_t i = 0; i < n; i++) check(edits[i].old, edits[i].new, edits[i].findings);
}

#define CHECK_ALL(edits) check_all(edits, sizeof(edits) / sizeof *(edits))

#define P3 "syntax = \"proto3\"; package p;\n"
#define P2 "syntax = \"proto2\"; package p;\n"
#define M3(body) P3 "message M {\n" body "\n}\n" /* the body is on line 3 */
#define M2(body) P2 "message M {\n" body "\n}\n"

/* ---- types ---- */

static void test_types_change_within_their_group(void **state) {
  static const struct {
    const char *name;
    unsigned group; /* types of a group other than 0 may replace each other */
  } types[] = {{"int32", 1},  {"int64", 1},   {"uint32", 1},   {"uint64", 1},  {"bool", 1},     {"sint32", 2},
               {"sint64", 2}, {"fixed32", 3}, {"sfixed32", 3}, {"fixed64", 4}, {"sfixed64", 4}, {"double", 0},
               {"float", 0},  {"string", 0},  {"bytes", 0},    {"N", 0},       {"E", 0}};
  enum { N = sizeof types / sizeof *types };
  /* All pairs at once: field i * N + k + 1 changes from type i to type k. */
  char old[1 << 14], new[1 << 14], findings[1 << 16];
  size_t o = 0, n = 0, f = 0;
  o += (size_t)snprintf(old, sizeof old, "%s", P3 "message N {} enum E { Z = 0; } message M {\n");
  n += (size_t)snprintf(new, sizeof new, "%s", P3 "message N {} enum E { Z = 0; } message M {\n");
  for (size_t i = 0; i < N; i++) {
    for (size_t k = 0; k < N; k++) {
      size_t number = i * N + k + 1;
      o += (size_t)snprintf(old + o, sizeof old - o, "%s f%zu = %zu;\n", types[i].name, number, number);
      n += (size_t)snprintf(new + n, sizeof new - n, "%s f%zu = %zu;\n", types[k].name, number, number);
      bool fits = i == k || (types[i].group != 0 && types[i].group == types[k].group) ||
                  (strcmp(types[i].name, "string") == 0 && strcmp(types[k].name, "bytes") == 0);
      if (fits) continue;
      bool old_named = i >= N - 2, new_named = k >= N - 2;
      f += (size_t)snprintf(findings + f, sizeof findings - f,
                            "a.proto:%zu: FIELD_WIRE_COMPATIBLE_TYPE: p.M.f%zu: was %s%s, is %s%s\n", number + 2,
                            number, old_named ? "p." : "", types[i].name, new_named ? "p." : "", types[k].name);
    }
  }
  strcpy(old + o, "}\n");
  strcpy(new + n, "}\n");
  struct mw_pool *running = pool_of(old), *candidate = pool_of(new);
  struct mw_err err = MW_ERR_INIT;
  assert_int_equal(mw_compat_check(running, candidate, MW_ROOTS(NULL), &err), MW_ECONFLICT);
  findings[f - 1] = '\0';
  assert_string_equal(mw_err_text(&err), findings);
  mw_err_fini(&err);
  mw_pool_unref(running);
  mw_pool_unref(candidate);
}

static void test_types(void **state) {
  static const struct edit edits[] = {
      {M3("repeated int32 a = 1;"), M3("repeated uint64 a = 1;"), ""},
      {M3("repeated int32 a = 1;"), M3("repeated int32 a = 1 [packed = false];"), ""},
      {M3("repeated int32 a = 1;"), M3("repeated sint32 a = 1;"),
       "proto/a.proto:3: FIELD_WIRE_COMPATIBLE_TYPE: p.M.a: was int32, is sint32\n"},
      {M2("optional int32 a = 1;"), M2("optional int64 a = 1;"), ""},
      {M2("optional int32 a = 1;"), M2("optional string a = 1;"),
       "proto/a.proto:3: FIELD_WIRE_COMPATIBLE_TYPE: p.M.a: was int32, is string\n"},
      /* the finding has the line of the definition, after its comments */
      {M3("int32 a = 1;"), M3("// one\n\n// two\nstring\na = 1;"),
       "proto/a.proto:6: FIELD_WIRE_COMPATIBLE_TYPE: p.M.a: was int32, is string\n"},
      /* a number reused for another field */
      {M3("int32 a = 1;"), M3("string b = 1;"),
       "proto/a.proto:3: FIELD_WIRE_COMPATIBLE_TYPE: p.M.b: was int32, is string (the number belonged to a)\n"},
      /* messages are identified by their full name */
      {P3 "message A {} message B {} message M { A a = 1; }", P3 "message A {} message B {}\nmessage M { B a = 1; }",
       "proto/a.proto:3: FIELD_WIRE_COMPATIBLE_TYPE: p.M.a: was p.A, is p.B\n"},
      {P3 "message A {} message M { A a = 1; }", P3 "message M { message A {} A a = 1; }",
       "proto/a.proto:2: FIELD_WIRE_COMPATIBLE_TYPE: p.M.a: was p.A, is p.M.A\n"},
      /* enums may move if they keep their short name and their values */
      {P3 "enum E { A = 0; B = 1; } message M { E a = 1; }",
       P3 "message N { enum E { A = 0; C = 2; B = 1; } } message M { N.E a = 1; }", ""},
      {P3 "enum E { A = 0; B = 1; } message M { E a = 1; }",
       P3 "message M { enum E { A = 0; B = 1; C = 2; } E a = 1; }", ""},
      {P3 "enum E { A = 0; B = 1; } message M { E a = 1; }", P3 "message M { enum E { A = 0; C = 1; } E a = 1; }",
       "proto/a.proto:2: FIELD_WIRE_COMPATIBLE_TYPE: p.M.a: was p.E, is p.M.E\n"},
      {P3 "enum E { A = 0; B = 1; } message M { E a = 1; }", P3 "message M { enum E { A = 0; B = 2; } E a = 1; }",
       "proto/a.proto:2: FIELD_WIRE_COMPATIBLE_TYPE: p.M.a: was p.E, is p.M.E\n"},
      {P3 "enum E { A = 0; B = 1; } message M { E a = 1; }", P3 "message M { enum F { A = 0; B = 1; } F a = 1; }",
       "proto/a.proto:2: FIELD_WIRE_COMPATIBLE_TYPE: p.M.a: was p.E, is p.M.F\n"},
      /* groups */
      {M2("optional group G = 1 { optional int32 a = 1; }"), M2("optional group G = 1 { optional int64 a = 1; }"), ""},
      {M2("optional group G = 1 { optional int32 a = 1; }"), M2("optional group G = 1 { optional string a = 1; }"),
       "proto/a.proto:3: FIELD_WIRE_COMPATIBLE_TYPE: p.M.G.a: was int32, is string\n"},
      {M2("optional group G = 1 { }"), M2("message G {} optional G g = 1;"),
       "proto/a.proto:3: FIELD_WIRE_COMPATIBLE_TYPE: p.M.g: was group p.M.G, is p.M.G\n"},
      {M2("optional group G = 1 { }"), M2("optional group H = 1 { }"),
       "proto/a.proto:3: FIELD_WIRE_COMPATIBLE_TYPE: p.M.h: was group p.M.G, is group p.M.H (the number belonged to "
       "g)\n"},
  };
  CHECK_ALL(edits);
}

static void test_maps(void **state) {
  static const struct edit edits[] = {
      {M3("map<string, int32> a = 1;"), M3("map<string, int64> a = 1;"), ""},
      {M3("map<bool, string> a = 1;"), M3("map<int64, bytes> a = 1;"), ""},
      {M3("map<string, int32> a = 1;"), M3("map<string, int32> renamed = 1;"), ""},
      {M3("map<string, int32> a = 1;"), M3("\nmap<string, string> a = 1;"),
       "proto/a.proto:4: FIELD_WIRE_COMPATIBLE_TYPE: p.M.a: was map<string, int32>, is map<string, string>\n"},
      {M3("map<string, int32> a = 1;"), M3("map<int32, int32> a = 1;"),
       "proto/a.proto:3: FIELD_WIRE_COMPATIBLE_TYPE: p.M.a: was map<string, int32>, is map<int32, int32>\n"},
      {M3("map<int32, M> a = 1;"), M3("message N {} map<int32, N> a = 1;"),
       "proto/a.proto:3: FIELD_WIRE_COMPATIBLE_TYPE: p.M.a: was map<int32, p.M>, is map<int32, p.M.N>\n"},
      {M3("map<string, int32> a = 1;"), M3("string a = 1;"),
       "proto/a.proto:3: FIELD_WIRE_COMPATIBLE_CARDINALITY: p.M.a: was a map, is singular\n"},
      {M3("int32 a = 1;"), M3("map<string, int32> a = 1;"),
       "proto/a.proto:3: FIELD_WIRE_COMPATIBLE_CARDINALITY: p.M.a: was singular, is a map\n"},
      {M3("map<string, int32> a = 1;"), M3("repeated string a = 1;"),
       "proto/a.proto:3: FIELD_WIRE_COMPATIBLE_TYPE: p.M.a: was map<string, int32>, is string\n"},
      /* a map equals its entries */
      {M3("map<string, int32> a = 1;"),
       M3("message AEntry { string key = 1; int32 value = 2; } repeated AEntry a = 1;"), ""},
      {M3("message AEntry { string key = 1; int64 value = 2; } repeated AEntry a = 1;"),
       M3("map<string, int32> a = 1;"), ""},
      {M3("message AEntry { string key = 1; string value = 2; } repeated AEntry a = 1;"),
       M3("\nmap<string, int32> a = 1;"),
       "proto/a.proto:2: FIELD_WIRE_COMPATIBLE_TYPE: p.M.AEntry.value: was string, is int32\n"},
  };
  CHECK_ALL(edits);
}

/* ---- the rest of a field ---- */

static void test_cardinality(void **state) {
  static const struct edit edits[] = {
      {M3("int32 a = 1;"), M3("optional int32 a = 1;"), ""},
      {M3("optional int32 a = 1;"), M3("int32 a = 1;"), ""},
      {M3("int32 a = 1;"), M3("repeated int32 a = 1;"),
       "proto/a.proto:3: FIELD_WIRE_COMPATIBLE_CARDINALITY: p.M.a: was singular, is repeated\n"},
      {M2("repeated M a = 1;"), M2("optional M a = 1;"),
       "proto/a.proto:3: FIELD_WIRE_COMPATIBLE_CARDINALITY: p.M.a: was repeated, is singular\n"},
      {M3("int32 a = 1;"), M3("repeated string a = 1;"),
       "proto/a.proto:3: FIELD_WIRE_COMPATIBLE_CARDINALITY: p.M.a: was singular, is repeated\n"
       "proto/a.proto:3: FIELD_WIRE_COMPATIBLE_TYPE: p.M.a: was int32, is string\n"},
  };
  CHECK_ALL(edits);
}

static void test_oneofs(void **state) {
  static const struct edit edits[] = {
      {M3("oneof o { int32 a = 1; }"), M3("oneof o { int32 a = 1; string b = 2; }"), ""},
      {M3("oneof o { int32 a = 1; string b = 2; }"), M3("oneof o { string b = 2; int64 renamed = 1; }"), ""},
      {M3("optional int32 a = 1;"), M3("int32 a = 1; oneof o { int32 b = 2; }"), ""},
      {M3("int32 a = 1;"), M3("oneof o {\nint32 a = 1; }"),
       "proto/a.proto:4: FIELD_SAME_ONEOF: p.M.a: was in no oneof, is in oneof o\n"},
      {M3("optional int32 a = 1;"), M3("oneof o { int32 a = 1; }"),
       "proto/a.proto:3: FIELD_SAME_ONEOF: p.M.a: was in no oneof, is in oneof o\n"},
      {M2("oneof o { int32 a = 1; }"), M2("optional int32 a = 1;"),
       "proto/a.proto:3: FIELD_SAME_ONEOF: p.M.a: was in oneof o, is in no oneof\n"},
      {M3("oneof o { int32 a = 1; }"), M3("oneof n { int32 a = 1; }"),
       "proto/a.proto:3: FIELD_SAME_ONEOF: p.M.a: was in oneof o, is in oneof n\n"},
      {M3("oneof o { int32 a = 1; int32 b = 2; }"), M3("oneof o { int32 a = 1; }"),
       "proto/a.proto:2: FIELD_NO_DELETE_UNLESS_NUMBER_RESERVED: p.M.b: was deleted without reserving its number: "
       "expected \"reserved 2;\"\n"},
  };
  CHECK_ALL(edits);
}

static void test_defaults(void **state) {
#define DEFAULT_IS(words) "proto/a.proto:3: FIELD_SAME_DEFAULT: p.M.a: the default was " words "\n"
  static const struct edit edits[] = {
      {M2("optional int32 a = 1 [default = 5];"), M2("optional int32 a = 1 [default = 0x5];"), ""},
      {M2("optional int32 a = 1 [default = 0];"), M2("optional int32 a = 1;"), ""},
      {M2("optional int32 a = 1 [default = 5];"), M2("optional uint64 a = 1 [default = 5];"), ""},
      {M2("optional bool a = 1 [default = true];"), M2("optional int32 a = 1 [default = 1];"), ""},
      {M2("optional sint32 a = 1 [default = -1];"), M2("optional sint64 a = 1 [default = -1];"), ""},
      {M2("optional fixed32 a = 1 [default = 7];"), M2("optional sfixed32 a = 1 [default = 7];"), ""},
      {M2("optional fixed64 a = 1 [default = 7];"), M2("optional sfixed64 a = 1 [default = 7];"), ""},
      {M2("optional double a = 1 [default = nan];"), M2("optional double a = 1 [default = nan]; optional M b = 2;"),
       ""},
      {M2("optional double a = 1 [default = -0.0];"), M2("optional double a = 1;"), ""},
      {M2("optional string a = 1 [default = 'x\\ny'];"), M2("optional bytes a = 1 [default = 'x\\ny'];"), ""},
      {M2("optional string a = 1 [default = ''];"), M2("optional string a = 1;"), ""},
      {M2("repeated int32 a = 1;"), M2("repeated int64 a = 1;"), ""},
      {M2("optional int32 a = 1 [default = 5];"), M2("optional int32 a = 1 [default = 6];"), DEFAULT_IS("5, is 6")},
      {M2("optional int32 a = 1 [default = 5];"), M2("optional int32 a = 1;"), DEFAULT_IS("5, is 0")},
      {M2("optional int32 a = 1;"), M2("optional int64 a = 1 [default = 5];"), DEFAULT_IS("0, is 5")},
      {M2("optional int32 a = 1 [default = -1];"), M2("optional uint64 a = 1 [default = 18446744073709551615];"),
       DEFAULT_IS("-1, is 18446744073709551615")},
      {M2("optional bool a = 1;"), M2("optional bool a = 1 [default = true];"), DEFAULT_IS("false, is true")},
      {M2("optional float a = 1;"), M2("optional float a = 1 [default = 0.5];"), DEFAULT_IS("0, is 0.5")},
      {M2("optional double a = 1 [default = nan];"), M2("optional double a = 1 [default = inf];"),
       DEFAULT_IS("nan, is inf")},
      {M2("optional string a = 1 [default = 'x'];"), M2("optional string a = 1;"), DEFAULT_IS("x, is empty")},
      {M2("optional bytes a = 1 [default = ''];"), M2("optional bytes a = 1 [default = 'x'];"),
       DEFAULT_IS("empty, is x")},
      {M2("optional int32 a = 1 [default = 5];"), M3("optional int32 a = 1;"), DEFAULT_IS("5, is 0")},
      {M2("enum E { A = 0; B = 1; } optional E a = 1 [default = B];"), M2("enum E { A = 0; B = 1; } optional E a = 1;"),
       DEFAULT_IS("B, is A")},
      /* the first value of an enum is the default */
      {M2("enum E { A = 1; B = 2; } optional E a = 1;"), M2("enum E { B = 2; A = 1; } optional E a = 1;"),
       DEFAULT_IS("A, is B")},
      {M2("enum E { A = 1; B = 2; } optional E a = 1 [default = A];"),
       M2("enum E { B = 2; A = 1; } optional E a = 1 [default = A];"), ""},
      {"@a.proto\n" P2 "import \"e.proto\";\nmessage M { optional E a = 1; }\n@e.proto\n" P2 "enum E { A = 1; B = 2; }",
       "@a.proto\n" P2 "import \"e.proto\";\nmessage M { optional E a = 1; }\n@e.proto\n" P2 "enum E { B = 2; A = 1; }",
       DEFAULT_IS("A, is B")},
      /* a changed type makes the changed default redundant */
      {M2("optional int32 a = 1 [default = 5];"), M2("optional string a = 1 [default = 'x'];"),
       "proto/a.proto:3: FIELD_WIRE_COMPATIBLE_TYPE: p.M.a: was int32, is string\n"},
  };
  CHECK_ALL(edits);
}

/* ---- messages ---- */

#define DELETED(type, name, number)                        \
  "FIELD_NO_DELETE_UNLESS_NUMBER_RESERVED: " type "." name \
  ": was deleted without reserving its number: expected \"reserved " number ";\"\n"

static void test_deleted_fields(void **state) {
  static const struct edit edits[] = {
      {M3("int32 a = 1; int32 b = 2;"), M3("int32 b = 2;"), "proto/a.proto:2: " DELETED("p.M", "a", "1")},
      {M3("int32 a = 1; int32 b = 2;"), M3(""),
       "proto/a.proto:2: " DELETED("p.M", "a", "1") "proto/a.proto:2: " DELETED("p.M", "b", "2")},
      {M3("int32 a = 1;"), M3("int32 a = 2;"), "proto/a.proto:2: " DELETED("p.M", "a", "1")},
      {M3("int32 a = 1;"), M3("reserved \"a\";"), "proto/a.proto:2: " DELETED("p.M", "a", "1")},
      {M3("int32 a = 5;"), M3("reserved 4, 6 to max;"), "proto/a.proto:2: " DELETED("p.M", "a", "5")},
      {M3("int32 a = 5;"), M3("reserved 5;"), ""},
      {M3("int32 a = 5;"), M3("reserved 1 to 5;"), ""},
      {M3("int32 a = 536870911;"), M3("reserved 7 to max;"), ""},
      {M2("optional group G = 1 { }"), M2("reserved 1;"), ""},
      {M2("optional group G = 1 { }"), M2(""), "proto/a.proto:2: " DELETED("p.M", "g", "1")},
      {M3("int32 a = 1;"), M3("int32 b = 1;"), ""}, /* names are not sent */
      {M3("int32 a = 1;"), M3("int32 b = 2; int32 a = 1; string c = 3;"), ""},
      {M3("map<int32, M> a = 1;"), M3("reserved 1;"), ""},
      /* nested messages */
      {M3("message N { message O { int32 a = 1; } }"), M3("message N {\nmessage O { } }"),
       "proto/a.proto:4: " DELETED("p.M.N.O", "a", "1")},
      {M3("message N { message O { int32 a = 1; } }"), M3("message N { message O { reserved 1; } }"), ""},
      /* an unused message may be deleted */
      {M3("message N { int32 a = 1; } int32 a = 1;"), M3("int32 a = 1;"), ""},
      {M3("int32 a = 1;"), P3, ""},
      /* an enum in place of a message: the message was deleted */
      {P3 "message N { int32 a = 1; }", P3 "enum N { A = 0; }", ""},
  };
  CHECK_ALL(edits);
}

static void test_reserved_of_messages(void **state) {
#define FREED(number) "proto/a.proto:2: RESERVED_MESSAGE_NO_DELETE: p.M: number " number " was reserved, is no longer\n"
  static const struct edit edits[] = {
      {M3("reserved 5;"), M3("reserved 5, 7;"), ""},
      {M3("reserved 5 to 9;"), M3("reserved 1 to 20;"), ""},
      {M3("reserved 5 to 9;"), M3("reserved 9, 5, 6 to 7, 8;"), ""},
      {M3("reserved 5, 6, 7;"), M3("reserved 5 to 7;"), ""},
      {M3("reserved \"a\", \"b\";"), M3("reserved \"b\", \"c\", \"a\";"), ""},
      {M3("reserved 5;"), M3(""), FREED("5")},
      {M3("reserved 5;"), M3("int32 a = 5;"), FREED("5")},
      {M3("reserved 5 to 9;"), M3("reserved 5, 7 to 9;"), FREED("6")},
      {M3("reserved 5 to 9;"), M3("reserved 5 to 8;"), FREED("9")},
      {M3("reserved 5 to max;"), M3("reserved 5 to 1000;"), FREED("1001")},
      {M3("reserved 1, 3;"), M3(""), FREED("1") FREED("3")},
      {M3("reserved \"a\", \"b\";"), M3("reserved \"b\";"),
       "proto/a.proto:2: RESERVED_MESSAGE_NO_DELETE: p.M: the name \"a\" was reserved, is no longer\n"},
  };
  CHECK_ALL(edits);
}

static void test_required_fields(void **state) {
  static const struct edit edits[] = {
      {M2("required int32 a = 1;"), M2("required int64 b = 1;"), ""},
      {M2("optional int32 a = 1;"), M2("optional int32 a = 1; optional int32 b = 2;"), ""},
      {M2("required int32 a = 1;"), M2("optional int32 a = 1;"),
       "proto/a.proto:3: MESSAGE_SAME_REQUIRED_FIELDS: p.M.a: was required, is not\n"},
      {M2("optional int32 a = 1;"), M2("required int32 a = 1;"),
       "proto/a.proto:3: MESSAGE_SAME_REQUIRED_FIELDS: p.M.a: was not required, is\n"},
      {M2("required int32 a = 1;"), M2("repeated int32 a = 1;"),
       "proto/a.proto:3: FIELD_WIRE_COMPATIBLE_CARDINALITY: p.M.a: was singular, is repeated\n"
       "proto/a.proto:3: MESSAGE_SAME_REQUIRED_FIELDS: p.M.a: was required, is not\n"},
      {M2(""), M2("\nrequired int32 a = 1;"),
       "proto/a.proto:4: MESSAGE_SAME_REQUIRED_FIELDS: p.M.a: is new and required: old writers do not set it\n"},
      {M2("required int32 a = 1;"), M2("reserved 1;"),
       "proto/a.proto:2: MESSAGE_SAME_REQUIRED_FIELDS: p.M.a: was required, is deleted: old readers refuse a message "
       "without it\n"},
      {M2("required int32 a = 1;"), M3("int32 a = 1;"),
       "proto/a.proto:3: MESSAGE_SAME_REQUIRED_FIELDS: p.M.a: was required, is not\n"},
      {P2, M2("required int32 a = 1;"), ""}, /* the whole message is new */
  };
  CHECK_ALL(edits);
}

static void test_message_sets(void **state) {
  static const struct edit edits[] = {
      {M2("extensions 4 to max;"), M2("option message_set_wire_format = true; extensions 4 to max;"),
       "proto/a.proto:2: MESSAGE_SAME_MESSAGE_SET_WIRE_FORMAT: p.M: message_set_wire_format was false, is true\n"},
      {M2("option message_set_wire_format = true; extensions 4 to max;"), M2("extensions 4 to max;"),
       "proto/a.proto:2: MESSAGE_SAME_MESSAGE_SET_WIRE_FORMAT: p.M: message_set_wire_format was true, is false\n"},
      {M2("extensions 4 to max;"), M2("option message_set_wire_format = false; extensions 4 to max;"), ""},
  };
  CHECK_ALL(edits);
}

static void test_proto2_and_proto3(void **state) {
  static const struct edit edits[] = {
      {M2("optional int32 a = 1; optional string b = 2; repeated int32 c = 3;"),
       M3("int32 a = 1; optional string b = 2; repeated int32 c = 3;"), ""},
      {M3("int32 a = 1; M b = 2;"), M2("optional int32 a = 1; optional M b = 2;"), ""},
  };
  CHECK_ALL(edits);
}

/* ---- enums ---- */

#define E3(body) P3 "enum E {\n" body "\n}\n"

static void test_enums(void **state) {
#define VALUE_DELETED(name, number)                                         \
  "proto/a.proto:2: ENUM_VALUE_NO_DELETE_UNLESS_NUMBER_RESERVED: p.E." name \
  ": was deleted without reserving its number: expected \"reserved " number ";\"\n"
#define VALUE_FREED(number) \
  "proto/a.proto:2: RESERVED_ENUM_NO_DELETE: p.E: number " number " was reserved, is no longer\n"
  static const struct edit edits[] = {
      {E3("A = 0;"), E3("A = 0; B = 1;"), ""},
      {E3("A = 0; B = 1;"), E3("A = 0; RENAMED = 1;"), ""},
      {E3("A = 0; B = 1;"), E3("A = 0; reserved 1;"), ""},
      {E3("A = 0; B = -5;"), E3("A = 0; reserved -9 to -5;"), ""},
      {E3("A = 0; B = 2147483647;"), E3("A = 0; reserved 7 to max;"), ""},
      {E3("option allow_alias = true; A = 0; B = 1; C = 1;"), E3("A = 0; C = 1;"), ""},
      {P3 "enum E { A = 0; B = 1; }", P3, ""}, /* unused */
      {E3("A = 0; B = 1;"), E3("A = 0;"), VALUE_DELETED("B", "1")},
      {E3("A = 0; B = 1;"), E3("A = 0; B = 2;"), VALUE_DELETED("B", "1")},
      {E3("A = 0; B = 1;"), E3("A = 0; reserved \"B\"; reserved 2 to max;"), VALUE_DELETED("B", "1")},
      {E3("A = 0; B = -5;"), E3("A = 0; reserved -4;"), VALUE_DELETED("B", "-5")},
      {E3("option allow_alias = true; A = 0; B = 1; C = 1;"), E3("A = 0;"), VALUE_DELETED("B", "1")},
      {E3("A = 0; reserved 2 to 4;"), E3("A = 0; reserved 4, 2 to 3;"), ""},
      {E3("A = 0; reserved 2 to 4;"), E3("A = 0; reserved 2 to 3;"), VALUE_FREED("4")},
      {E3("A = 0; reserved 2 to max;"), E3("A = 0; reserved 2 to 2147483646;"), VALUE_FREED("2147483647")},
      {E3("A = 0; reserved 2;"), E3("A = 0; B = 2;"), VALUE_FREED("2")},
      {E3("A = 0; reserved \"B\";"), E3("A = 0;"),
       "proto/a.proto:2: RESERVED_ENUM_NO_DELETE: p.E: the name \"B\" was reserved, is no longer\n"},
      {P2 "message M { enum E { A = 1; B = 2; } }", P2 "message M {\nenum E { A = 1; } }",
       "proto/a.proto:3: ENUM_VALUE_NO_DELETE_UNLESS_NUMBER_RESERVED: p.M.E.B: was deleted without reserving its "
       "number: expected \"reserved 2;\"\n"},
  };
  CHECK_ALL(edits);
}

/* ---- services ---- */

#define S3(body) P3 "message A {} message B {}\nservice S {\n" body "\n}\n" /* the body is on line 4 */

static void test_services(void **state) {
  static const struct edit edits[] = {
      {S3("rpc X(A) returns (B);"), S3("rpc Y(B) returns (A);\nrpc X(A) returns (B);"), ""},
      {S3("rpc X(A) returns (B);"), S3("rpc X(A) returns (B) { option idempotency_level = IDEMPOTENT; }"), ""},
      {S3("rpc X(A) returns (B);"), S3("rpc X(A) returns (B) { option deprecated = true; }"), ""},
      {S3("rpc X(A) returns (B);"), S3("rpc X(.p.A) returns (p.B);"), ""},
      {S3(""), P3, ""},
      {S3("rpc X(A) returns (B);"), S3("\nrpc X(B) returns (B);"),
       "proto/a.proto:5: RPC_SAME_REQUEST_TYPE: p.S.X: was p.A, is p.B\n"},
      {S3("rpc X(A) returns (B);"), S3("rpc X(A) returns (A);"),
       "proto/a.proto:4: RPC_SAME_RESPONSE_TYPE: p.S.X: was p.B, is p.A\n"},
      {S3("rpc X(A) returns (B);"), S3("rpc X(stream A) returns (B);"),
       "proto/a.proto:4: RPC_SAME_CLIENT_STREAMING: p.S.X: was one message, is a stream\n"},
      {S3("rpc X(A) returns (stream B);"), S3("rpc X(A) returns (B);"),
       "proto/a.proto:4: RPC_SAME_SERVER_STREAMING: p.S.X: was a stream, is one message\n"},
      {S3("rpc X(A) returns (B);"), S3("rpc X(stream B) returns (stream A);"),
       "proto/a.proto:4: RPC_SAME_REQUEST_TYPE: p.S.X: was p.A, is p.B\n"
       "proto/a.proto:4: RPC_SAME_RESPONSE_TYPE: p.S.X: was p.B, is p.A\n"
       "proto/a.proto:4: RPC_SAME_CLIENT_STREAMING: p.S.X: was one message, is a stream\n"
       "proto/a.proto:4: RPC_SAME_SERVER_STREAMING: p.S.X: was one message, is a stream\n"},
      {S3("rpc X(A) returns (B); rpc Y(A) returns (B);"), S3("rpc Y(A) returns (B);"),
       "proto/a.proto:3: RPC_NO_DELETE: p.S.X: the method was deleted\n"},
      {S3("rpc X(A) returns (B);"), S3("rpc x(A) returns (B);"),
       "proto/a.proto:3: RPC_NO_DELETE: p.S.X: the method was deleted\n"},
      {S3("rpc X(A) returns (B);"), "\n" P3,
       "proto/a.proto:2: PACKAGE_SERVICE_NO_DELETE: p.S: the service was deleted, and with it X\n"},
      {S3("rpc X(A) returns (B); rpc Y(A) returns (B);"), "",
       "proto/a.proto: PACKAGE_SERVICE_NO_DELETE: p.S: the service was deleted, and with it X and the other methods\n"},
      /* deleting a message that a method uses changes the method */
      {P3 "message A {} service S { rpc X(A) returns (A); }", P3 "message B {} service S { rpc X(B) returns (B); }",
       "proto/a.proto:2: RPC_SAME_REQUEST_TYPE: p.S.X: was p.A, is p.B\n"
       "proto/a.proto:2: RPC_SAME_RESPONSE_TYPE: p.S.X: was p.A, is p.B\n"},
  };
  CHECK_ALL(edits);
}

/* ---- files ---- */

#define M_AND_S "message M { int32 a = 1; enum E { A = 0; } }\nservice S { rpc X(M) returns (M); }\n"

#define ONE(name, type) P3 "message " name " { " type " a = 1; }\n"

static void test_moved_definitions(void **state) {
  static const struct edit edits[] = {
      /* a renamed or moved file */
      {"@a.proto\n" P3 M_AND_S, "@b.proto\n" P3 M_AND_S, ""},
      {"@a.proto\n" P3 M_AND_S, "@sub/dir/a.proto\n" P3 M_AND_S, ""},
      /* definitions moved to another file: the package of the old file does not matter */
      {"@a.proto\n" P3 M_AND_S, "@a.proto\n" P3 "@b.proto\n" P3 M_AND_S, ""},
      {"@a.proto\n" P3 M_AND_S "@b.proto\n" P3,
       "@a.proto\n" P3 "import \"b.proto\"; service S { rpc X(M) returns (M); }\n"
       "@b.proto\n" P3 "message M { int32 a = 1; }\n",
       ""},
      /* a finding has the new place of the definition */
      {"@a.proto\n" P3 "message M { int32 a = 1; }\n", "@sub/b.proto\n" P3 "\n\nmessage M { string a = 1; }\n",
       "proto/sub/b.proto:4: FIELD_WIRE_COMPATIBLE_TYPE: p.M.a: was int32, is string\n"},
      {"@a.proto\n" P3 "message M { int32 a = 1; }\n", "@b.proto\n" P3 "\nmessage M { }\n",
       "proto/b.proto:3: " DELETED("p.M", "a", "1")},
      /* findings are in the order of the files' old paths */
      {"@d.proto\n" ONE("D", "int32") "@b.proto\n" ONE("B", "int32") "@c.proto\n" ONE("C", "int32") "@a.proto\n" ONE(
           "A", "int32"),
       "@a.proto\n" ONE("B", "bytes") "@b.proto\n" ONE("A", "bytes") "@c.proto\n" ONE("D", "bytes") "@d.proto\n" ONE(
           "C", "bytes"),
       "proto/b.proto:2: FIELD_WIRE_COMPATIBLE_TYPE: p.A.a: was int32, is bytes\n"
       "proto/a.proto:2: FIELD_WIRE_COMPATIBLE_TYPE: p.B.a: was int32, is bytes\n"
       "proto/d.proto:2: FIELD_WIRE_COMPATIBLE_TYPE: p.C.a: was int32, is bytes\n"
       "proto/c.proto:2: FIELD_WIRE_COMPATIBLE_TYPE: p.D.a: was int32, is bytes\n"},
      /* no files before, no files after */
      {"", "@a.proto\n" P3 M_AND_S, ""},
      {"@a.proto\n" P3 "message M { int32 a = 1; }\n", "", ""},
  };
  CHECK_ALL(edits);
}

static void test_packages(void **state) {
#define NO_PACKAGE "syntax = \"proto3\";\n"
  static const struct edit edits[] = {
      {P3 M_AND_S, NO_PACKAGE "\npackage q;\n" M_AND_S,
       "proto/a.proto:3: FILE_SAME_PACKAGE: the package was \"p\", is \"q\"\n"},
      {P3 M_AND_S, "\n" NO_PACKAGE M_AND_S, "proto/a.proto:2: FILE_SAME_PACKAGE: the package was \"p\", is \"\"\n"},
      {NO_PACKAGE M_AND_S, P3 M_AND_S, "proto/a.proto:1: FILE_SAME_PACKAGE: the package was \"\", is \"p\"\n"},
      /* a file without definitions, or whose definitions have moved to another file */
      {NO_PACKAGE, P3 M_AND_S, ""},
      {"@a.proto\n" P3 M_AND_S, "@a.proto\n" NO_PACKAGE M_AND_S "@b.proto\n" P3 M_AND_S, ""},
      /* fields of other files with a type of this file change their type */
      {"@a.proto\n" P3 "message M {}\n@b.proto\n" P3 "import \"a.proto\"; message N { M m = 1; }\n",
       "@a.proto\n" NO_PACKAGE "message M {}\n@b.proto\n" P3 "import \"a.proto\"; message N { .M m = 1; }\n",
       "proto/a.proto:1: FILE_SAME_PACKAGE: the package was \"p\", is \"\"\n"
       "proto/b.proto:2: FIELD_WIRE_COMPATIBLE_TYPE: p.N.m: was p.M, is M\n"},
  };
  CHECK_ALL(edits);
}

static void test_files_that_come_with_every_pool(void **state) {
#define STATUS(body) "@google/rpc/status.proto\nsyntax = \"proto3\"; package google.rpc;\n" body
#define STATUS_BODY                                                         \
  "import \"google/protobuf/any.proto\"; message Status { int32 code = 1; " \
  "string message = 2; repeated google.protobuf.Any details = 3; "
  static const struct edit edits[] = {
      {STATUS(STATUS_BODY "reserved 9; }\n"), STATUS(STATUS_BODY "}\n"), ""},
      {STATUS(STATUS_BODY "}\n"), "", ""},
      /* other files below google/ belong to the project and are checked */
      {"@google/own.proto\n" P3 "message M { int32 a = 1; }\n", "@google/own.proto\n" P3 "message M { }\n",
       "proto/google/own.proto:2: " DELETED("p.M", "a", "1")},
  };
  CHECK_ALL(edits);
}

/* ---- sets, memory ---- */

static struct mw_pool *pool_of_set(const char *text) {
  struct mw_buf set = MW_BUF_INIT;
  textproto_encode(&set, NULL, NULL, "google.protobuf.FileDescriptorSet", text);
  struct mw_pool *pool = NULL;
  assert_int_equal(mw_pool_new(&pool, mw_buf_slice(&set), NULL), 0);
  mw_buf_fini(&set);
  return pool;
}

/* Descriptor sets may lack source information, and may differ from protoc's output. */
static void test_descriptor_sets(void **state) {
#define SET(body) "file { name: 'a.proto' package: 'p' message_type { name: 'M' " body " } }"
#define GROUP "field { name: 'g' number: 1 type: TYPE_GROUP label: LABEL_OPTIONAL } "
  struct mw_pool *running = pool_of_set(SET(GROUP "field { name: 'a' number: 2 type: TYPE_INT32 }"
                                                  " reserved_range { start: 9 end: 3 } reserved_range { }"));
  struct mw_pool *candidate = pool_of_set(SET(GROUP "field { name: 'a' number: 2 type: TYPE_STRING }"));
  struct mw_err err = MW_ERR_INIT;
  assert_int_equal(mw_compat_check(running, candidate, MW_ROOTS("x/proto"), &err), MW_ECONFLICT);
  assert_string_equal(mw_err_text(&err), "x/proto/a.proto: FIELD_WIRE_COMPATIBLE_TYPE: p.M.a: was int32, is string");
  mw_err_fini(&err);
  mw_pool_unref(running);
  mw_pool_unref(candidate);
}

/* Messages nested as deep as a set allows, with one field. */
static struct mw_pool *deep_pool(const char *field) {
  enum { DEEPEST = 64 };
  char text[4096];
  size_t n = (size_t)snprintf(text, sizeof text, "file { name: 'a.proto' ");
  for (unsigned i = 0; i < DEEPEST; i++) {
    n += (size_t)snprintf(text + n, sizeof text - n, "%s { name: 'M' ", i == 0 ? "message_type" : "nested_type");
  }
  n += (size_t)snprintf(text + n, sizeof text - n, "%s", field);
  for (unsigned i = 0; i < DEEPEST + 1; i++) text[n++] = '}';
  text[n] = '\0';
  return pool_of_set(text);
}

static void test_messages_nested_deeply(void **state) {
  struct mw_pool *running = deep_pool("field { name: 'a' number: 1 type: TYPE_INT32 }");
  struct mw_pool *candidate = deep_pool("field { name: 'a' number: 1 type: TYPE_STRING }");
  struct mw_err err = MW_ERR_INIT;
  assert_int_equal(mw_compat_check(running, candidate, MW_ROOTS(NULL), &err), MW_ECONFLICT);
  assert_non_null(strstr(mw_err_text(&err), "a.proto: FIELD_WIRE_COMPATIBLE_TYPE: M.M.M.M."));
  assert_non_null(strstr(mw_err_text(&err), ".M.M.a: was int32, is string"));
  mw_err_fini(&err);
  mw_pool_unref(running);
  mw_pool_unref(candidate);
}

struct pools {
  struct mw_pool *running, *candidate;
  int expected;
};

static int check_without_memory(void *arg) {
  const struct pools *pools = arg;
  struct mw_err err = MW_ERR_INIT;
  int rc = mw_compat_check(pools->running, pools->candidate, MW_ROOTS("proto"), &err);
  assert_int_equal(err.code, rc);
  mw_err_fini(&err);
  return rc == pools->expected ? 0 : rc;
}

static void test_without_memory(void **state) {
  struct pools breaking = {
      pool_of("@a.proto\n" P2 "message M { optional int32 a = 1; optional int32 b = 2; required int32 c = 3; "
              "oneof o { int32 d = 4; } reserved 9; }\nenum E { A = 0; B = 1; }\n"
              "service S { rpc X(M) returns (M); rpc Y(M) returns (M); } service T { rpc X(M) returns (M); }\n"
              "@b.proto\n" P3 "message N {}\n"),
      pool_of("@a.proto\n" P2 "message M { optional string a = 1; optional int32 b = 2 [default = 5]; "
              "optional int32 d = 4; }\nenum E { A = 0; }\nservice S { rpc X(M) returns (stream M); }\n"
              "@b.proto\nsyntax = \"proto3\"; message N {}\n"),
      MW_ECONFLICT};
  failmalloc_sweep(check_without_memory, &breaking);
  struct pools fine = {breaking.running, breaking.running, 0};
  failmalloc_sweep(check_without_memory, &fine);
  fine.candidate = pool_of("@c.proto\n" P3 "message N {}\n");
  fine.running = pool_of("@b.proto\n" P3 "message N {}\n");
  failmalloc_sweep(check_without_memory, &fine);
  mw_pool_unref(fine.running);
  mw_pool_unref(fine.candidate);
  mw_pool_unref(breaking.running);
  mw_pool_unref(breaking.candidate);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_types_change_within_their_group),
      cmocka_unit_test(test_types),
      cmocka_unit_test(test_maps),
      cmocka_unit_test(test_cardinality),
      cmocka_unit_test(test_oneofs),
      cmocka_unit_test(test_defaults),
      cmocka_unit_test(test_deleted_fields),
      cmocka_unit_test(test_reserved_of_messages),
      cmocka_unit_test(test_required_fields),
      cmocka_unit_test(test_message_sets),
      cmocka_unit_test(test_proto2_and_proto3),
      cmocka_unit_test(test_enums),
      cmocka_unit_test(test_services),
      cmocka_unit_test(test_moved_definitions),
      cmocka_unit_test(test_packages),
      cmocka_unit_test(test_files_that_come_with_every_pool),
      cmocka_unit_test(test_descriptor_sets),
      cmocka_unit_test(test_messages_nested_deeply),
      cmocka_unit_test(test_without_memory),
  };
  return cmocka_run_group_tests_name("compat", tests, make_root, remove_root);
}
