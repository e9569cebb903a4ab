/* A folder's own copies of built-in files: copies of the same shape replace them, others are refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "failmalloc.h"
#include "schema/load/load.h"

static char root[64]; /* the folder that was loaded last */

/* Loads a folder with the file `name`: `head` on the first line, then `body`. */
static int load(struct mw_pool **out, const char *name, const char *head, const char *body, struct mw_err *err) {
  char path[256];
  strcpy(root, "/tmp/moonwire-builtin-XXXXXX");
  assert_non_null(mkdtemp(root));
  snprintf(path, sizeof path, "%s/%s", root, name);
  for (char *slash = strchr(path + strlen(root) + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
    *slash = '\0';
    assert_int_equal(mkdir(path, 0777), 0);
    *slash = '/';
  }
  FILE *file = fopen(path, "w");
  assert_non_null(file);
  fprintf(file, "%s\n%s\n", head, body);
  fclose(file);
  int rc = mw_schema_load(out, root, err);
  assert_int_equal(unlink(path), 0);
  for (char *slash = strrchr(path, '/'); slash && slash > path + 4; slash = strrchr(path, '/')) {
    *slash = '\0';
    assert_int_equal(rmdir(path), 0);
  }
  return rc;
}

struct copy {
  const char *head, *body;
  const char *words; /* of the refusal, without the folder; NULL if the copy is accepted */
};

#define PB3 "syntax = \"proto3\"; package google.protobuf;"
#define PB2 "syntax = \"proto2\"; package google.protobuf;"
#define RPC "syntax = \"proto3\"; package google.rpc;"
#define HEALTH "syntax = \"proto3\"; package grpc.health.v1;"
#define REFLECTION "syntax = \"proto3\"; package grpc.reflection.v1;"
#define DIFFERS ": this copy differs from the built-in definition: expected "
#define CHECK_REQUEST "message HealthCheckRequest { string service = 1; }\n"
#define CHECK_RESPONSE "message HealthCheckResponse { " STATUSES "ServingStatus status = 1; }\n"
#define STATUSES "enum ServingStatus { UNKNOWN = 0; SERVING = 1; NOT_SERVING = 2; } "
#define RPC_CHECK "rpc Check(HealthCheckRequest) returns (HealthCheckResponse); "
#define CHECK_ALONE CHECK_REQUEST CHECK_RESPONSE "service Health { " RPC_CHECK "}"
#define TIME "x.proto:2: google.protobuf.Timestamp" DIFFERS "{ int64 seconds = 1; int32 nanos = 2; }, got "

static const struct copy copies[] = {
    /* times */
    {PB3, "message Timestamp { int64 seconds = 1; int32 nanos = 2; }", NULL},
    {PB3, "message Timestamp { int32 nanos = 2; int64 seconds = 1; }", NULL},
    {PB3, "message Timestamp { }", TIME "{ }"},
    {PB3, "message Timestamp { int64 seconds = 1; }", TIME "{ int64 seconds = 1; }"},
    {PB3, "message Timestamp { int32 seconds = 1; int32 nanos = 2; }", TIME "{ int32 seconds = 1; int32 nanos = 2; }"},
    {PB3, "message Timestamp { int64 seconds = 2; int32 nanos = 1; }", TIME "{ int32 nanos = 1; int64 seconds = 2; }"},
    {PB3, "message Timestamp { repeated int64 seconds = 1; int32 nanos = 2; }", TIME "{ repeated int64 seconds"},
    {PB3, "message Timestamp { map<int64, int32> seconds = 1; int32 nanos = 2; }", TIME "{ map<int64, int32> seconds"},
    {PB3, "message Timestamp { optional int64 seconds = 1; int32 nanos = 2; }", TIME "{ optional int64 seconds = 1; "},
    {PB3, "message Timestamp { oneof o { int64 seconds = 1; } int32 nanos = 2; }", TIME "{ o: int64 seconds = 1; "},
    {PB3, "message Timestamp { int64 seconds = 1; int32 nanos = 2; Timestamp more = 3; }",
     TIME "{ int64 seconds = 1; int32 nanos = 2; google.protobuf.Timestamp more = 3; }"},
    {PB2, "message Timestamp { required int64 seconds = 1; required int32 nanos = 2; }", TIME "{ required int64 "},
    {PB2, "message Timestamp { optional int64 seconds = 1 [default = 5]; optional int32 nanos = 2; }",
     TIME "{ optional int64 seconds = 1; optional int32 nanos = 2; }"},
    {PB2, "message Timestamp { repeated group Seconds = 1 { } }",
     TIME "{ repeated group google.protobuf.Timestamp.Seconds seconds = 1; }"},
    {PB3, "enum Timestamp { A = 0; }",
     "x.proto:2: google.protobuf.Timestamp: expected a message, as the built-in "
     "definition is, got an enum"},
    {PB3, "service Timestamp { }",
     "x.proto:2: google.protobuf.Timestamp: expected a message, as the built-in "
     "definition is, got a service"},
    {PB3, "enum E { Timestamp = 0; }",
     "x.proto:1: google.protobuf.Timestamp: expected a message, as the built-in "
     "definition is, got a field, value or method"},
    {"syntax = \"proto3\"; package google;", "message protobuf { message Timestamp { bool b = 1; } }",
     TIME "{ bool b = 1; }"},
    {"syntax = \"proto3\";", "message google { message rpc {\nmessage Status { bool code = 1; } } }",
     "x.proto:3: google.rpc.Status" DIFFERS "{ int32 code = 1; string message = 2; repeated google.protobuf.Any "
     "details = 3; }, got { bool code = 1; }"},
    /* other types with a JSON mapping of their own */
    {PB3, "message Any { bytes value = 2; }",
     "x.proto:2: google.protobuf.Any" DIFFERS "{ string type_url = 1; "
     "bytes value = 2; }, got { bytes value = 2; }"},
    {PB3, "message FieldMask { string paths = 1; }",
     "x.proto:2: google.protobuf.FieldMask" DIFFERS "{ repeated string paths = 1; }, got { string paths = 1; }"},
    {PB3, "message StringValue { bytes value = 1; }",
     "x.proto:2: google.protobuf.StringValue" DIFFERS "{ string value = 1; }, got { bytes value = 1; }"},
    {PB3, "message StringValue { string value = 1; }", NULL}, /* without the other wrappers */
    {PB2, "message Empty { extensions 100 to 200; }", NULL},
    {PB3, "message Struct { map<string, Value> fields = 1; } message Value { bool b = 1; }",
     "x.proto:2: google.protobuf.Value" DIFFERS "{ kind: google.protobuf.NullValue null_value = 1; "},
    {PB3,
     "message Struct { repeated FieldsEntry fields = 1;\n"
     "message FieldsEntry { string key = 1; string value = 2; } }",
     "x.proto:2: google.protobuf.Struct" DIFFERS
     "{ map<string, google.protobuf.Value> fields = 1; }, got { repeated google.protobuf.Struct.FieldsEntry fields = "},
    {PB3, "message Struct { map<string, string> fields = 1; }",
     "x.proto:2: google.protobuf.Struct" DIFFERS
     "{ map<string, google.protobuf.Value> fields = 1; }, got { map<string, string> fields = 1; }"},
    {PB3, "enum NullValue { NULL_VALUE = 0; }", NULL},
    {PB3, "enum NullValue { NOTHING = 0; }",
     "x.proto:2: google.protobuf.NullValue" DIFFERS "{ NULL_VALUE = 0; }, got "
     "{ NOTHING = 0; }"},
    {PB3, "enum E { NULL_VALUE = 0; }",
     "x.proto:1: \"google.protobuf.NULL_VALUE\" is already defined in "
     "google/protobuf/struct.proto, which is built in"},
    /* copies of definitions that the server does not use, complete or partial */
    {PB3, "enum Syntax { SYNTAX_PROTO2 = 0; }", NULL},
    {PB3, "message FileDescriptorProto { bool other = 1; }", NULL},
    {RPC, "message ErrorInfo { bool other = 1; }", NULL},
    {RPC, "message DebugInfo { string stack_entries = 1; }",
     "x.proto:2: google.rpc.DebugInfo" DIFFERS
     "{ repeated string stack_entries = 1; string detail = 2; }, got { string stack_entries = 1; }"},
    /* health */
    {HEALTH, CHECK_REQUEST, NULL},
    {HEALTH, CHECK_REQUEST "service Other { rpc A(HealthCheckRequest) returns (HealthCheckRequest); }", NULL},
    {HEALTH, CHECK_ALONE, NULL},
    {HEALTH,
     CHECK_REQUEST CHECK_RESPONSE "service Health { " RPC_CHECK
                                  "rpc Extra(HealthCheckRequest) returns (HealthCheckResponse); }",
     NULL},
    {HEALTH, "service Health { }", NULL},
    {HEALTH,
     CHECK_REQUEST CHECK_RESPONSE "service Health {\n" RPC_CHECK "\n"
                                  "rpc Watch(HealthCheckRequest) returns (HealthCheckResponse); }",
     "x.proto:6: grpc.health.v1.Health.Watch" DIFFERS
     "rpc Watch(grpc.health.v1.HealthCheckRequest) returns (stream grpc.health.v1.HealthCheckResponse), got "
     "rpc Watch(grpc.health.v1.HealthCheckRequest) returns (grpc.health.v1.HealthCheckResponse)"},
    {HEALTH, "message R { } service Health {\n rpc Check(stream R) returns (R); }",
     "x.proto:3: grpc.health.v1.Health.Check" DIFFERS
     "rpc Check(grpc.health.v1.HealthCheckRequest) returns (grpc.health.v1.HealthCheckResponse), got "
     "rpc Check(stream grpc.health.v1.R) returns (grpc.health.v1.R)"},
    {HEALTH,
     CHECK_REQUEST CHECK_RESPONSE "service Health {\nrpc List(HealthCheckRequest) returns (HealthCheckResponse); }",
     "x.proto:5: grpc.health.v1.Health.List" DIFFERS
     "rpc List(grpc.health.v1.HealthListRequest) returns (grpc.health.v1.HealthListResponse), got "
     "rpc List(grpc.health.v1.HealthCheckRequest) returns (grpc.health.v1.HealthCheckResponse)"},
    {HEALTH,
     CHECK_RESPONSE "message HealthListRequest { }\nmessage HealthListResponse { map<string, "
                    "HealthCheckResponse> statuses = 1; }\nservice Health { rpc List(HealthListRequest) returns "
                    "(HealthListResponse); }",
     NULL},
    {HEALTH, "message Health { }",
     "x.proto:2: grpc.health.v1.Health: expected a service, as the built-in definition "
     "is, got a message"},
    {HEALTH, "message HealthCheckRequest { bytes service = 1; }",
     "x.proto:2: grpc.health.v1.HealthCheckRequest" DIFFERS "{ string service = 1; }, got { bytes service = 1; }"},
    {HEALTH, "message HealthCheckResponse { int32 status = 1; }",
     "x.proto:2: grpc.health.v1.HealthCheckResponse" DIFFERS
     "{ grpc.health.v1.HealthCheckResponse.ServingStatus status = 1; }, got { int32 status = 1; }"},
    {HEALTH, "message HealthCheckResponse { ServingStatus status = 1;\nmessage ServingStatus { } }",
     "x.proto:3: grpc.health.v1.HealthCheckResponse.ServingStatus: expected an enum, as the built-in definition is, "
     "got a message"},
    {HEALTH, "message HealthCheckResponse { ServingStatus status = 1;\nenum ServingStatus { SERVING = 0; } }",
     "x.proto:3: grpc.health.v1.HealthCheckResponse.ServingStatus" DIFFERS
     "{ UNKNOWN = 0; SERVING = 1; NOT_SERVING = 2; SERVICE_UNKNOWN = 3; }, got { SERVING = 0; }"},
    {HEALTH,
     "message HealthCheckResponse { ServingStatus status = 1; enum ServingStatus { option allow_alias = true; "
     "UNKNOWN = 0; UP = 1; SERVING = 1; SLOW = 9; } }",
     NULL},
    /* reflection */
    {REFLECTION, "service ServerReflection { }", NULL},
    {REFLECTION, "message ServerReflectionRequest { string host = 1; }",
     "x.proto:2: grpc.reflection.v1.ServerReflectionRequest" DIFFERS "{ string host = 1; message_request: string "
     "file_by_filename = 3; "},
    {REFLECTION, "message ExtensionRequest { string containing_type = 1; string extension_number = 2; }",
     "x.proto:2: grpc.reflection.v1.ExtensionRequest" DIFFERS "{ string containing_type = 1; int32 extension_number = "
     "2; }, got { string containing_type = 1; string extension_number = 2; }"},
};

static void assert_words(const struct mw_err *err, const char *words) {
  char expected[512];
  snprintf(expected, sizeof expected, "%s/%s", root, words);
  if (!strstr(mw_err_text(err), expected)) fail_msg("expected %s\n  got %s", expected, mw_err_text(err));
}

/* Looks up the types that a server looks up by name when it starts. */
static void use(struct mw_pool *pool) {
  assert_non_null(mw_pool_message(pool, "google.protobuf.Any"));
  assert_non_null(mw_pool_message(pool, "google.protobuf.Timestamp"));
  assert_non_null(mw_pool_message(pool, "google.protobuf.Duration"));
}

static void test_copies(void **state) {
  for (size_t i = 0; i < sizeof copies / sizeof copies[0]; i++) {
    const struct copy *copy = &copies[i];
    struct mw_err err = MW_ERR_INIT;
    struct mw_pool *pool = NULL;
    int rc = load(&pool, "x.proto", copy->head, copy->body, &err);
    if (copy->words) {
      assert_int_not_equal(rc, 0);
      assert_words(&err, copy->words);
    } else if (rc != 0) {
      fail_msg("%s\n  %s", copy->body, mw_err_text(&err));
    } else {
      use(pool);
    }
    mw_pool_unref(pool);
    mw_err_fini(&err);
  }
}

static void test_a_file_in_place_of_a_built_in_one(void **state) {
  static const char *const names[] = {"any", "duration", "timestamp"};
  for (size_t i = 0; i < 3; i++) {
    struct mw_err err = MW_ERR_INIT;
    struct mw_pool *pool = NULL;
    char name[64];
    snprintf(name, sizeof name, "google/protobuf/%s.proto", names[i]);
    assert_int_equal(load(&pool, name, PB3, "message Other { }", &err), MW_EFORMAT);
    assert_non_null(strstr(mw_err_text(&err), ".proto:1: this copy of a built-in file lacks message google.protobuf."));
    mw_err_fini(&err);
  }
  struct mw_pool *pool = NULL;
  assert_int_equal(load(&pool, "google/protobuf/type.proto", PB3, "message Other { }", NULL), 0);
  assert_null(mw_pool_message(pool, "google.protobuf.Type"));
  assert_null(mw_pool_message(pool, "google.protobuf.Api")); /* api.proto imports the replaced file */
  use(pool);
  mw_pool_unref(pool);
}

static void test_methods_that_are_missing(void **state) {
  struct mw_pool *pool = NULL;
  assert_int_equal(load(&pool, "x.proto", HEALTH, CHECK_ALONE, NULL), 0);
  assert_non_null(mw_pool_method(pool, mw_slice_str("/grpc.health.v1.Health/Check")));
  assert_null(mw_pool_method(pool, mw_slice_str("/grpc.health.v1.Health/Watch")));
  mw_pool_unref(pool);
}

/* The built-in path of a replaced file imports the copy. */
static void test_imports_of_a_replaced_file(void **state) {
  struct mw_pool *pool = NULL;
  const char *body = "message Duration { int64 seconds = 1; int32 nanos = 2; }";
  assert_int_equal(load(&pool, "my/duration.proto", PB3, body, NULL), 0);
  const char *const *imports;
  assert_string_equal(mw_pool_file_of_symbol(pool, "google.protobuf.Duration"), "my/duration.proto");
  assert_int_equal(mw_pool_imports(pool, "google/rpc/error_details.proto", &imports), 1);
  assert_string_equal(imports[0], "google/protobuf/duration.proto");
  assert_int_equal(mw_pool_imports(pool, "google/protobuf/duration.proto", &imports), 1);
  assert_string_equal(imports[0], "my/duration.proto");
  struct mw_slice file = mw_pool_file(pool, "google/protobuf/duration.proto");
  assert_non_null(memmem(file.data, file.len, "my/duration.proto", 17));
  assert_non_null(memmem(file.data, file.len, "\x50\x00", 2)); /* public_dependency: 0 */
  mw_pool_unref(pool);
}

static int load_and_drop(void *set) {
  struct mw_pool *pool = NULL;
  int rc = mw_pool_new(&pool, *(const struct mw_slice *)set, NULL);
  mw_pool_unref(pool);
  return rc;
}

static void test_survives_lack_of_memory(void **state) {
  struct mw_pool *pool = NULL;
  struct mw_buf set = MW_BUF_INIT;
  assert_int_equal(load(&pool, "x.proto", HEALTH, CHECK_ALONE, NULL), 0);
  struct mw_slice file = mw_pool_file(pool, "x.proto"), bytes;
  uint8_t length[] = {0x0a, (uint8_t)(file.len | 0x80), (uint8_t)(file.len >> 7)};
  assert_true(file.len >= 0x80 && file.len < 0x4000);
  assert_int_equal(mw_buf_append(&set, length, sizeof length), 0);
  assert_int_equal(mw_buf_append(&set, file.data, file.len), 0);
  bytes = mw_buf_slice(&set);
  failmalloc_sweep(load_and_drop, &bytes);
  mw_buf_fini(&set);
  mw_pool_unref(pool);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_copies),
      cmocka_unit_test(test_a_file_in_place_of_a_built_in_one),
      cmocka_unit_test(test_methods_that_are_missing),
      cmocka_unit_test(test_imports_of_a_replaced_file),
      cmocka_unit_test(test_survives_lack_of_memory),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
