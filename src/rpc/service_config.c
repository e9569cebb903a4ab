/* One pass over the tokens. The function that reads a value starts at its first token, in `r->token`, and stops at
 * its last. Members of an engine are skipped: the engine checks them. */
#include "rpc/service_config.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "schema/json/json_number.h"
#include "schema/json/json_token.h"
#include "schema/json/time_text.h"

enum { PATH_MAX_LEN = 200, KEY_MAX = 48, MAX_TOKENS = 1000 };

/* A missing or empty service or method stands for all. */
struct mw_service_config_method {
  char *service, *method; /* owned */
  struct mw_method_config is;
};

struct reader {
  struct mw_json_lexer lexer;
  struct mw_json_token token; /* the newest token */
  struct mw_service_config *config;
  char path[PATH_MAX_LEN];
  size_t path_len;
  struct mw_err *err;
};

typedef int (*value_fn)(struct reader *r, const char *key, void *to);

/* ---- errors ---- */

/* Sets MW_EINVAL with "PATH: WORDS". */
MW_PRINTF(2, 3)
static int fail(struct reader *r, const char *fmt, ...) {
  char words[200];
  va_list args;
  va_start(args, fmt);
  vsnprintf(words, sizeof words, fmt, args);
  va_end(args);
  return mw_err_set(r->err, MW_EINVAL, "%s%s%s", r->path, r->path_len ? ": " : "", words);
}

static int mismatch(struct reader *r, const char *what) {
  char got[MW_JSON_SHOW_LEN];
  mw_json_show(&r->token, got);
  return fail(r, "expected %s, got %s", what, got);
}

static int out_of_memory(struct reader *r) { return mw_err_set(r->err, MW_ENOMEM, "out of memory"); }

/* Reports an unknown member, at its value. */
static int unknown(struct reader *r, const char *expected) { return fail(r, "unknown member (expected %s)", expected); }

/* ---- walking ---- */

static int advance(struct reader *r) {
  int rc = mw_json_next(&r->lexer, &r->token, r->err);
  return rc == 0 ? 0 : (mw_err_wrap(r->err, "not JSON"), MW_EINVAL);
}

static int skip(struct reader *r) {
  int rc = mw_json_skip(&r->lexer, &r->token, r->err);
  return rc == 0 ? 0 : (mw_err_wrap(r->err, "not JSON"), MW_EINVAL);
}

MW_PRINTF(2, 3)
static void enter(struct reader *r, const char *fmt, ...) {
  va_list args;
  va_start(args, fmt);
  int n = vsnprintf(r->path + r->path_len, sizeof r->path - r->path_len, fmt, args);
  va_end(args);
  r->path_len += (size_t)n;
  if (r->path_len >= sizeof r->path) r->path_len = sizeof r->path - 1;
}

static void leave(struct reader *r, size_t len) {
  r->path_len = len;
  r->path[len] = '\0';
}

/* Copies a key or string with its escapes resolved; empty if it does not fit: all valid names are shorter. */
static void text(const struct mw_json_token *token, char out[KEY_MAX]) {
  size_t len = token->text.len >= KEY_MAX ? 0
               : token->escaped           ? mw_json_unescape(token->text, out)
                                          : (memcpy(out, token->text.data, token->text.len), token->text.len);
  out[len] = '\0';
}

/* Reads an object and calls `member` for each value. */
static int members(struct reader *r, value_fn member, void *to) {
  if (r->token.kind != MW_JSON_OBJECT) return mismatch(r, "an object");
  size_t len = r->path_len;
  int rc = advance(r);
  while (rc == 0 && r->token.kind == MW_JSON_KEY) {
    char key[KEY_MAX];
    text(&r->token, key);
    enter(r, "%s%s", len ? "." : "", key);
    rc = advance(r);
    if (rc == 0) rc = member(r, key, to);
    leave(r, rc == 0 ? len : r->path_len);
    if (rc == 0) rc = advance(r);
  }
  return rc;
}

/* Reads an array and calls `element` for each value, with a NULL key. */
static int elements(struct reader *r, value_fn element, void *to) {
  size_t len = r->path_len;
  int rc = advance(r);
  for (size_t i = 0; rc == 0 && r->token.kind != MW_JSON_ARRAY_END; i++) {
    enter(r, "[%zu]", i);
    rc = element(r, NULL, to);
    leave(r, rc == 0 ? len : r->path_len);
    if (rc == 0) rc = advance(r);
  }
  return rc;
}

/* ---- values ---- */

static int read_attempts(struct reader *r, unsigned *out) {
  int64_t number = 0;
  int rc = r->token.kind == MW_JSON_NUMBER ? mw_json_to_int64(r->token.text, INT32_MIN, INT32_MAX, &number)
                                           : MW_EFORMAT;
  if (rc == MW_ELIMIT) number = r->token.text.data[0] == '-' ? 0 : MW_ATTEMPTS_MAX;
  if (rc == MW_EFORMAT || number < 2) return mismatch(r, "an integer of 2 or more");
  *out = number > MW_ATTEMPTS_MAX ? MW_ATTEMPTS_MAX : (unsigned)number;
  return 0;
}

/* Reads nanoseconds; more than 292 years become MW_NEVER. */
static int read_duration(struct reader *r, int64_t least, const char *what, int64_t *out) {
  int64_t seconds;
  int32_t nanos;
  char duration[KEY_MAX];
  if (r->token.kind != MW_JSON_STRING) return mismatch(r, what);
  text(&r->token, duration);
  if (!mw_duration_parse(mw_slice_str(duration), &seconds, &nanos)) return mismatch(r, what);
  int64_t ns = seconds > INT64_MAX / MW_NS_PER_S - 1 ? MW_NEVER : seconds * MW_NS_PER_S + nanos;
  if (ns < least) return mismatch(r, what);
  *out = ns;
  return 0;
}

static int read_positive(struct reader *r, double least, const char *what, double *out) {
  double number;
  if (r->token.kind != MW_JSON_NUMBER || mw_json_to_double(r->token.text, &number) != 0) return mismatch(r, what);
  if (!(number > 0) || number < least) return mismatch(r, what);
  *out = number;
  return 0;
}

static int read_code(struct reader *r, const char *key, void *to) {
  int64_t code = -1;
  if (r->token.kind == MW_JSON_NUMBER) {
    if (mw_json_to_int64(r->token.text, 0, MW_CODE_COUNT - 1, &code) != 0) code = -1;
  } else if (r->token.kind == MW_JSON_STRING) {
    char name[KEY_MAX];
    text(&r->token, name);
    code = mw_code_from_name(name);
  }
  if (code < 0) return mismatch(r, "a status code such as 14 or \"UNAVAILABLE\"");
  *(uint32_t *)to |= 1u << code;
  return 0;
}

static int read_codes(struct reader *r, uint32_t *codes) {
  if (r->token.kind != MW_JSON_ARRAY) return mismatch(r, "a list of status codes");
  return elements(r, read_code, codes);
}

/* ---- retryPolicy, hedgingPolicy, retryThrottling ---- */

#define BACKOFF "a duration above 0 such as \"0.1s\""

static int retry_member(struct reader *r, const char *key, void *to) {
  struct mw_retry_policy *policy = to;
  if (strcmp(key, "maxAttempts") == 0) return read_attempts(r, &policy->max_attempts);
  if (strcmp(key, "initialBackoff") == 0) return read_duration(r, 1, BACKOFF, &policy->initial_backoff);
  if (strcmp(key, "maxBackoff") == 0) return read_duration(r, 1, BACKOFF, &policy->max_backoff);
  if (strcmp(key, "backoffMultiplier") == 0) return read_positive(r, 0, "a number above 0", &policy->multiplier);
  if (strcmp(key, "retryableStatusCodes") == 0) return read_codes(r, &policy->codes);
  return unknown(r, "maxAttempts, initialBackoff, maxBackoff, backoffMultiplier, retryableStatusCodes");
}

static int missing(struct reader *r, const char *name) { return fail(r, "%s is missing", name); }

static int read_retry(struct reader *r, struct mw_method_config *method) {
  struct mw_retry_policy *policy = &method->retry;
  if (method->policy != MW_ATTEMPTS_ONE) return fail(r, "expected either retryPolicy or hedgingPolicy, got both");
  method->policy = MW_ATTEMPTS_RETRY;
  int rc = members(r, retry_member, policy);
  if (rc != 0) return rc;
  if (!policy->max_attempts) return missing(r, "maxAttempts");
  if (!policy->initial_backoff) return missing(r, "initialBackoff");
  if (!policy->max_backoff) return missing(r, "maxBackoff");
  if (!(policy->multiplier > 0)) return missing(r, "backoffMultiplier");
  if (!policy->codes) return fail(r, "retryableStatusCodes: expected one code or more");
  return 0;
}

static int hedging_member(struct reader *r, const char *key, void *to) {
  struct mw_hedging_policy *policy = to;
  if (strcmp(key, "maxAttempts") == 0) return read_attempts(r, &policy->max_attempts);
  if (strcmp(key, "hedgingDelay") == 0) return read_duration(r, 0, "a duration such as \"0.5s\"", &policy->delay);
  if (strcmp(key, "nonFatalStatusCodes") == 0) return read_codes(r, &policy->codes);
  return unknown(r, "maxAttempts, hedgingDelay, nonFatalStatusCodes");
}

static int read_hedging(struct reader *r, struct mw_method_config *method) {
  if (method->policy != MW_ATTEMPTS_ONE) return fail(r, "expected either retryPolicy or hedgingPolicy, got both");
  method->policy = MW_ATTEMPTS_HEDGE;
  int rc = members(r, hedging_member, &method->hedging);
  return rc == 0 && !method->hedging.max_attempts ? missing(r, "maxAttempts") : rc;
}

static int throttling_member(struct reader *r, const char *key, void *to) {
  struct mw_throttle_config *throttling = to;
  int64_t tokens;
  double ratio;
  int rc;
  if (strcmp(key, "maxTokens") == 0) {
    if (r->token.kind != MW_JSON_NUMBER || mw_json_to_int64(r->token.text, 1, MAX_TOKENS, &tokens) != 0) {
      return mismatch(r, "an integer from 1 to 1000");
    }
    throttling->max = (int)tokens * 1000;
    return 0;
  }
  if (strcmp(key, "tokenRatio") != 0) return unknown(r, "maxTokens, tokenRatio");
  rc = read_positive(r, 0.001, "a number of 0.001 or more", &ratio);
  if (rc == 0) throttling->ratio = ratio >= MAX_TOKENS ? MAX_TOKENS * 1000 : (int)(ratio * 1000 + 1e-6);
  return rc;
}

static int read_throttling(struct reader *r) {
  int rc = members(r, throttling_member, &r->config->throttling);
  if (rc != 0) return rc;
  if (!r->config->throttling.max) return missing(r, "maxTokens");
  return r->config->throttling.ratio ? 0 : missing(r, "tokenRatio");
}

/* ---- methodConfig ---- */

static int copy_text(struct reader *r, char **out) {
  if (r->token.kind != MW_JSON_STRING) return mismatch(r, "a string");
  char *copy = malloc(r->token.text.len + 1);
  if (!copy) return out_of_memory(r);
  size_t len = mw_json_unescape(r->token.text, copy);
  copy[len] = '\0';
  free(*out);
  *out = copy;
  return 0;
}

static int name_member(struct reader *r, const char *key, void *to) {
  struct mw_service_config_method *name = to;
  if (strcmp(key, "service") == 0) return copy_text(r, &name->service);
  if (strcmp(key, "method") == 0) return copy_text(r, &name->method);
  return unknown(r, "service, method");
}

/* Core also refuses these names, but without a reason. */
static int add_name(struct reader *r, const struct mw_service_config_method *name) {
  const char *service = name->service ? name->service : "", *method = name->method ? name->method : "";
  if (!*service && *method) return fail(r, "expected a service beside the method \"%s\"", method);
  char *text = NULL;
  int len = asprintf(&text, "%s/%s", service, method);
  if (len < 0) return out_of_memory(r);
  struct mw_slice key = mw_slice(text, (size_t)len);
  int rc = mw_map_get(&r->config->by_name, key) ? fail(r, "expected each name once, got this one again") : 0;
  if (rc == 0 && mw_map_set(&r->config->by_name, key, (void *)(uintptr_t)r->config->n_methods) != 0) {
    rc = out_of_memory(r);
  }
  free(text);
  return rc;
}

/* Makes room for another entry: the array doubles when its length is a power of two. */
static int reserve(struct reader *r) {
  struct mw_service_config *config = r->config;
  size_t n = config->n_methods;
  if ((n & (n - 1)) != 0) return 0;
  struct mw_service_config_method *methods = realloc(config->methods, (n ? 2 * n : 1) * sizeof *methods);
  if (!methods) return out_of_memory(r);
  config->methods = methods;
  return 0;
}

static int read_name(struct reader *r, const char *key, void *to) {
  struct mw_service_config *config = r->config;
  if (reserve(r) != 0) return MW_ENOMEM;
  struct mw_service_config_method *name = &config->methods[config->n_methods++];
  *name = (struct mw_service_config_method){.is = {.timeout = MW_NEVER}};
  int rc = members(r, name_member, name);
  return rc == 0 ? add_name(r, name) : rc;
}

static bool is_one_of(const char *key, const char *const *names) {
  while (*names && strcmp(key, *names) != 0) names++;
  return *names;
}

static int method_member(struct reader *r, const char *key, void *to) {
  static const char *const engine[] = {"waitForReady", "maxRequestMessageBytes", "maxResponseMessageBytes", NULL};
  struct mw_method_config *method = to;
  if (strcmp(key, "name") == 0) {
    return r->token.kind == MW_JSON_ARRAY ? elements(r, read_name, NULL) : mismatch(r, "a list of names");
  }
  if (strcmp(key, "retryPolicy") == 0) return read_retry(r, method);
  if (strcmp(key, "hedgingPolicy") == 0) return read_hedging(r, method);
  if (strcmp(key, "timeout") == 0) return read_duration(r, 0, "a duration such as \"1.5s\"", &method->timeout);
  if (is_one_of(key, engine)) return skip(r);
  return unknown(r,
                 "name, timeout, retryPolicy, hedgingPolicy, waitForReady, maxRequestMessageBytes, "
                 "maxResponseMessageBytes");
}

static int read_method(struct reader *r, const char *key, void *to) {
  struct mw_method_config method = {.timeout = MW_NEVER};
  size_t first = r->config->n_methods;
  int rc = members(r, method_member, &method);
  for (size_t i = first; i < r->config->n_methods; i++) r->config->methods[i].is = method;
  return rc;
}

static int top_member(struct reader *r, const char *key, void *to) {
  static const char *const engine[] = {"loadBalancingConfig", "loadBalancingPolicy", "healthCheckConfig",
                                       "connectionScaling", NULL};
  if (strcmp(key, "retryThrottling") == 0) return read_throttling(r);
  if (is_one_of(key, engine)) return skip(r);
  if (strcmp(key, "methodConfig") != 0) {
    return unknown(r, "methodConfig, retryThrottling, loadBalancingConfig, loadBalancingPolicy, healthCheckConfig");
  }
  return r->token.kind == MW_JSON_ARRAY ? elements(r, read_method, NULL) : mismatch(r, "a list of method configs");
}

/* ---- the whole config ---- */

/* True for a member that rpc/client_rpc.h implements, by the depth of its object. */
static bool is_ours(const struct reader *r) {
  static const struct {
    unsigned depth;
    const char *name;
  } ours[] = {{1, "retryThrottling"}, {3, "retryPolicy"}, {3, "hedgingPolicy"}, {3, "timeout"}};
  char key[KEY_MAX];
  text(&r->token, key);
  for (size_t i = 0; i < sizeof ours / sizeof *ours; i++) {
    if (r->lexer.depth == ours[i].depth && strcmp(key, ours[i].name) == 0) return true;
  }
  return false;
}

/* Renames the members implemented here, which C core would check by its own rules. None of their names contains a
 * quote. */
static int hide_ours(struct reader *r) {
  int rc = advance(r);
  while (rc == 0 && r->token.kind != MW_JSON_END) {
    if (r->token.kind == MW_JSON_KEY && is_ours(r)) {
      for (char *c = r->config->rest + r->token.at + 1; *c != '"'; c++) *c = 'x';
    }
    rc = advance(r);
  }
  return rc;
}

static int read_all(struct reader *r, const char *json) {
  mw_json_lexer_init(&r->lexer, mw_slice_str(json));
  int rc = advance(r);
  if (rc == 0) rc = members(r, top_member, NULL);
  if (rc == 0) rc = advance(r);
  if (rc != 0) return rc;
  r->config->rest = strdup(json);
  if (!r->config->rest) return out_of_memory(r);
  mw_json_lexer_init(&r->lexer, mw_slice_str(json));
  return hide_ours(r);
}

int mw_service_config_new(const char *json, struct mw_service_config **out, struct mw_err *err) {
  struct reader r = {.config = calloc(1, sizeof *r.config), .err = err};
  if (!r.config) return mw_err_set(err, MW_ENOMEM, "out of memory");
  int rc = read_all(&r, json);
  if (rc != 0) {
    mw_err_wrap(err, "service config");
    mw_service_config_free(r.config);
    return rc;
  }
  *out = r.config;
  return 0;
}

void mw_service_config_free(struct mw_service_config *config) {
  if (!config) return;
  for (size_t i = 0; i < config->n_methods; i++) {
    free(config->methods[i].service);
    free(config->methods[i].method);
  }
  free(config->methods);
  mw_map_fini(&config->by_name);
  free(config->rest);
  free(config);
}

static const struct mw_method_config *find(const struct mw_service_config *config, struct mw_slice name) {
  uintptr_t number = (uintptr_t)mw_map_get(&config->by_name, name);
  return number ? &config->methods[number - 1].is : NULL;
}

const struct mw_method_config *mw_service_config_find(const struct mw_service_config *config, struct mw_slice path) {
  if (!config || config->n_methods == 0 || path.len == 0) return NULL;
  const uint8_t *name = path.data + 1, *end = path.data + path.len;
  const uint8_t *slash = memchr(name, '/', (size_t)(end - name));
  if (!slash) return NULL;
  const struct mw_method_config *found = find(config, mw_slice(name, (size_t)(end - name)));
  /* "SERVICE/" stands for all its methods */
  if (!found) found = find(config, mw_slice(name, (size_t)(slash + 1 - name)));
  return found ? found : find(config, mw_slice_str("/"));
}
