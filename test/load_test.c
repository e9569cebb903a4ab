/* mw_schema_load(): folders of .proto files and descriptor sets, in a temporary folder each. */
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "failmalloc.h"
#include "schema/load/load.h"
#include "schema/load/subprocess.h"
#include "schema/pool/roots.h"
#include "schema/pool/wellknown.h"
#include "schema/wire/write.h"

static char root[64]; /* the test's folder */

static int make_folder(void **state) {
  strcpy(root, "/tmp/moonwire-load-XXXXXX");
  return mkdtemp(root) ? 0 : -1;
}

static int remove_folder(void **state) {
  const char *const argv[] = {"rm", "-rf", root, NULL};
  int status = -1;
  struct mw_buf out = MW_BUF_INIT, errors = MW_BUF_INIT;
  mw_subprocess_run(&(struct mw_command){.argv = argv, .dir = "/"}, &out, &errors, &status, NULL);
  mw_buf_fini(&out);
  mw_buf_fini(&errors);
  return status;
}

static void path_of(char *out, size_t size, const char *name) { snprintf(out, size, "%s/%s", root, name); }

static void make_dir(const char *name) {
  char path[256];
  path_of(path, sizeof path, name);
  assert_int_equal(mkdir(path, 0777), 0);
}

static void write_bytes(const char *name, struct mw_slice bytes) {
  char path[256];
  path_of(path, sizeof path, name);
  FILE *file = fopen(path, "wb");
  assert_non_null(file);
  assert_int_equal(fwrite(bytes.data, 1, bytes.len, file), bytes.len);
  fclose(file);
}

static void write_text(const char *name, const char *text) { write_bytes(name, mw_slice_str(text)); }

static struct mw_pool *load(const char *dir) {
  struct mw_err err = MW_ERR_INIT;
  struct mw_pool *pool = NULL;
  int rc = mw_schema_load(&pool, dir, &err);
  assert_string_equal(mw_err_text(&err), "no error");
  assert_int_equal(rc, 0);
  return pool;
}

/* Asserts that loading the folders fails with `words`, in which ROOT stands for the path of the test's folder. */
static void assert_refused_from(const char *const *roots, int code, const char *words) {
  struct mw_err err = MW_ERR_INIT;
  struct mw_pool *pool = NULL;
  struct mw_buf expected = MW_BUF_INIT;
  for (const char *at = words; *at;) {
    const char *hole = strstr(at, "ROOT");
    size_t len = hole ? (size_t)(hole - at) : strlen(at);
    assert_int_equal(mw_buf_append(&expected, at, len), 0);
    if (hole) assert_int_equal(mw_buf_puts(&expected, root), 0);
    at += len + (hole ? 4 : 0);
  }
  assert_int_equal(mw_schema_load_from(&pool, roots, &err), code);
  assert_string_equal(mw_err_text(&err), mw_buf_str(&expected));
  assert_null(pool);
  mw_buf_fini(&expected);
  mw_err_fini(&err);
}

static void assert_refused(int code, const char *words) { assert_refused_from(MW_ROOTS(root), code, words); }

#define PROTO3 "syntax = \"proto3\";\n"

static void test_a_folder_that_is_not_there_or_empty(void **state) {
  struct mw_pool *pool = load("no/such/folder");
  assert_non_null(mw_pool_message(pool, "google.protobuf.Timestamp"));
  assert_null(mw_pool_file(pool, "a.proto").data);
  mw_pool_unref(pool);
  pool = load(root);
  assert_non_null(mw_pool_message(pool, "google.rpc.Status"));
  mw_pool_unref(pool);
}

static void test_folders_in_folders(void **state) {
  make_dir("a");
  make_dir("a/b");
  make_dir(".git");
  write_text("a/b/deep.proto", PROTO3 "package deep;\nmessage M {}");
  write_text("-top.proto", PROTO3 "import \"a/b/deep.proto\";\nmessage Top { deep.M m = 1; }");
  write_text(".hidden.proto", "not a proto");
  write_text(".git/x.proto", "not a proto");
  write_text("notes.txt", "not a proto");
  char loop[256];
  path_of(loop, sizeof loop, "a/loop");
  assert_int_equal(symlink("..", loop), 0);
  path_of(loop, sizeof loop, "a/dangling.proto");
  assert_int_equal(symlink("nowhere", loop), 0);
  struct mw_pool *pool = load(root);
  assert_string_equal(mw_pool_message(pool, "deep.M")->file, "a/b/deep.proto");
  assert_non_null(mw_pool_message(pool, "Top"));
  mw_pool_unref(pool);
}

static void make_link(const char *target, const char *name) {
  char path[256];
  path_of(path, sizeof path, name);
  assert_int_equal(symlink(target, path), 0);
}

/* protoc treats one file with two names as two files. */
static void test_links_are_imported_by_any_name(void **state) {
  static const char *const folders[] = {"a", "z"}; /* names that sort before and after "link" */
  for (size_t i = 0; i < 2; i++) {
    char path[64], import[256];
    make_dir(folders[i]);
    snprintf(path, sizeof path, "%s/validate", folders[i]);
    make_dir(path);
    make_link(path, "link");
    snprintf(path, sizeof path, "%s/validate/rule.proto", folders[i]);
    write_text(path, PROTO3 "package validate;\nmessage Rule {}");
    for (size_t k = 0; k < 2; k++) { /* imported by the link, by the folder */
      const char *name = k == 0 ? "link/rule.proto" : path;
      snprintf(import, sizeof import,
               "/* import \"a/validate/rule.proto\"; */ // import 'z/validate/rule.proto'\n" PROTO3
               "import public '%s';\nmessage M { validate.Rule r = 1; }",
               name);
      write_text("m.proto", import);
      struct mw_pool *pool = load(root);
      assert_string_equal(mw_pool_message(pool, "validate.Rule")->file, name);
      mw_pool_unref(pool);
    }
    char link[256];
    path_of(link, sizeof link, "link");
    assert_int_equal(remove(link), 0);
    path_of(link, sizeof link, path);
    assert_int_equal(remove(link), 0);
  }
}

static void test_linked_files_are_one(void **state) {
  make_dir("third");
  write_text("third/rule.proto", PROTO3 "package validate;\nmessage Rule {}");
  make_link("third/rule.proto", "rule.proto");
  make_link("third/rule.proto", "zule.proto");
  struct mw_pool *pool = load(root);
  assert_string_equal(mw_pool_message(pool, "validate.Rule")->file, "rule.proto");
  mw_pool_unref(pool);
  write_text("m.proto", PROTO3 "import \"zule.proto\";\nmessage M { validate.Rule r = 1; }");
  pool = load(root);
  assert_string_equal(mw_pool_message(pool, "validate.Rule")->file, "zule.proto");
  mw_pool_unref(pool);
  write_text("n.proto", PROTO3 "\nimport weak \"third/rule.proto\";\nmessage N { validate.Rule r = 1; }");
  assert_refused(MW_EFORMAT,
                 "ROOT/n.proto:3: imports \"third/rule.proto\", the same file as \"zule.proto\" (line 2 of m.proto), "
                 "of "
                 "which one is a link: import it by one name");
}

/* A link to an enclosing folder gives each file any number of names. */
static void test_links_to_folders_around_them(void **state) {
  make_dir("api");
  make_link("..", "api/root");
  write_text("api/a.proto", PROTO3 "message A {}");
  write_text("b.proto", PROTO3 "import \"api/root/api/root/api/a.proto\";\nmessage B { A a = 1; }");
  struct mw_pool *pool = load(root);
  assert_string_equal(mw_pool_message(pool, "A")->file, "api/root/api/root/api/a.proto");
  mw_pool_unref(pool);
}

static void test_wellknown_imports(void **state) {
  write_text("a.proto", PROTO3
             "import \"google/protobuf/any.proto\";\nimport \"google/rpc/status.proto\";\n"
             "import \"google/rpc/error_details.proto\";\nimport \"google/rpc/code.proto\";\n"
             "message M { google.protobuf.Any a = 1; google.rpc.Status s = 2; google.rpc.BadRequest b = 3; "
             "google.rpc.Code c = 4; }");
  struct mw_pool *pool = load(root);
  assert_string_equal(mw_pool_message(pool, "M")->fields[1].message->full_name, "google.rpc.Status");
  mw_pool_unref(pool);
}

/* protoc 3.21 lacks these options. */
static void test_options_newer_than_protoc(void **state) {
  write_text("a.proto", PROTO3
             "message Login {\n"
             "  string user = 1 [deprecated = true, features.field_presence = IMPLICIT];\n"
             "  string password = 2 [debug_redact = true, retention = RETENTION_SOURCE, targets = TARGET_TYPE_FIELD,\n"
             "    targets = TARGET_TYPE_ENUM, feature_support = { edition_introduced: EDITION_2023 removal_error: "
             "'no' }];\n"
             "}\n"
             "enum Level { LOW = 0 [debug_redact = true]; }");
  write_text("b.proto",
             "syntax = \"proto2\"; import \"google/protobuf/descriptor.proto\"; package b;\n"
             "extend google.protobuf.FieldOptions { optional string note = 50001 [retention = RETENTION_RUNTIME]; }\n"
             "message M {\n"
             "  extensions 100 to max [verification = DECLARATION,\n"
             "    declaration = { number: 100 full_name: '.b.x' type: 'string' }];\n"
             "  option deprecated_legacy_json_field_conflicts = true;\n"
             "  optional string secret = 1 [(note) = 'x', debug_redact = true];\n"
             "  optional google.protobuf.FeatureSet features = 2;\n"
             "}");
  write_text("c.proto", PROTO3 "option php_generic_services = true; option java_generate_equals_and_hash = true;");
  struct mw_pool *pool = load(root);
  struct mw_slice file = mw_pool_file(pool, "a.proto");
  assert_non_null(memmem(file.data, file.len, "\x80\x01\x01", 3)); /* FieldOptions.debug_redact, 16 */
  assert_non_null(
      mw_field_by_name(mw_pool_message(pool, "google.protobuf.FieldOptions"), mw_slice_str("debug_redact")));
  mw_pool_unref(pool);
  write_text("c.proto", PROTO3 "message C { string a = 1 [debug_redacted = true]; }");
  assert_refused(MW_EFORMAT,
                 "ROOT/c.proto:2:27: Option \"debug_redacted\" unknown. Ensure that your proto definition file "
                 "imports the "
                 "proto which defines the option.");
}

static void test_a_copy_of_a_wellknown_file(void **state) {
  make_dir("google");
  make_dir("google/rpc");
  write_text("google/rpc/status.proto", PROTO3
             "// mine\npackage google.rpc;\nimport \"google/protobuf/any.proto\";\n"
             "message Status { int32 code = 1; string message = 2; repeated google.protobuf.Any details = 3; }");
  write_text("a.proto", PROTO3 "import \"google/rpc/status.proto\";\nmessage M { google.rpc.Status s = 1; }");
  struct mw_pool *pool = load(root);
  struct mw_slice file = mw_pool_file(pool, mw_pool_file_of_symbol(pool, "google.rpc.Status"));
  assert_non_null(memmem(file.data, file.len, "mine", 4));
  assert_non_null(mw_pool_message(pool, "google.rpc.ErrorInfo"));
  mw_pool_unref(pool);
}

static void test_every_bad_file_is_reported(void **state) {
  make_dir("sub");
  write_text("a.proto", PROTO3 "message A { Nix x = 1; }");
  write_text("b.proto", PROTO3 "import \"google/protobuf/any.proto\";\nmessage B {}"); /* a warning: unused */
  write_text("c.proto", PROTO3 "message C {\n  int32 x = 1;\n  int32 y = 1;\n}");
  write_text("sub/d.proto", PROTO3 "message D {");
  assert_refused(MW_EFORMAT,
                 "ROOT/a.proto:2:13: \"Nix\" is not defined.\n"
                 "ROOT/c.proto:4:13: Field number 1 has already been used in \"C\" by field \"x\".\n"
                 "ROOT/sub/d.proto:2:12: Reached end of input in message definition (missing '}').");
}

static void test_a_bad_import_is_reported_once(void **state) {
  write_text("a.proto", PROTO3 "import \"z.proto\";\nmessage A {}");
  write_text("b.proto", PROTO3 "import \"nix.proto\";\nmessage B {}");
  write_text("z.proto", PROTO3 "message Z { Nix x = 1; }");
  assert_refused(MW_EFORMAT,
                 "ROOT/z.proto:2:13: \"Nix\" is not defined.\n"
                 "ROOT/a.proto:2:1: Import \"z.proto\" was not found or had errors.\n"
                 "ROOT/nix.proto: File not found. An import is a path below the folder of the protos, or below another "
                 "one of the setting proto.\n"
                 "ROOT/b.proto:2:1: Import \"nix.proto\" was not found or had errors.");
}

static void test_editions_are_refused_clearly(void **state) {
  write_text("a.proto", "/* a comment */\n// and another\nedition = \"2023\";\nmessage A {}");
  assert_refused(MW_EUNSUPPORTED,
                 "ROOT/a.proto:1:1: protobuf editions are not supported: expected syntax = \"proto3\" or \"proto2\"");
}

static void test_an_imported_file_of_an_edition(void **state) {
  write_text("e.proto", "edition = \"2023\";\nmessage E {}");
  write_text("a.proto", PROTO3 "import \"e.proto\";\nmessage A { E e = 1; }");
  make_dir("other");
  assert_refused(MW_EUNSUPPORTED,
                 "ROOT/e.proto:1:1: protobuf editions are not supported: expected syntax = \"proto3\" or \"proto2\"\n"
                 "ROOT/a.proto:2:1: Import \"e.proto\" was not found or had errors.\n"
                 "ROOT/a.proto:3:13: \"E\" is not defined.");
}

/* ---- errors of protoc that do not name the remedy ---- */

static void test_no_syntax_line(void **state) {
  write_text("a.proto", "// mine\npackage a;\nmessage A { string x = 1; string y = 2; }");
  write_text("fine.proto", "message B { optional string x = 1; }");
  write_text("other.proto", "message C { optional Nix x = 1; }");
  assert_refused(MW_EFORMAT,
                 "ROOT/a.proto:1:1: without a syntax line, protoc reads proto2: begin the file with syntax = "
                 "\"proto3\";\n"
                 "ROOT/a.proto:3:13: Expected \"required\", \"optional\", or \"repeated\".\n"
                 "ROOT/a.proto:3:27: Expected \"required\", \"optional\", or \"repeated\".\n"
                 "ROOT/other.proto:1:22: \"Nix\" is not defined.");
}

static void test_an_rpc_that_hides_a_message(void **state) {
  write_text("a.proto", PROTO3
             "package a.b;\nmessage Get { message In {} }\nmessage Other {}\n"
             "service S { rpc Get(Get) returns (Get.In); rpc Missing(Other) returns (Missing); }");
  assert_refused(MW_EFORMAT,
                 "ROOT/a.proto:5:21: \"Get\" is not a message type. The rpc Get hides the message of that name: write "
                 ".a.b.Get.\n"
                 "ROOT/a.proto:5:72: \"Missing\" is not a message type. The rpc Missing hides the message of that "
                 "name: "
                 "write the full name, after a dot.");
}

static void test_a_wellknown_type_without_its_import(void **state) {
  write_text("a.proto", PROTO3
             "message A {\n  google.protobuf.Timestamp at = 1;\n  Duration d = 2;\n  Type t = 3;\n"
             "  google.rpc.Status s = 4;\n}");
  assert_refused(MW_EFORMAT,
                 "ROOT/a.proto:3:3: \"google.protobuf.Timestamp\" is not defined. Add import "
                 "\"google/protobuf/timestamp.proto\";\n"
                 "ROOT/a.proto:4:3: \"Duration\" is not defined. Write google.protobuf.Duration, and import "
                 "\"google/protobuf/duration.proto\";\n"
                 "ROOT/a.proto:5:3: \"Type\" is not defined.\n"
                 "ROOT/a.proto:6:3: \"google.rpc.Status\" is not defined. Add import \"google/rpc/status.proto\";");
}

static void test_imports_that_are_nearly_right(void **state) {
  make_dir("shop");
  write_text("shop/order.proto", PROTO3 "message Order {}");
  write_text("a.proto", PROTO3 "import \"proto/shop/order.proto\";\nimport \"google/protobuf/timestamp\";");
  assert_refused(MW_EFORMAT,
                 "ROOT/proto/shop/order.proto: File not found. Did you mean \"shop/order.proto\"?\n"
                 "ROOT/google/protobuf/timestamp: File not found. Did you mean \"google/protobuf/timestamp.proto\"?\n"
                 "ROOT/a.proto:2:1: Import \"proto/shop/order.proto\" was not found or had errors.\n"
                 "ROOT/a.proto:3:1: Import \"google/protobuf/timestamp\" was not found or had errors.");
}

/* ---- several roots ---- */

static void test_imports_of_other_roots(void **state) {
  char own[128], odd[128], last[128];
  path_of(own, sizeof own, "own");
  path_of(odd, sizeof odd, "od:d=");
  path_of(last, sizeof last, "last");
  make_dir("own");
  make_dir("od:d=");
  make_dir("last");
  write_text("own/a.proto", PROTO3 "import \"b.proto\";\nimport \"c.proto\";\nmessage A { B b = 1; C c = 2; }");
  write_text("od:d=/b.proto", PROTO3 "import \"c.proto\";\nmessage B { C c = 1; }");
  write_text("od:d=/bad.proto", "not a proto, and not imported");
  write_text("last/b.proto", "hidden by the one of the root before");
  write_text("last/c.proto", PROTO3 "message C {}");
  struct mw_err err = MW_ERR_INIT;
  struct mw_pool *pool = NULL;
  assert_int_equal(mw_schema_load_from(&pool, MW_ROOTS(own, odd, last), &err), 0);
  assert_string_equal(mw_pool_message(pool, "B")->file, "b.proto");
  assert_non_null(mw_pool_message(pool, "C"));
  mw_pool_unref(pool);
  write_text("last/c.proto", "edition = \"2023\";");
  assert_refused_from(MW_ROOTS(own, odd, last), MW_EUNSUPPORTED,
                      "ROOT/last/c.proto:1:1: protobuf editions are not supported: expected syntax = \"proto3\" or "
                      "\"proto2\"\n"
                      "ROOT/od:d=/b.proto:2:1: Import \"c.proto\" was not found or had errors.\n"
                      "ROOT/od:d=/b.proto:3:13: \"C\" is not defined.\n"
                      "ROOT/own/a.proto:2:1: Import \"b.proto\" was not found or had errors.\n"
                      "ROOT/own/a.proto:3:1: Import \"c.proto\" was not found or had errors.\n"
                      "ROOT/own/a.proto:4:13: \"B\" is not defined.\n"
                      "ROOT/own/a.proto:4:22: \"C\" is not defined.");
  write_text("last/c.proto", PROTO3 "package grpc.health.v1;\n\nmessage HealthCheckRequest {}");
  write_text("od:d=/b.proto", PROTO3 "message B {}");
  write_text("own/a.proto", PROTO3 "import \"b.proto\";\nimport \"c.proto\";");
  assert_refused_from(MW_ROOTS(own, odd, last), MW_EFORMAT,
                      "ROOT/last/c.proto:4: grpc.health.v1.HealthCheckRequest: this copy differs from the built-in "
                      "definition: expected { string service = 1; }, got { }");
  assert_refused_from(MW_ROOTS(own, "/no/such/folder"), MW_EIO,
                      "/no/such/folder: No such file or directory (setting proto)");
}

static void test_descriptor_sets(void **state) {
  /* Real sets include the well-known types of their compiler. */
  write_text("a.proto", PROTO3
             "import \"google/protobuf/timestamp.proto\";\n"
             "message A { google.protobuf.Timestamp at = 1; }");
  write_bytes("types.binpb", mw_schema_wellknown());
  struct mw_pool *pool = load(root);
  assert_non_null(mw_pool_message(pool, "A"));
  mw_pool_unref(pool);
  write_bytes("file.binpb", mw_slice("\x0a\x0c\x0a\x07"
                                     "b.proto"
                                     "\x22\x01\x00",
                                     14)); /* cut short */
  assert_refused(MW_EFORMAT, "ROOT/file.binpb: descriptor set: file 1 is damaged");
  write_text("file.binpb", "hello");
  assert_refused(MW_EFORMAT, "ROOT/file.binpb: not a serialised google.protobuf.FileDescriptorSet");
  write_bytes("file.binpb", mw_slice("\x0a\x0e\x0a\x07"
                                     "b.proto"
                                     "\x22\x03\x0a\x01"
                                     "B",
                                     16));
  pool = load(root);
  assert_string_equal(mw_pool_message(pool, "B")->file, "b.proto");
  mw_pool_unref(pool);
  write_bytes("file.binpb", mw_slice("\x0a\x0e\x0a\x07"
                                     "b.proto"
                                     "\x22\x03\x0a\x01"
                                     "A",
                                     16));
  assert_refused(MW_EEXIST, "ROOT/b.proto: \"A\" is already defined in a.proto");
}

static void put_field(struct mw_buf *out, unsigned number, struct mw_slice bytes) {
  assert_int_equal(mw_wire_put_bytes(out, number, bytes), 0);
}

/* Unpacked source information takes many times its size: that of a set of 250 MiB would not fit into memory. */
static void test_a_large_descriptor_set(void **state) {
  enum { FILES = 50, FILE_BYTES = 5 << 20 };
  static const struct mw_slice location = {(const uint8_t *)"\x0a\x04\x04\x00\x02\x01\x12\x03\x01\x02\x03", 11};
  struct mw_buf set = MW_BUF_INIT, file = MW_BUF_INIT, info = MW_BUF_INIT;
  size_t first = 0;
  while (info.len < FILE_BYTES) put_field(&info, 1, location);
  for (int i = 0; i < FILES; i++) {
    char name[32], message[32];
    snprintf(name, sizeof name, "file%d.proto", i);
    int len = snprintf(message, sizeof message, "\x0a%cM%d", i < 10 ? 2 : 3, i);
    mw_buf_clear(&file);
    put_field(&file, 1, mw_slice_str(name));
    put_field(&file, 4, mw_slice(message, (size_t)len));
    put_field(&file, 9, mw_buf_slice(&info));
    put_field(&set, 1, mw_buf_slice(&file));
    if (i == 0) first = set.len;
  }
  assert_in_range(set.len, 250 << 20, 256 << 20);
  write_bytes("large.binpb", mw_buf_slice(&set));
  struct mw_pool *pool = load(root);
  assert_string_equal(mw_pool_message(pool, "M49")->file, "file49.proto");
  mw_pool_unref(pool);
  write_text("a.proto", PROTO3 "message A {}");
  write_bytes("more.binpb", mw_slice(set.data, first));
  write_bytes("again.binpb", mw_slice(set.data, first));
  assert_refused(MW_ELIMIT, "ROOT: descriptor set: larger than 256 MiB");
  char path[256];
  path_of(path, sizeof path, "large.binpb");
  assert_int_equal(truncate(path, (256 << 20) + 1), 0);
  assert_refused(MW_ELIMIT, "ROOT/large.binpb: longer than 268435456 bytes");
  mw_buf_fini(&info);
  mw_buf_fini(&file);
  mw_buf_fini(&set);
}

static void test_a_file_in_place_of_the_folder(void **state) {
  write_text("proto", "");
  char path[256];
  path_of(path, sizeof path, "proto");
  struct mw_err err = MW_ERR_INIT;
  struct mw_pool *pool = NULL;
  assert_int_equal(mw_schema_load(&pool, path, &err), MW_EIO);
  assert_non_null(strstr(mw_err_text(&err), "/proto: Not a directory"));
  mw_err_fini(&err);
}

/* Loads the folder while PATH has no other folder. */
static void assert_refused_in_path(int code, const char *words) {
  char *path = strdup(getenv("PATH"));
  setenv("PATH", root, 1);
  assert_refused(code, words);
  setenv("PATH", path, 1);
  free(path);
}

static void test_protoc_not_installed(void **state) {
  write_text("a.proto", PROTO3 "message A {}");
  assert_refused_in_path(MW_EIO,
                         "ROOT: cannot compile *.proto: protoc, the protobuf compiler, is not in PATH "
                         "(Debian package protobuf-compiler)");
}

/* A stand-in for protoc that fails in unusual ways. */
static void test_protoc_failing_oddly(void **state) {
  char path[256];
  path_of(path, sizeof path, "protoc");
  write_text("a.proto", PROTO3 "message A {}");
  write_text("protoc", "#!/bin/sh\nexit 3\n");
  assert_int_equal(chmod(path, 0755), 0);
  assert_refused_in_path(MW_EIO, "ROOT: protoc ended with status 3 and no error message");
  write_text("protoc", "#!/bin/sh\necho boom >&2\nexit 1\n");
  assert_refused_in_path(MW_EFORMAT, "protoc: boom");
  write_text("protoc", "#!/bin/sh\necho nonsense\n");
  assert_refused_in_path(MW_EFORMAT, "ROOT: not a serialised google.protobuf.FileDescriptorSet");
}

static int load_and_drop(void *dir) {
  struct mw_err err = MW_ERR_INIT;
  struct mw_pool *pool = NULL;
  int rc = mw_schema_load(&pool, dir, &err);
  assert_int_equal(rc == 0, pool != NULL);
  mw_pool_unref(pool);
  mw_err_fini(&err);
  return rc;
}

/* Fails allocations of loading only: pool_test.c fails those of pools, without a run of protoc for each. */
static void test_survives_lack_of_memory(void **state) {
  make_dir("sub");
  write_text("sub/a.proto", PROTO3 "message A {}");
  make_link("sub", "link");
  write_text("c.proto", PROTO3 "import \"link/a.proto\";");
  write_bytes("types.binpb", mw_slice("\x0a\x0e\x0a\x07"
                                      "b.proto"
                                      "\x22\x03\x0a\x01"
                                      "B",
                                      16));
  for (size_t nth = 1; nth <= 120; nth++) {
    failmalloc_start(nth, false);
    int rc = load_and_drop(root);
    assert_int_equal(failmalloc_stop(), 1);
    if (rc != 0) assert_int_equal(rc, MW_ENOMEM);
  }
}

/* ---- running programs ---- */

static int run(const char *script, struct mw_buf *out, struct mw_buf *errors, int *status) {
  const char *const argv[] = {"sh", "-c", script, NULL};
  return mw_subprocess_run(&(struct mw_command){.argv = argv, .dir = "/"}, out, errors, status, NULL);
}

static void test_a_program_that_says_much(void **state) {
  struct mw_buf out = MW_BUF_INIT, errors = MW_BUF_INIT;
  int status = -1;
  const char *script = "head -c 300000 /dev/zero >&2; head -c 400000 /dev/zero; pwd; cat; exit 3";
  assert_int_equal(run(script, &out, &errors, &status), 0);
  assert_int_equal(status, 3);
  assert_int_equal(out.len, 400002);
  assert_int_equal(errors.len, 300000);
  mw_buf_fini(&out);
  mw_buf_fini(&errors);
}

static void test_a_program_ended_by_a_signal(void **state) {
  struct mw_buf out = MW_BUF_INIT, errors = MW_BUF_INIT;
  int status = -1;
  assert_int_equal(run("kill -9 $$", &out, &errors, &status), 0);
  assert_int_equal(status, 128 + 9);
  mw_buf_fini(&out);
  mw_buf_fini(&errors);
}

/* ---- bounds of programs ---- */

/* Runs a script within bounds, and asserts its error text unless `words` is NULL. Returns the code. */
static int run_within(struct mw_subprocess_bounds *bounds, const char *script, const char *words) {
  const char *const argv[] = {"sh", "-c", script, NULL};
  struct mw_buf out = MW_BUF_INIT, errors = MW_BUF_INIT;
  struct mw_err err = MW_ERR_INIT;
  int status = -1;
  mw_subprocess_bound(bounds);
  int rc = mw_subprocess_run(&(struct mw_command){.argv = argv, .dir = "/"}, &out, &errors, &status, &err);
  mw_subprocess_bound(NULL);
  if (words) assert_string_equal(mw_err_text(&err), words);
  mw_err_fini(&err);
  mw_buf_fini(&out);
  mw_buf_fini(&errors);
  return rc;
}

static void test_a_program_may_take_some_time(void **state) {
  struct mw_subprocess_bounds bounds = {.time = MW_NS_PER_S / 5};
  assert_int_equal(run_within(&bounds, "true", NULL), 0);
  assert_int_equal(run_within(&bounds, "sleep 1000", "sh: did not end within 0.2 s and was killed"), MW_ELIMIT);
  assert_int_equal(
      run_within(&bounds, "sleep 1000 & exec >&- 2>&- sleep 1000", "sh: did not end within 0.2 s and was killed"),
      MW_ELIMIT);
  assert_false(mw_subprocess_runs(&bounds));
}

static void test_a_program_may_write_some_bytes(void **state) {
  struct mw_subprocess_bounds bounds = {.out_bytes = 1 << 20};
  assert_int_equal(run_within(&bounds, "head -c 1048576 /dev/zero", NULL), 0);
  assert_int_equal(run_within(&bounds, "cat /dev/zero", "sh: wrote more than 1 MiB and was killed"), MW_ELIMIT);
  assert_int_equal(run_within(&bounds, "cat /dev/zero >&2", "sh: wrote more than 4 MiB of errors and was killed"),
                   MW_ELIMIT);
}

static void test_children_of_a_program_end_with_it(void **state) {
  struct mw_subprocess_bounds bounds = {0};
  assert_int_equal(run_within(&bounds, "sleep 1000 &", NULL), 0); /* sleep holds the output open */
}

static void *stop_when_it_runs(void *arg) {
  while (!mw_subprocess_runs(arg)) sched_yield();
  mw_subprocess_stop(arg);
  return NULL;
}

static void test_another_thread_stops_it(void **state) {
  struct mw_subprocess_bounds bounds = {0};
  pthread_t thread;
  assert_int_equal(pthread_create(&thread, NULL, stop_when_it_runs, &bounds), 0);
  assert_int_equal(run_within(&bounds, "sleep 1000", "sh: was stopped"), MW_ECLOSED);
  pthread_join(thread, NULL);
  assert_int_equal(run_within(&bounds, "true", "sh: was stopped"), MW_ECLOSED); /* later programs too */
}

static void test_special_files_are_refused_by_name(void **state) {
  char path[256], words[512];
  snprintf(path, sizeof path, "%s/pipe.proto", root);
  assert_int_equal(mkfifo(path, 0600), 0);
  snprintf(words, sizeof words, "%s: expected a regular file, got a FIFO", path);
  struct mw_pool *pool;
  struct mw_err err = MW_ERR_INIT;
  assert_int_equal(mw_schema_load(&pool, root, &err), MW_EIO);
  assert_string_equal(mw_err_text(&err), words);
  assert_int_equal(unlink(path), 0);
  assert_int_equal(symlink("/dev/null", path), 0);
  snprintf(words, sizeof words, "%s: expected a regular file, got a device", path);
  assert_int_equal(mw_schema_load(&pool, root, &err), MW_EIO);
  assert_string_equal(mw_err_text(&err), words);
  mw_err_fini(&err);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(test_a_folder_that_is_not_there_or_empty, make_folder, remove_folder),
      cmocka_unit_test_setup_teardown(test_folders_in_folders, make_folder, remove_folder),
      cmocka_unit_test_setup_teardown(test_links_are_imported_by_any_name, make_folder, remove_folder),
      cmocka_unit_test_setup_teardown(test_linked_files_are_one, make_folder, remove_folder),
      cmocka_unit_test_setup_teardown(test_links_to_folders_around_them, make_folder, remove_folder),
      cmocka_unit_test_setup_teardown(test_wellknown_imports, make_folder, remove_folder),
      cmocka_unit_test_setup_teardown(test_options_newer_than_protoc, make_folder, remove_folder),
      cmocka_unit_test_setup_teardown(test_a_copy_of_a_wellknown_file, make_folder, remove_folder),
      cmocka_unit_test_setup_teardown(test_every_bad_file_is_reported, make_folder, remove_folder),
      cmocka_unit_test_setup_teardown(test_a_bad_import_is_reported_once, make_folder, remove_folder),
      cmocka_unit_test_setup_teardown(test_editions_are_refused_clearly, make_folder, remove_folder),
      cmocka_unit_test_setup_teardown(test_an_imported_file_of_an_edition, make_folder, remove_folder),
      cmocka_unit_test_setup_teardown(test_no_syntax_line, make_folder, remove_folder),
      cmocka_unit_test_setup_teardown(test_an_rpc_that_hides_a_message, make_folder, remove_folder),
      cmocka_unit_test_setup_teardown(test_a_wellknown_type_without_its_import, make_folder, remove_folder),
      cmocka_unit_test_setup_teardown(test_imports_that_are_nearly_right, make_folder, remove_folder),
      cmocka_unit_test_setup_teardown(test_imports_of_other_roots, make_folder, remove_folder),
      cmocka_unit_test_setup_teardown(test_descriptor_sets, make_folder, remove_folder),
      cmocka_unit_test_setup_teardown(test_a_large_descriptor_set, make_folder, remove_folder),
      cmocka_unit_test_setup_teardown(test_a_file_in_place_of_the_folder, make_folder, remove_folder),
      cmocka_unit_test_setup_teardown(test_protoc_not_installed, make_folder, remove_folder),
      cmocka_unit_test_setup_teardown(test_protoc_failing_oddly, make_folder, remove_folder),
      cmocka_unit_test_setup_teardown(test_survives_lack_of_memory, make_folder, remove_folder),
      cmocka_unit_test(test_a_program_that_says_much),
      cmocka_unit_test(test_a_program_ended_by_a_signal),
      cmocka_unit_test(test_a_program_may_take_some_time),
      cmocka_unit_test(test_a_program_may_write_some_bytes),
      cmocka_unit_test(test_children_of_a_program_end_with_it),
      cmocka_unit_test(test_another_thread_stops_it),
      cmocka_unit_test_setup_teardown(test_special_files_are_refused_by_name, make_folder, remove_folder),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
