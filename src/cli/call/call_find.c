#include "cli/call/call_find.h"

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

/* Returns how well `name` matches `full`. Dot and slash are equivalent. */
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
  size_t count;               /* number of names with the best rank */
  struct mw_buf names;        /* these names, separated by commas */
  struct mw_call_found found; /* the definition of the first of them */
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

static void consider_services(struct search *search, const struct mw_pool *pool) {
  for (size_t i = 0; i < mw_pool_service_count(pool); i++) {
    const struct mw_service_type *service = mw_pool_service_at(pool, i);
    consider(search, service->full_name, (struct mw_call_found){.service = service});
  }
}

static void consider_methods(struct search *search, const struct mw_pool *pool) {
  for (size_t i = 0; i < mw_pool_service_count(pool); i++) {
    const struct mw_service_type *service = mw_pool_service_at(pool, i);
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

/* ---- near names ---- */

struct known {
  const char *full, *simple;
};

/* Candidates for the name nearest to an unknown one: an array of `struct known`. */
struct names {
  struct mw_buf known;
};

static const struct known *known_at(const struct names *names, size_t i) {
  return (const struct known *)(const void *)names->known.data + i;
}

static void add(struct names *names, const char *full, const char *simple) {
  const struct known known = {full, simple};
  if (!mw_call_is_builtin(full)) (void)mw_buf_append(&names->known, &known, sizeof known);
}

static void add_dotted(struct names *names, const char *full) {
  const char *dot = strrchr(full, '.');
  add(names, full, dot ? dot + 1 : full);
}

static void add_services(struct names *names, const struct mw_pool *pool) {
  for (size_t i = 0; i < mw_pool_service_count(pool); i++) add_dotted(names, mw_pool_service_at(pool, i)->full_name);
}

/* Adds the methods of the services that end in `part`; NULL for all services. */
static void add_methods(struct names *names, const struct mw_pool *pool, const char *part) {
  for (size_t i = 0; i < mw_pool_service_count(pool); i++) {
    const struct mw_service_type *service = mw_pool_service_at(pool, i);
    if (part && rank(service->full_name, part) == NONE) continue;
    for (size_t k = 0; k < service->n_methods; k++) add(names, service->methods[k].path + 1, service->methods[k].name);
  }
}

static void add_types(struct names *names, const struct mw_pool *pool) {
  for (size_t i = 0; i < mw_pool_message_count(pool); i++) {
    const struct mw_message_type *message = mw_pool_message_at(pool, i);
    if (!message->map_entry) add_dotted(names, message->full_name);
  }
  for (size_t i = 0; i < mw_pool_enum_count(pool); i++) add_dotted(names, mw_pool_enum_at(pool, i)->full_name);
}

static const char *full_at(const void *ctx, size_t i) { return known_at(ctx, i)->full; }
static const char *simple_at(const void *ctx, size_t i) { return known_at(ctx, i)->simple; }

/* Returns the full name of the candidate nearest to `name`, or NULL. Compares a simple `name` with simple names. */
static const char *nearest(const struct names *names, const char *name) {
  size_t count = names->known.len / sizeof(struct known);
  const char *(*name_at)(const void *ctx, size_t i) = strpbrk(name, "./") ? full_at : simple_at;
  const char *near = mw_nearest(name, count, name_at, names);
  for (size_t i = 0; near && i < count; i++) {
    if (name_at(names, i) == near) return known_at(names, i)->full;
  }
  return NULL;
}

/* ---- errors ---- */

static const char *service_at(const void *ctx, size_t i) {
  const char *name = mw_pool_service_at(ctx, i)->full_name;
  return mw_call_is_builtin(name) ? NULL : name;
}

static const char *method_at(const void *ctx, size_t i) {
  return ((const struct mw_service_type *)ctx)->methods[i].name;
}

/* Sets "WHAT; did you mean NEAR?\nthere are: ..."; NEAR may be NULL. */
static int not_found(struct mw_err *err, const char *what, const char *near,
                     const char *(*name_at)(const void *ctx, size_t i), const void *ctx, size_t count) {
  struct mw_buf names = MW_BUF_INIT;
  for (size_t i = 0; i < count; i++) {
    const char *name = name_at(ctx, i);
    if (name) (void)mw_buf_printf(&names, "%s%s", names.len > 0 ? ", " : "", name);
  }
  const char *none = name_at == method_at ? "no methods" : "no services";
  int rc = mw_err_set(err, MW_ENOTFOUND, "%s%s%s%s\nthere are: %s", what, near ? "; did you mean " : "",
                      near ? near : "", near ? "?" : "", names.len ? mw_buf_str(&names) : none);
  mw_buf_fini(&names);
  return rc;
}

/* Reports that no service ends in `part`: the text before a slash if `slash` is set, else the whole name. */
static int explain_part(const struct mw_pool *pool, const char *part, bool slash, bool any, const char *where,
                        struct mw_err *err) {
  struct names names = {MW_BUF_INIT};
  struct mw_buf what = MW_BUF_INIT;
  const char *kind = slash ? "service" : any ? "service, method or type" : "method";
  if (!slash) add_methods(&names, pool, NULL); /* methods take precedence over equally near services */
  add_services(&names, pool);
  if (!slash && any) add_types(&names, pool);
  (void)mw_buf_printf(&what, "%s: no %s %s", where, kind, part);
  int rc = not_found(err, mw_buf_str(&what), nearest(&names, part), service_at, pool, mw_pool_service_count(pool));
  mw_buf_fini(&what);
  mw_buf_fini(&names.known);
  return rc;
}

/* Reports an error in the name of a method of one service. `method` is NULL for a name without a slash. */
static int explain_method(const struct mw_service_type *service, const char *method, struct mw_err *err) {
  struct mw_buf what = MW_BUF_INIT;
  if (method) {
    (void)mw_buf_printf(&what, "%s has no method %s", service->full_name, method);
  } else {
    (void)mw_buf_printf(&what, "%s is a service: expected %s/METHOD", service->full_name, service->full_name);
  }
  const char *near = method ? mw_nearest(method, service->n_methods, method_at, service) : NULL;
  int rc = not_found(err, mw_buf_str(&what), near, method_at, service, service->n_methods);
  mw_buf_fini(&what);
  return rc;
}

/* Reports an error in the name of a method if several services end in `part`. */
static int explain_methods(const struct mw_pool *pool, const char *part, const char *services, const char *method,
                           struct mw_err *err) {
  if (!method) return mw_err_set(err, MW_ENOTFOUND, "%s are services: expected SERVICE/METHOD", services);
  struct names names = {MW_BUF_INIT};
  add_methods(&names, pool, part);
  const char *near = nearest(&names, method);
  mw_err_set(err, MW_ENOTFOUND, "none of %s has a method %s%s%s%s", services, method, near ? "; did you mean " : "",
             near ? near : "", near ? "?" : "");
  mw_buf_fini(&names.known);
  return MW_ENOTFOUND;
}

/* Reports the wrong part of "Service/Method", or a wrong name of one part. */
static int explain(const struct mw_pool *pool, const char *name, bool any, const char *where, struct mw_err *err) {
  struct mw_buf before = MW_BUF_INIT;
  const char *slash = strchr(name, '/'), *method = slash ? slash + 1 : NULL;
  (void)mw_buf_append(&before, name, slash ? (size_t)(slash - name) : strlen(name));
  const char *part = mw_buf_str(&before);
  struct search search = {.name = part, .names = MW_BUF_INIT};
  consider_services(&search, pool);
  int rc = search.count == 0   ? explain_part(pool, part, slash, any, where, err)
           : search.count == 1 ? explain_method(search.found.service, method, err)
                               : explain_methods(pool, part, mw_buf_str(&search.names), method, err);
  mw_buf_fini(&search.names);
  mw_buf_fini(&before);
  return rc;
}

int mw_call_find(const struct mw_pool *pool, const char *name, bool any, const char *where, struct mw_call_found *out,
                 struct mw_err *err) {
  struct search search = {.name = name, .names = MW_BUF_INIT};
  consider_methods(&search, pool);
  if (any) consider_services(&search, pool);
  if (any) consider_types(&search, pool);
  int rc = 0;
  if (search.count == 0) {
    rc = explain(pool, name, any, where, err);
  } else if (search.count > 1) {
    rc = mw_err_set(err, MW_EEXIST, "%s could be any of: %s", name, mw_buf_str(&search.names));
  } else {
    *out = search.found;
  }
  mw_buf_fini(&search.names);
  return rc;
}
