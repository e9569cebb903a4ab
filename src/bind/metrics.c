/* mw.metrics: counters, gauges and histograms of the scripts. They share one registry with the runtime's own metrics
 * and all workers. A metric is a userdata, "moonwire.Counter" and so on; its family lives as long as the process. */
#include <math.h>
#include <string.h>

#include "bind/base/bind.h"
#include "bind/base/buffer.h"
#include "bind/base/openers.h"
#include "bind/base/options.h"
#include "bind/base/status.h"

enum { MAX_LABELS = 16, MAX_BUCKETS = 128 };

static const char *const types[] = {"moonwire.Counter", "moonwire.Gauge", "moonwire.Histogram"};

struct metric {
  struct mw_metric_family *family;
  struct mw_metric *only; /* the series of a family without labels; NULL until its first use */
};

/* ---- labels and series ---- */

/* Pushes the label names, such as "method, code". */
static const char *push_label_names(lua_State *L, const struct mw_metric_family *family) {
  size_t n;
  const char *const *labels = mw_metric_family_labels(family, &n);
  lua_pushliteral(L, "");
  for (size_t i = 0; i < n; i++) {
    lua_pushfstring(L, "%s%s", i > 0 ? ", " : "", labels[i]);
    lua_concat(L, 2);
  }
  return lua_tostring(L, -1);
}

static int raise_labels(lua_State *L, const struct mw_metric_family *family, const char *what) {
  return luaL_error(L, "metric %s: %s; its labels are %s", mw_metric_family_name(family), what,
                    push_label_names(L, family));
}

/* Pushes the value of a label as text. The stack keeps it alive. */
static const char *push_label_value(lua_State *L, const struct mw_metric_family *family, const char *label) {
  lua_pushstring(L, label);
  int type = lua_rawget(L, 2);
  if (type == LUA_TNIL) raise_labels(L, family, lua_pushfstring(L, "the label %s is missing", label));
  if (type != LUA_TSTRING && type != LUA_TNUMBER && type != LUA_TBOOLEAN) {
    raise_labels(L, family, lua_pushfstring(L, "the label %s is a %s, expected a string", label, luaL_typename(L, -1)));
  }
  size_t len;
  const char *text = luaL_tolstring(L, -1, &len);
  if (strlen(text) != len) raise_labels(L, family, lua_pushfstring(L, "the label %s contains a zero byte", label));
  return text;
}

/* Raises if the table at index 2 has keys that are no labels. */
static void check_no_others(lua_State *L, const struct mw_metric_family *family) {
  size_t n;
  const char *const *labels = mw_metric_family_labels(family, &n);
  lua_pushnil(L);
  while (lua_next(L, 2)) {
    lua_pop(L, 1);
    const char *key = lua_type(L, -1) == LUA_TSTRING ? lua_tostring(L, -1) : NULL;
    bool known = false;
    for (size_t i = 0; key && i < n && !known; i++) known = strcmp(labels[i], key) == 0;
    if (!known) raise_labels(L, family, lua_pushfstring(L, "it has no label %s", luaL_tolstring(L, -1, NULL)));
  }
}

/* Returns the series for the labels at index 2. On failure returns NULL and pushes nil and a status. A family without
 * labels has no such argument. `*next` is the index of the next argument. */
static struct mw_metric *check_series(lua_State *L, struct metric *metric, int *next) {
  size_t n;
  const char *const *labels = mw_metric_family_labels(metric->family, &n);
  *next = n > 0 ? 3 : 2;
  if (metric->only) return metric->only;
  const char *values[MAX_LABELS];
  if (n > 0) {
    if (!lua_istable(L, 2)) raise_labels(L, metric->family, "expected a table of labels first");
    luaL_checkstack(L, 2 * MAX_LABELS + 4, NULL);
    for (size_t i = 0; i < n; i++) values[i] = push_label_value(L, metric->family, labels[i]);
    check_no_others(L, metric->family);
  }
  struct mw_metric *series;
  struct mw_err err = MW_ERR_INIT;
  if (mw_metric_series(metric->family, values, &series, &err) != 0) {
    mw_bind_fail_err(L, MW_CODE_RESOURCE_EXHAUSTED, &err);
    return NULL;
  }
  if (n == 0) metric->only = series;
  return series;
}

/* ---- methods ---- */

static struct metric *check(lua_State *L, enum mw_metric_kind kind) { return mw_bind_check_self(L, types[kind]); }

static int no_series(lua_State *L) { return 2; /* nil and the status are on the stack */ }

static lua_Number check_amount(lua_State *L, int index, bool optional) {
  lua_Number by = optional ? luaL_optnumber(L, index, 1) : luaL_checknumber(L, index);
  luaL_argcheck(L, !isnan(by), index, "expected a number, got NaN");
  return by;
}

/* counter:inc([labels] [, by]) */
static int l_inc(lua_State *L) {
  int next;
  lua_settop(L, 3);
  struct mw_metric *series = check_series(L, check(L, MW_METRIC_COUNTER), &next);
  if (!series) return no_series(L);
  lua_Number by = check_amount(L, next, true);
  luaL_argcheck(L, by >= 0, next, "a counter never decreases: use a gauge");
  mw_metric_add(series, by);
  return 0;
}

/* gauge:add([labels,] by) */
static int l_add(lua_State *L) {
  int next;
  lua_settop(L, 3);
  struct mw_metric *series = check_series(L, check(L, MW_METRIC_GAUGE), &next);
  if (!series) return no_series(L);
  mw_metric_add(series, check_amount(L, next, false));
  return 0;
}

/* gauge:set([labels,] value) */
static int l_set(lua_State *L) {
  int next;
  lua_settop(L, 3);
  struct mw_metric *series = check_series(L, check(L, MW_METRIC_GAUGE), &next);
  if (!series) return no_series(L);
  mw_metric_set(series, luaL_checknumber(L, next));
  return 0;
}

/* histogram:observe([labels,] value) */
static int l_observe(lua_State *L) {
  int next;
  lua_settop(L, 3);
  struct mw_metric *series = check_series(L, check(L, MW_METRIC_HISTOGRAM), &next);
  if (!series) return no_series(L);
  mw_metric_observe(series, check_amount(L, next, false));
  return 0;
}

static int push_value(lua_State *L, enum mw_metric_kind kind) {
  int next;
  lua_settop(L, 3);
  struct mw_metric *series = check_series(L, check(L, kind), &next);
  if (!series) return no_series(L);
  uint64_t count;
  lua_pushnumber(L, mw_metric_value(series, &count));
  if (kind != MW_METRIC_HISTOGRAM) return 1;
  lua_pushinteger(L, (lua_Integer)count);
  return 2;
}

static int l_counter_value(lua_State *L) { return push_value(L, MW_METRIC_COUNTER); }
static int l_gauge_value(lua_State *L) { return push_value(L, MW_METRIC_GAUGE); }
static int l_histogram_value(lua_State *L) { return push_value(L, MW_METRIC_HISTOGRAM); }

static const luaL_Reg counter_methods[] = {{"inc", l_inc}, {"value", l_counter_value}, {NULL, NULL}};
static const luaL_Reg gauge_methods[] = {{"set", l_set}, {"add", l_add}, {"value", l_gauge_value}, {NULL, NULL}};
static const luaL_Reg histogram_methods[] = {{"observe", l_observe}, {"value", l_histogram_value}, {NULL, NULL}};
static const luaL_Reg *const methods[] = {counter_methods, gauge_methods, histogram_methods};

static void push_metric(lua_State *L, enum mw_metric_kind kind, struct mw_metric_family *family) {
  struct metric *metric = lua_newuserdatauv(L, sizeof *metric, 0);
  *metric = (struct metric){family, NULL};
  mw_bind_push_type(L, types[kind], methods[kind], NULL);
  lua_setmetatable(L, -2);
}

/* ---- definitions ---- */

static int raise_field(lua_State *L, const char *field, const char *expected) {
  return luaL_error(L, "%s: expected %s, got %s", field, expected, luaL_typename(L, -1));
}

/* Returns a string of the definition at index 1. Returns NULL if it is absent and not required. */
static const char *get_string(lua_State *L, const char *field, bool required) {
  int type = mw_bind_get_option(L, 1, field);
  if (type != LUA_TSTRING && (required || type != LUA_TNIL)) raise_field(L, field, "a string");
  return lua_tostring(L, -1);
}

/* Pushes the sequence `field` of the definition at index 1 and returns its length, or 0 if it is absent. */
static size_t get_list(lua_State *L, const char *field, size_t most) {
  int type = mw_bind_get_option(L, 1, field);
  if (type == LUA_TNIL) return 0;
  if (type != LUA_TTABLE) raise_field(L, field, "a list");
  size_t n = lua_rawlen(L, -1);
  if (n > most) luaL_error(L, "%s: expected at most %d, got %d", field, (int)most, (int)n);
  return n;
}

/* Reads the labels. The definition's table keeps the strings alive, because no script runs that could change it. */
static size_t get_labels(lua_State *L, const char *labels[MAX_LABELS]) {
  size_t n = get_list(L, "labels", MAX_LABELS);
  for (size_t i = 0; i < n; i++) {
    if (lua_rawgeti(L, -1, (lua_Integer)i + 1) != LUA_TSTRING) raise_field(L, "labels", "a list of strings");
    labels[i] = lua_tostring(L, -1);
    lua_pop(L, 1);
  }
  return n;
}

static size_t get_buckets(lua_State *L, double buckets[MAX_BUCKETS]) {
  size_t n = get_list(L, "buckets", MAX_BUCKETS);
  for (size_t i = 0; i < n; i++) {
    if (lua_rawgeti(L, -1, (lua_Integer)i + 1) != LUA_TNUMBER) raise_field(L, "buckets", "a list of numbers");
    buckets[i] = lua_tonumber(L, -1);
    lua_pop(L, 1);
  }
  return n;
}

static void check_fields(lua_State *L, enum mw_metric_kind kind) {
  static const char *const functions[] = {"mw.metrics.counter", "mw.metrics.gauge", "mw.metrics.histogram"};
  static const char *const fields[] = {"name", "help", "labels", NULL};
  static const char *const histogram_fields[] = {"name", "help", "labels", "buckets", NULL};
  mw_bind_check_options(L, 1, functions[kind], kind == MW_METRIC_HISTOGRAM ? histogram_fields : fields);
}

static int define(lua_State *L, enum mw_metric_kind kind) {
  const char *labels[MAX_LABELS];
  double buckets[MAX_BUCKETS];
  luaL_checktype(L, 1, LUA_TTABLE);
  lua_settop(L, 1);
  check_fields(L, kind);
  const char *name = get_string(L, "name", true), *help = get_string(L, "help", false);
  size_t n_labels = get_labels(L, labels), n_buckets = kind == MW_METRIC_HISTOGRAM ? get_buckets(L, buckets) : 0;
  struct mw_metric_family *family;
  struct mw_err err = MW_ERR_INIT;
  const struct mw_metric_definition definition = {
      kind, name, help, labels, n_labels, n_buckets > 0 ? buckets : NULL, n_buckets};
  int rc = mw_metrics_family(mw_bind_program(L)->host->metrics, &definition, &family, &err);
  if (rc != 0) return mw_bind_raise_err(L, &err);
  push_metric(L, kind, family);
  return 1;
}

static int l_counter(lua_State *L) { return define(L, MW_METRIC_COUNTER); }
static int l_gauge(lua_State *L) { return define(L, MW_METRIC_GAUGE); }
static int l_histogram(lua_State *L) { return define(L, MW_METRIC_HISTOGRAM); }

/* mw.metrics.total(name): returns the sum over all series, and a histogram's count; nil if there is no such metric. */
static int l_total(lua_State *L) {
  double total;
  uint64_t count;
  const char *name = mw_bind_check_name(L, 1);
  if (!mw_metrics_total(mw_bind_program(L)->host->metrics, name, &total, &count)) return 0;
  lua_pushnumber(L, total);
  if (count == 0) return 1;
  lua_pushinteger(L, (lua_Integer)count);
  return 2;
}

/* mw.metrics.text(): returns all metrics in the text format of Prometheus. */
static int l_text(lua_State *L) {
  struct mw_buf *text = mw_bind_push_buffer(L);
  int rc = mw_metrics_write_within(mw_bind_program(L)->host->metrics, text, mw_budget_is_over, L);
  if (rc == MW_ELIMIT) mw_budget_check(L);
  if (rc != 0) return mw_budget_refuse(L);
  lua_pushlstring(L, mw_buf_str(text), text->len);
  return 1;
}

void mw_bind_open_metrics(lua_State *L, struct mw_program *program) {
  static const luaL_Reg functions[] = {{"counter", l_counter}, {"gauge", l_gauge}, {"histogram", l_histogram},
                                       {"total", l_total},     {"text", l_text},   {NULL, NULL}};
  lua_newtable(L);
  mw_bind_functions(L, program, functions);
  lua_setfield(L, -2, "metrics");
}
