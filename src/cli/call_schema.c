#include "cli/call_schema.h"

#include <sys/stat.h>

#include "base/text.h"
#include "schema/load.h"
#include "server/settings.h"

static const char *service_at(const void *ctx, size_t i) { return mw_pool_service_at(ctx, i)->full_name; }

static const char *method_at(const void *ctx, size_t i) {
  const struct mw_service_type *service = ctx;
  return service->methods[i].name;
}

/* Appends names, separated by commas. */
static void put_names(struct mw_buf *out, const char *(*name_at)(const void *ctx, size_t i), const void *ctx,
                      size_t count) {
  for (size_t i = 0; i < count; i++) (void)mw_buf_printf(out, "%s%s", i ? ", " : "", name_at(ctx, i));
}

/* "WHAT NAME; did you mean NEAR? There are: ...". */
static int not_found(struct mw_err *err, const char *what, const char *name,
                     const char *(*name_at)(const void *ctx, size_t i), const void *ctx, size_t count) {
  struct mw_buf names = MW_BUF_INIT;
  const char *near = mw_nearest(name, count, name_at, ctx);
  put_names(&names, name_at, ctx, count);
  int rc = mw_err_set(err, MW_ENOTFOUND, "%s %s%s%s%s\nthere are: %s", what, name, near ? "; did you mean " : "",
                      near ? near : "", near ? "?" : "", mw_buf_str(&names));
  mw_buf_fini(&names);
  return rc;
}

static bool is_folder(const char *path) {
  struct stat info;
  return stat(path, &info) == 0 && S_ISDIR(info.st_mode);
}

/* Says which part of "/package.Service/Method" is wrong. */
static int explain(const struct mw_call_options *options, const struct mw_pool *pool, struct mw_err *err) {
  char name[256];
  size_t len = strcspn(options->method + 1, "/");
  if (len >= sizeof name) return mw_err_set(err, MW_ENOTFOUND, "no service has so long a name");
  memcpy(name, options->method + 1, len);
  name[len] = '\0';
  const struct mw_service_type *service = mw_pool_service(pool, name);
  if (service) {
    struct mw_buf what = MW_BUF_INIT;
    (void)mw_buf_printf(&what, "%s has no method", name);
    int rc = not_found(err, mw_buf_str(&what), options->method + len + 2, method_at, service, service->n_methods);
    mw_buf_fini(&what);
    return rc;
  }
  if (!is_folder(options->proto_dir)) {
    return mw_err_set(err, MW_ENOTFOUND,
                      "the schema of %s is not known: there is no folder \"%s\" here\n"
                      "call from the service's own folder, or name the folder of its .proto files with --proto DIR",
                      name, options->proto_dir);
  }
  struct mw_buf what = MW_BUF_INIT;
  (void)mw_buf_printf(&what, "%s: no service", options->proto_dir);
  int rc = not_found(err, mw_buf_str(&what), name, service_at, pool, mw_pool_service_count(pool));
  mw_buf_fini(&what);
  return rc;
}

/* The folder that was given, or else those of the project that the command runs in. */
static int load(struct mw_pool **out, const struct mw_call_options *options, struct mw_err *err) {
  if (options->proto_given) return mw_schema_load(out, options->proto_dir, err);
  struct mw_settings settings;
  int rc = mw_settings_find_protos(&settings, ".");
  if (rc != 0) return mw_err_set(err, rc, "out of memory");
  rc = mw_schema_load_from(out, (const char *const *)settings.protos, err);
  mw_settings_fini(&settings);
  return rc;
}

int mw_call_find_method(const struct mw_call_options *options, struct mw_pool **pool,
                        const struct mw_method_type **method, struct mw_err *err) {
  struct mw_pool *loaded = NULL;
  if (options->proto_given && !is_folder(options->proto_dir))
    return mw_err_set(err, MW_ENOTFOUND, "--proto %s: there is no such folder", options->proto_dir);
  int rc = load(&loaded, options, err);
  if (rc != 0) return rc;
  *method = mw_pool_method(loaded, mw_slice_str(options->method));
  if (!*method) {
    rc = explain(options, loaded, err);
    mw_pool_unref(loaded);
    return rc;
  }
  *pool = loaded;
  return 0;
}
