#include "cli/call/call_schema.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "cli/base/escape.h"
#include "cli/call/call_describe.h"
#include "cli/call/call_find.h"
#include "schema/load/load.h"
#include "server/settings/settings.h"

static bool is_folder(const char *path) {
  struct stat info;
  return stat(path, &info) == 0 && S_ISDIR(info.st_mode);
}

/* ---- loading ---- */

static const char *name_of(const struct mw_call_schema *schema) {
  return mw_call_schema_reflected(schema) ? "the server's reflection" : mw_buf_str(&schema->folders);
}

/* Receives the files of all services that the server lists. */
static int fetch_all(struct mw_call_schema *schema, struct mw_reflect *reflect, struct mw_err *err) {
  int rc = mw_reflect_list(reflect, &schema->services, err);
  const char *names = mw_buf_str(&schema->services);
  for (size_t at = 0; rc == 0 && at < schema->services.len; at += strlen(names + at) + 1) {
    rc = mw_reflect_fetch(reflect, names + at, err);
    if (rc == MW_ENOTFOUND) rc = 0; /* the server lists it without a definition */
  }
  return rc;
}

/* Receives the file that defines the service of "Service/Method", or another name. Returns MW_ENOTFOUND if that is not
 * a full name. */
static int fetch_one(struct mw_reflect *reflect, const char *name, struct mw_err *err) {
  char symbol[512];
  size_t len = strcspn(name, "/");
  if (len >= sizeof symbol || !memchr(name, '.', len)) return MW_ENOTFOUND;
  snprintf(symbol, sizeof symbol, "%.*s", (int)len, name);
  return mw_reflect_fetch(reflect, symbol, err);
}

static int ask_server(struct mw_call_schema *schema, const struct mw_call_options *options, struct mw_reflect *reflect,
                      struct mw_err *err) {
  int rc = options->method ? fetch_one(reflect, options->method, err) : MW_ENOTFOUND;
  if (rc == MW_ENOTFOUND || rc == MW_EFORMAT) {
    mw_err_fini(err);
    rc = fetch_all(schema, reflect, err);
  }
  return rc == 0 ? mw_reflect_pool(reflect, &schema->pool, err) : rc;
}

/* Loads the folder of --proto. */
static int load_given(struct mw_call_schema *schema, const char *folder, struct mw_err *err) {
  if (!is_folder(folder)) return mw_err_set(err, MW_ENOTFOUND, "--proto %s: there is no such folder", folder);
  int rc = mw_buf_puts(&schema->folders, folder);
  return rc == 0 ? mw_schema_load(&schema->pool, folder, err) : mw_err_set(err, rc, "out of memory");
}

/* Loads the folders of the project in the working directory. */
static int load_folders(struct mw_call_schema *schema, const struct mw_settings *project, struct mw_err *err) {
  int rc = 0;
  for (size_t i = 0; rc == 0 && i < project->n_protos; i++) {
    rc = mw_buf_printf(&schema->folders, "%s%s", i > 0 ? ", " : "", project->protos[i]);
  }
  if (rc != 0) return mw_err_set(err, rc, "out of memory");
  return mw_schema_load_from(&schema->pool, (const char *const *)project->protos, err);
}

/* Handles a server without reflection: lists the existing folder, or fails. */
static int load_unreflected(struct mw_call_schema *schema, const struct mw_call_options *options, bool there,
                            const struct mw_settings *project, struct mw_err *err) {
  const char *target = options->channel.target, *folder = project->protos[0];
  mw_err_fini(err);
  if (there && options->reflection) {
    return mw_err_set(err, MW_ENOTFOUND,
                      "%s has no server reflection\n"
                      "leave out --reflection to use the folder \"%s\"",
                      target, folder);
  }
  if (!there) {
    return mw_err_set(err, MW_ENOTFOUND,
                      "%s has no server reflection, and there is no folder \"%s\" here\n"
                      "call from the service's own folder, or name the folder of its .proto files with --proto DIR",
                      target, folder);
  }
  int rc = load_folders(schema, project, err);
  if (rc == 0) {
    fprintf(stderr, "moonwire call: %s has no server reflection; this list comes from the folder \"%s\"\n", target,
            mw_buf_str(&schema->folders));
  }
  return rc;
}

static int load(struct mw_call_schema *schema, const struct mw_call_options *options, const struct mw_settings *project,
                struct mw_reflect *reflect, struct mw_err *err) {
  bool there = is_folder(project->protos[0]), lists = !options->method;
  if (there && !lists && !options->reflection) {
    schema->skipped_server = true;
    return load_folders(schema, project, err);
  }
  int rc = ask_server(schema, options, reflect, err);
  bool none = rc == MW_ECLOSED && reflect->code == MW_CODE_UNIMPLEMENTED;
  return none ? load_unreflected(schema, options, there, project, err) : rc;
}

int mw_call_schema_load(struct mw_call_schema *schema, const struct mw_call_options *options,
                        struct mw_reflect *reflect, struct mw_err *err) {
  *schema = (struct mw_call_schema){.services = MW_BUF_INIT, .folders = MW_BUF_INIT};
  if (options->proto_dir) return load_given(schema, options->proto_dir, err);
  struct mw_settings project;
  int rc = mw_settings_find_protos(&project, ".");
  if (rc != 0) return mw_err_set(err, rc, "out of memory");
  rc = load(schema, options, &project, reflect, err);
  mw_settings_fini(&project);
  return rc;
}

void mw_call_schema_fini(struct mw_call_schema *schema) {
  mw_pool_unref(schema->pool);
  mw_buf_fini(&schema->services);
  mw_buf_fini(&schema->folders);
}

/* ---- finding ---- */

/* Finds a method, or with `any` a definition of any kind. */
static int find(const struct mw_call_schema *schema, const char *name, bool any, struct mw_call_found *out,
                struct mw_err *err) {
  int rc = mw_call_find(schema->pool, name, any, name_of(schema), out, err);
  if (rc == MW_ENOTFOUND && schema->skipped_server)
    mw_err_add(err, rc, "use --reflection to ask the server instead of this folder");
  return rc;
}

int mw_call_schema_method(const struct mw_call_schema *schema, const char *name, const struct mw_method_type **out,
                          struct mw_err *err) {
  struct mw_call_found found;
  int rc = find(schema, name, false, &found, err);
  if (rc == 0) *out = found.method;
  return rc;
}

/* ---- printing ---- */

/* Runs `put` for each service, in order. A service without a definition has a name only; `service` is NULL for it. */
static int each_service(const struct mw_call_schema *schema, struct mw_buf *out,
                        int (*put)(struct mw_buf *out, const char *name, const struct mw_service_type *service)) {
  int rc = 0;
  const char *names = mw_buf_str(&schema->services);
  for (size_t at = 0; rc == 0 && at < schema->services.len; at += strlen(names + at) + 1) {
    rc = put(out, names + at, mw_pool_service(schema->pool, names + at));
  }
  size_t n = schema->services.len == 0 ? mw_pool_service_count(schema->pool) : 0;
  for (size_t i = 0; i < n && rc == 0; i++) {
    const struct mw_service_type *service = mw_pool_service_at(schema->pool, i);
    if (!mw_call_is_builtin(service->full_name)) rc = put(out, service->full_name, service);
  }
  return rc;
}

static int put_methods(struct mw_buf *out, const char *name, const struct mw_service_type *service) {
  int rc = mw_buf_printf(out, "%s%s\n", name, service ? "" : " (the server has no definition of it)");
  for (size_t i = 0; service && i < service->n_methods && rc == 0; i++) {
    rc = mw_describe_signature(out, &service->methods[i]);
  }
  return rc;
}

static int put_definition(struct mw_buf *out, const char *name, const struct mw_service_type *service) {
  int rc = out->len > 0 ? mw_buf_puts(out, "\n") : 0;
  if (rc != 0) return rc;
  if (service) return mw_describe_service(out, service);
  return mw_buf_printf(out, "// %s: the server has no definition of it\n", name);
}

/* Takes the text. */
static int print(struct mw_buf *text, int rc, struct mw_err *err) {
  if (rc == MW_ENOMEM) mw_err_set(err, rc, "out of memory");
  if (rc == 0) mw_escape_print(stdout, mw_buf_slice(text));
  if (rc == 0 && fflush(stdout) != 0) rc = mw_err_set(err, MW_EIO, "stdout: %s", strerror(errno));
  mw_buf_fini(text);
  return rc;
}

int mw_call_schema_list(const struct mw_call_schema *schema, struct mw_err *err) {
  struct mw_buf text = MW_BUF_INIT;
  int rc = each_service(schema, &text, put_methods);
  return print(&text, rc, err);
}

int mw_call_schema_describe(const struct mw_call_schema *schema, const char *name, struct mw_err *err) {
  struct mw_buf text = MW_BUF_INIT;
  struct mw_call_found found = {0};
  if (!name) return print(&text, each_service(schema, &text, put_definition), err);
  int rc = find(schema, name, true, &found, err);
  if (rc != 0) return rc;
  if (found.method) rc = mw_describe_method(&text, found.method);
  if (found.service) rc = mw_describe_service(&text, found.service);
  if (found.message) rc = mw_describe_message(&text, found.message);
  if (found.enumeration) rc = mw_describe_enum(&text, found.enumeration);
  return print(&text, rc, err);
}
