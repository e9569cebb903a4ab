#include "cli/call/reflect.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "cli/call/interrupt.h"
#include "schema/wire/wire.h"
#include "schema/wire/write.h"

#define END_NS ((int64_t)MW_NS_PER_S) /* time to wait for the server's status after the last answer */

/* Field numbers of the reflection and descriptor messages. */
enum {
  FILE_BY_FILENAME = 3,
  FILE_CONTAINING_SYMBOL = 4,
  LIST_SERVICES = 7,

  FILE_DESCRIPTOR_RESPONSE = 4,
  LIST_SERVICES_RESPONSE = 6,
  ERROR_RESPONSE = 7,

  FILE_NAME = 1,
  FILE_DEPENDENCY = 3
};

static const char *const versions[] = {"/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
                                       "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo"};
enum { N_VERSIONS = sizeof versions / sizeof *versions };

static int no_memory(struct mw_err *err) { return mw_err_set(err, MW_ENOMEM, "out of memory"); }

/* ---- the wire format ---- */

enum { GROUPS = 16 }; /* depth of nested groups */

static bool is_well_formed(struct mw_slice message) {
  struct mw_wire_field field;
  const uint8_t *at = message.data, *end = at + message.len;
  for (; at < end; at = field.end) {
    if (mw_wire_next(at, end, MW_WIRE_NUMBER_MAX, GROUPS, &field) != MW_WIRE_OK) return false;
  }
  return true;
}

/* Advances to the next field with the number `number` in `message`. Returns false after the last one, and at a
 * malformed field. */
static bool next_field(struct mw_slice *message, uint32_t number, struct mw_wire_field *field) {
  const uint8_t *at = message->data, *end = at + message->len;
  while (at < end && mw_wire_next(at, end, MW_WIRE_NUMBER_MAX, GROUPS, field) == MW_WIRE_OK) {
    at = field->end;
    *message = mw_slice(at, (size_t)(end - at));
    if (field->number == number) return true;
  }
  return false;
}

/* Advances to the next such field that is a message, a string or bytes. */
static bool next_bytes(struct mw_slice *message, uint32_t number, struct mw_slice *value) {
  struct mw_wire_field field;
  while (next_field(message, number, &field)) {
    if (field.wire != MW_WIRE_LEN) continue;
    *value = mw_slice(field.value, (size_t)(field.end - field.value));
    return true;
  }
  return false;
}

static struct mw_slice first_bytes(struct mw_slice message, uint32_t number) {
  struct mw_slice value = {NULL, 0};
  next_bytes(&message, number, &value);
  return value;
}

/* ---- the stream ---- */

static void on_headers(void *user, const struct mw_metadata *headers) {}

static void on_message(void *user, struct mw_slice bytes) {
  struct mw_reflect *reflect = user;
  mw_buf_clear(&reflect->answer);
  reflect->answered = mw_buf_append(&reflect->answer, bytes.data, bytes.len) == 0;
  if (!reflect->answered) mw_client_rpc_cancel(reflect->rpc);
}

static void on_writable(void *user) {}

static void on_done(void *user, const struct mw_status *status, const struct mw_metadata *trailers) {
  struct mw_reflect *reflect = user;
  reflect->over = true;
  reflect->code = status->code;
  mw_buf_clear(&reflect->message);
  (void)mw_buf_append(&reflect->message, status->message.data, status->message.len);
}

static const struct mw_client_events events = {on_headers, on_message, on_writable, on_done};

static int start(struct mw_reflect *reflect, struct mw_err *err) {
  struct mw_client_request request = *reflect->like;
  request.path = mw_slice_str(versions[reflect->version]);
  request.single = false;
  reflect->over = false;
  return mw_client_rpc_start(reflect->channel, &request, &events, reflect, &reflect->rpc, err);
}

static void stop(struct mw_reflect *reflect) {
  if (reflect->rpc) mw_client_rpc_release(reflect->rpc);
  reflect->rpc = NULL;
}

static int exchange(struct mw_reflect *reflect, struct mw_slice question, struct mw_err *err) {
  if (reflect->over) stop(reflect);
  int rc = reflect->rpc ? 0 : start(reflect, err);
  uint8_t *bytes = rc == 0 ? mw_client_rpc_reserve(reflect->rpc, question.len) : NULL;
  if (!bytes) return rc == 0 ? no_memory(err) : rc;
  memcpy(bytes, question.data, question.len);
  mw_client_rpc_send(reflect->rpc);
  reflect->answered = false;
  mw_client_rpc_read(reflect->rpc);
  while (!reflect->answered && !reflect->over) mw_interrupt_run_loop(reflect->loop, UV_RUN_ONCE);
  if (reflect->answered) return 0;
  return mw_err_set(err, MW_ECLOSED, "the reflection stream has ended: %s: %s", mw_code_name(reflect->code),
                    mw_buf_str(&reflect->message));
}

/* Asks a question. If the server lacks the service, asks the next version of it. Leaves the answer in `answer`. */
static int ask(struct mw_reflect *reflect, uint32_t number, const char *text, struct mw_err *err) {
  struct mw_buf question = MW_BUF_INIT;
  int rc = mw_wire_put_bytes(&question, number, mw_slice_str(text)) == 0 ? MW_ECLOSED : no_memory(err);
  for (bool again = rc == MW_ECLOSED; again;) {
    rc = exchange(reflect, mw_buf_slice(&question), err);
    again = rc == MW_ECLOSED && reflect->code == MW_CODE_UNIMPLEMENTED && reflect->version + 1 < N_VERSIONS;
    if (rc == MW_ECLOSED) stop(reflect);
    if (again) reflect->version++;
  }
  mw_buf_fini(&question);
  return rc;
}

/* ---- answers ---- */

static int malformed(const char *text, struct mw_err *err) {
  return mw_err_set(err, MW_EFORMAT, "the server's reflection has sent a malformed answer about \"%s\"", text);
}

/* Sets the error that the server sent in place of an answer. */
static int refused(struct mw_slice error, const char *text, struct mw_err *err) {
  struct mw_slice rest = error, words = first_bytes(error, 2);
  struct mw_wire_field code = {.varint = MW_CODE_UNKNOWN};
  if (!is_well_formed(error)) return malformed(text, err);
  next_field(&rest, 1, &code);
  int rc = code.varint == MW_CODE_NOT_FOUND ? MW_ENOTFOUND : MW_EFORMAT;
  return mw_err_set(err, rc, "the server's reflection reports an error for \"%s\": %.*s", text, (int)words.len,
                    words.data ? (const char *)words.data : "");
}

/* Sets the error for an answer to another question. A server that answers one question twice causes it from then on. */
static int misplaced(bool files, bool other, const char *text, struct mw_err *err) {
  static const char *const kinds[] = {"services", "files"};
  return mw_err_set(err, MW_EFORMAT,
                    "the server's reflection has answered the question about \"%s\" with %s: expected %s", text,
                    other ? kinds[!files] : "neither services, files nor an error", kinds[files]);
}

/* Returns part `number` of the answer to the question about `text`. */
static int open_answer(const struct mw_reflect *reflect, uint32_t number, const char *text, struct mw_slice *out,
                       struct mw_err *err) {
  const struct mw_slice answer = mw_buf_slice(&reflect->answer);
  struct mw_slice rest = answer, body;
  bool files = number == FILE_DESCRIPTOR_RESPONSE;
  if (!is_well_formed(answer)) return malformed(text, err);
  if (next_bytes(&rest, ERROR_RESPONSE, &body)) return refused(body, text, err);
  rest = answer;
  if (next_bytes(&rest, number, &body)) {
    if (!is_well_formed(body)) return malformed(text, err);
    *out = body;
    return 0;
  }
  rest = answer;
  uint32_t other = files ? LIST_SERVICES_RESPONSE : FILE_DESCRIPTOR_RESPONSE;
  return misplaced(files, next_bytes(&rest, other, &body), text, err);
}

/* ---- questions ---- */

int mw_reflect_list(struct mw_reflect *reflect, struct mw_buf *names, struct mw_err *err) {
  struct mw_slice services = {NULL, 0}, one;
  int rc = ask(reflect, LIST_SERVICES, "*", err);
  if (rc == 0) rc = open_answer(reflect, LIST_SERVICES_RESPONSE, "*", &services, err);
  while (rc == 0 && next_bytes(&services, 1, &one)) {
    struct mw_slice name = first_bytes(one, 1);
    if (!is_well_formed(one) || name.len == 0 || memchr(name.data, '\0', name.len)) return malformed("*", err);
    if (mw_buf_append(names, name.data, name.len) != 0 || mw_buf_putc(names, '\0') != 0) rc = no_memory(err);
  }
  return rc;
}

/* Marks a path. Returns true if it is new and not a built-in file. */
static bool is_new(struct mw_reflect *reflect, struct mw_slice path, int *rc) {
  char name[PATH_MAX];
  if (path.len == 0 || path.len >= sizeof name || mw_map_get(&reflect->seen, path)) return false;
  memcpy(name, path.data, path.len);
  name[path.len] = '\0';
  if (mw_map_set(&reflect->seen, path, reflect) != 0) *rc = MW_ENOMEM;
  return !mw_pool_file(reflect->base, name).data;
}

static bool is_file(struct mw_slice descriptor) {
  struct mw_slice path = first_bytes(descriptor, FILE_NAME);
  return is_well_formed(descriptor) && path.len > 0 && path.len < PATH_MAX && !memchr(path.data, '\0', path.len);
}

/* Adds the files of the answer about `text` to the set, and their imports, each with its zero byte, to `missing`. */
static int take_files(struct mw_reflect *reflect, const char *text, struct mw_buf *missing, struct mw_err *err) {
  struct mw_slice files, file;
  size_t begin = reflect->set.len;
  int rc = open_answer(reflect, FILE_DESCRIPTOR_RESPONSE, text, &files, err);
  if (rc != 0) return rc;
  while (rc == 0 && next_bytes(&files, 1, &file)) {
    if (!is_file(file)) return malformed(text, err);
    /* A file requested by its path is marked already. */
    struct mw_slice path = first_bytes(file, FILE_NAME);
    bool asked = mw_map_get(&reflect->seen, path) == &reflect->set;
    if (asked && mw_map_set(&reflect->seen, path, reflect) != 0) rc = MW_ENOMEM;
    if (rc == 0 && (asked || is_new(reflect, path, &rc))) rc = mw_wire_put_bytes(&reflect->set, 1, file);
    if (reflect->set.len > MW_POOL_SET_MAX)
      return mw_err_set(err, MW_ELIMIT, "the server's schema is larger than 256 MiB");
  }
  struct mw_slice added = mw_slice(reflect->set.data + begin, reflect->set.len - begin), import;
  while (rc == 0 && next_bytes(&added, 1, &file)) {
    while (rc == 0 && next_bytes(&file, FILE_DEPENDENCY, &import)) {
      if (!is_new(reflect, import, &rc) || rc != 0) continue;
      rc = mw_map_set(&reflect->seen, import, &reflect->set);
      if (rc == 0) rc = mw_buf_append(missing, import.data, import.len);
      if (rc == 0) rc = mw_buf_putc(missing, '\0');
    }
  }
  return rc == 0 ? 0 : no_memory(err);
}

int mw_reflect_fetch(struct mw_reflect *reflect, const char *symbol, struct mw_err *err) {
  struct mw_buf missing = MW_BUF_INIT;
  int rc = ask(reflect, FILE_CONTAINING_SYMBOL, symbol, err);
  if (rc == 0) rc = take_files(reflect, symbol, &missing, err);
  for (size_t at = 0; rc == 0 && at < missing.len;) {
    char path[PATH_MAX];
    at += (size_t)snprintf(path, sizeof path, "%s", mw_buf_str(&missing) + at) + 1;
    if (mw_map_get(&reflect->seen, mw_slice_str(path)) != &reflect->set) continue; /* it arrived with another file */
    rc = ask(reflect, FILE_BY_FILENAME, path, err);
    if (rc == 0) rc = take_files(reflect, path, &missing, err);
  }
  mw_buf_fini(&missing);
  return rc;
}

int mw_reflect_pool(const struct mw_reflect *reflect, struct mw_pool **out, struct mw_err *err) {
  return mw_pool_new(out, mw_buf_slice(&reflect->set), err);
}

/* ---- lifetime ---- */

int mw_reflect_init(struct mw_reflect *reflect, struct mw_loop *loop, struct mw_client_channel *channel,
                    const struct mw_client_request *like, struct mw_err *err) {
  *reflect = (struct mw_reflect){.loop = loop, .channel = channel, .like = like};
  return mw_pool_new(&reflect->base, mw_slice(NULL, 0), err);
}

static void on_late(void *arg) { ((struct mw_reflect *)arg)->late = true; }

/* Half-closes the stream and reads the server's status, for at most END_NS. The server would count a stream cancelled
 * instead as CANCELLED. */
static void end(struct mw_reflect *reflect) {
  struct mw_timer *timer = mw_timer_start(reflect->loop, END_NS, on_late, reflect);
  if (!timer) return;
  mw_client_rpc_half_close(reflect->rpc);
  for (reflect->answered = true; !reflect->over && !reflect->late;) {
    if (reflect->answered) mw_client_rpc_read(reflect->rpc);
    reflect->answered = false;
    mw_interrupt_run_loop(reflect->loop, UV_RUN_ONCE);
  }
  if (!reflect->late) mw_timer_stop(timer);
}

void mw_reflect_fini(struct mw_reflect *reflect) {
  if (reflect->rpc && !reflect->over && !reflect->cancelled) end(reflect);
  stop(reflect);
  mw_pool_unref(reflect->base);
  mw_map_fini(&reflect->seen);
  mw_buf_fini(&reflect->answer);
  mw_buf_fini(&reflect->message);
  mw_buf_fini(&reflect->set);
}

void mw_reflect_cancel(struct mw_reflect *reflect) {
  reflect->cancelled = true;
  if (reflect->rpc && !reflect->over) mw_client_rpc_cancel(reflect->rpc);
}
