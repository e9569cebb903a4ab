#include "cli/call_find.h"

#include <string.h>

#include "base/buf.h"
#include "base/text.h"

bool mw_call_is_builtin(const char *full_name) {
  return strncmp(full_name, "grpc.health.", 12) == 0 || strncmp(full_name, "grpc.reflection.", 16) == 0 ||
         strncmp(full_name, "google.protobuf.", 16) == 0 || strncmp(full_name, "google.rpc.", 11) == 0;
}

/* ---- matching ---- */

enum rank { NONE, BUILTIN_END, OWN_END, FULL };

static bool is_separator(char c) { return c == '.' || c == '/'; }

/* How `name` fits `full`; a dot and a slash are the same. */
static enum rank rank(const char *full, const char *name) {
  size_t whole = strlen(full), len = strlen(name);
  if (len == 0 || len > whole) return NONE;
  const char *end = full + (whole - len);
  for (size_t i = 0; i < len; i++) {
    if (end[i] != name[i] && !(is_separator(end[i]) && is_separator(name[i]))) return NONE;
  }
  if (len == whole) return FULL;
  if (!is_separator(end[-1])) return NONE;
  return mw_call_is_builtin(full) ? BUILTIN_END : OWN_END;
}

struct search {
  const char *name;
  enum rank best;
  size_t count;            /* of those with the best rank */
  struct mw_buf names;     /* of them, separated by commas */
  struct mw_call_found found; /* the first of them */
};

static void consider(struct search *search, const char *full, struct mw_call_found found) {
  enum rank fits = rank(full, search->name);
  if (fits == NONE || fits < search->best) return;
  if (fits > search->best) {
    search->best = fits;
    search->count = 0;
    search->found = found;
    mw_buf_clear(&search->names);
  }
  (void)mw_buf_printf(&search->names, "%s%s", search->count++ ? ", " : "", full);
}

static void consider_services(struct search *search, const struct mw_pool *pool, bool any) {
  for (size_t i = 0; i < mw_pool_service_count(pool); i++) {
    const struct mw_service_type *service = mw_pool_service_at(pool, i);
    if (any) consider(search, service->full_name, (struct mw_call_found){.service = service});
    for (size_t k = 0; k < service->n_methods; k++) {
      const struct mw_method_type *method = &service->methods[k];
      consider(search, method->path + 1, (struct mw_call_found){.method = method});
    }
  }
}

static void consider_types(struct search *search, const struct mw_pool *pool) {
  for (size_t i = 0; i < mw_pool_message_count(pool); i++) {
    const struct mw_message_type *message = mw_pool_message_at(pool, i);
    if (!message->map_entry) consider(search, message->full_name, (struct mw_call_found){.message = message});
  }
  for (size_t i = 0; i < mw_pool_enum_count(pool); i++) {
    const struct mw_enum_type *type = mw_pool_enum_at(pool, i);
    consider(search, type->full_name, (struct mw_call_found){.enumeration = type});
  }
}

/* ---- what to say when there is none ---- */

struct candidates {
  const struct mw_pool *pool;
  const struct mw_service_type *service; /* whose methods are meant; NULL for services */
};

static const char *service_at(const void *ctx, size_t i) {
  const struct candidates *c = ctx;
  const char *name = mw_pool_service_at(c->pool, i)->full_name;
  return mw_call_is_builtin(name) ? NULL : name;
}

static const char *method_at(const void *ctx, size_t i) {
  const struct candidates *c = ctx;
  return c->service->methods[i].name;
}

/* Appends names, separated by commas. */
static void put_names(struct mw_buf *out, const char *(*name_at)(const void *ctx, size_t i), const void *ctx,
                      size_t count) {
  const char *separator = "";
  for (size_t i = 0; i < count; i++) {
    const char *name = name_at(ctx, i);
    if (!name) continue;
    (void)mw_buf_printf(out, "%s%s", separator, name);
    separator = ", ";
  }
}

/* "WHAT NAME; did you mean NEAR?\nthere are: ...". */
static int not_found(struct mw_err *err, const char *what, const char *name,
                     const char *(*name_at)(const void *ctx, size_t i), const void *ctx, size_t count) {
  struct mw_buf names = MW_BUF_INIT;
  const char *near = mw_nearest(name, count, name_at, ctx);
  put_names(&names, name_at, ctx, count);
  int rc = mw_err_set(err, MW_ENOTFOUND, "%s %s%s%s%s\nthere are: %s", what, name, near ? "; did you mean " : "",
                      near ? near : "", near ? "?" : "", names.len ? mw_buf_str(&names) : "no services");
  mw_buf_fini(&names);
  return rc;
}

/* "WHAT\nthere are: METHOD, ...". */
static int list_methods(struct mw_err *err, const char *what, const struct candidates *c) {
  struct mw_buf names = MW_BUF_INIT;
  put_names(&names, method_at, c, c->service->n_methods);
  int rc = mw_err_set(err, MW_ENOTFOUND, "%s\nthere are: %s", what, names.len ? mw_buf_str(&names) : "no methods");
  mw_buf_fini(&names);
  return rc;
}

/* Appends "SERVICE/METHOD" of the method whose simple name is nearest to `name`. */
static void put_near_method(struct mw_buf *out, const struct mw_pool *pool, const char *name) {
  for (size_t i = 0; i < mw_pool_service_count(pool) && out->len == 0; i++) {
    struct candidates c = {pool, mw_pool_service_at(pool, i)};
    if (mw_call_is_builtin(c.service->full_name)) continue;
    const char *near = mw_nearest(name, c.service->n_methods, method_at, &c);
    if (near) (void)mw_buf_printf(out, "%s/%s", c.service->full_name, near);
  }
}

/* The part of "Service/Method" that is wrong, or a name of one part. */
static int explain(const struct mw_pool *pool, const char *name, bool any, const char *where, struct mw_err *err) {
  struct mw_buf what = MW_BUF_INIT, part = MW_BUF_INIT;
  struct candidates c = {pool, NULL};
  const char *slash = strchr(name, '/');
  (void)mw_buf_printf(&part, "%.*s", slash ? (int)(slash - name) : (int)strlen(name), name);
  struct search search = {.name = mw_buf_str(&part), .names = MW_BUF_INIT};
  consider_services(&search, pool, true);
  c.service = search.count == 1 ? search.found.service : NULL;
  int rc;
  if (c.service && !slash) {
    (void)mw_buf_printf(&what, "%s is a service: expected %s/METHOD", c.service->full_name, c.service->full_name);
    rc = list_methods(err, mw_buf_str(&what), &c);
  } else if (c.service) {
    (void)mw_buf_printf(&what, "%s has no method", c.service->full_name);
    rc = not_found(err, mw_buf_str(&what), slash + 1, method_at, &c, c.service->n_methods);
  } else {
    (void)mw_buf_printf(&what, "%s: no %s", where, slash ? "service" : any ? "service, method or type" : "method");
    if (!slash) {
      struct mw_buf near = MW_BUF_INIT;
      put_near_method(&near, pool, name);
      if (near.len > 0) (void)mw_buf_printf(&part, "; did you mean %s?", mw_buf_str(&near));
      mw_buf_fini(&near);
    }
    rc = not_found(err, mw_buf_str(&what), mw_buf_str(&part), service_at, &c, mw_pool_service_count(pool));
  }
  mw_buf_fini(&search.names);
  mw_buf_fini(&part);
  mw_buf_fini(&what);
  return rc;
}

int mw_call_find(const struct mw_pool *pool, const char *name, bool any, const char *where, struct mw_call_found *out,
                 struct mw_err *err) {
  struct search search = {.name = name, .names = MW_BUF_INIT};
  consider_services(&search, pool, any);
  if (any) consider_types(&search, pool);
  int rc = 0;
  if (search.count == 0) {
    rc = explain(pool, name, any, where, err);
  } else if (search.count > 1) {
    rc = mw_err_set(err, MW_ENOTFOUND, "%s could be any of: %s", name, mw_buf_str(&search.names));
  } else {
    *out = search.found;
  }
  mw_buf_fini(&search.names);
  return rc;
}
