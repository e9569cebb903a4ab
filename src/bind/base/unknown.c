/* Errors for services and methods that are not in the schema. */
#include "bind/base/unknown.h"

#include <string.h>

#include "base/text.h"
#include "bind/base/bind.h"

enum { MOST_NAMES = 20 }; /* names in an error */

struct names {
  size_t count;
  const char *(*at)(const void *ctx, size_t i);
  const void *ctx;
};

static const char *service_at(const void *ctx, size_t i) {
  return mw_pool_service_at((const struct mw_pool *)ctx, i)->full_name;
}

static const char *method_at(const void *ctx, size_t i) {
  return ((const struct mw_service_type *)ctx)->methods[i].name;
}

/* False for the services that every schema has. */
static bool is_user_service(const char *name) {
  return strncmp(name, "grpc.health.", 12) != 0 && strncmp(name, "grpc.reflection.", 16) != 0;
}

static size_t count_user(const struct names *names) {
  size_t n = 0;
  for (size_t i = 0; i < names->count; i++) n += is_user_service(names->at(names->ctx, i));
  return n;
}

/* Pushes "A, B and C": the `n_user` names. Of more than MOST_NAMES, pushes the first and the number of the rest. */
static const char *push_list(lua_State *L, const struct names *names, size_t n_user) {
  size_t shown = n_user <= MOST_NAMES ? n_user : MOST_NAMES;
  luaL_Buffer out;
  luaL_buffinit(L, &out);
  for (size_t i = 0, n = 0; n < shown; i++) {
    const char *name = names->at(names->ctx, i);
    if (!is_user_service(name)) continue;
    n++;
    if (n > 1) luaL_addstring(&out, n == n_user ? " and " : ", ");
    luaL_addstring(&out, name);
  }
  if (n_user > shown) {
    lua_pushfstring(L, " and %d more", (int)(n_user - shown));
    luaL_addvalue(&out);
  }
  luaL_pushresult(&out);
  return lua_tostring(L, -1);
}

/* Raises: there is no `what` named `name`. The error has the name nearest to `word`, or all names. */
static int raise_unknown(lua_State *L, const char *who, const char *what, const char *name, const char *word,
                         const struct names *names) {
  const char *nearest = mw_nearest(word, names->count, names->at, names->ctx);
  if (nearest) return luaL_error(L, "%s: no %s %s in the schema (did you mean %s?)", who, what, name, nearest);
  size_t n_user = count_user(names);
  if (n_user == 0) return luaL_error(L, "%s: no %s %s in the schema, which has none", who, what, name);
  return luaL_error(L, "%s: no %s %s in the schema: there %s %s", who, what, name, n_user == 1 ? "is" : "are",
                    push_list(L, names, n_user));
}

int mw_bind_no_service(lua_State *L, const char *who, const struct mw_pool *pool, const char *name) {
  const struct names names = {mw_pool_service_count(pool), service_at, pool};
  return raise_unknown(L, who, "service", name, name, &names);
}

int mw_bind_no_method(lua_State *L, const char *who, const struct mw_service_type *service, const char *name,
                      const char *word) {
  const struct names names = {service->n_methods, method_at, service};
  return raise_unknown(L, who, "method", name, word, &names);
}
