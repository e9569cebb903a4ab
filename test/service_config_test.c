/* Service configs, and the arithmetic of their retries. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "failmalloc.h"

#include "base/clock.h"
#include "rpc/service_config.h"

#define RETRY                                                                                                       \
  "\"retryPolicy\":{\"maxAttempts\":4,\"initialBackoff\":\"0.1s\",\"maxBackoff\":\"1s\",\"backoffMultiplier\":2.5," \
  "\"retryableStatusCodes\":[14,\"aborted\"]}"
#define HEDGE "\"hedgingPolicy\":{\"maxAttempts\":9,\"hedgingDelay\":\"0.5s\",\"nonFatalStatusCodes\":[\"INTERNAL\"]}"

static struct mw_service_config *parse(const char *json) {
  struct mw_service_config *config = NULL;
  struct mw_err err = MW_ERR_INIT;
  if (mw_service_config_new(json, &config, &err) != 0) fail_msg("%s", mw_err_text(&err));
  return config;
}

static const struct mw_method_config *find(const struct mw_service_config *config, const char *path) {
  return mw_service_config_find(config, mw_slice_str(path));
}

static void policies_are_found_by_the_nearest_name(void **state) {
  struct mw_service_config *config = parse(
      "{\"methodConfig\":["
      "{\"name\":[{}],\"timeout\":\"\\u0032s\"},"
      "{\"name\":[{\"service\":\"a.B\"},{\"service\":\"c.D\",\"method\":\"\"}]," RETRY
      "},"
      "{\"name\":[{\"service\":\"a.B\",\"method\":\"Get\"}]," HEDGE "}]}");
  const struct mw_method_config *get = find(config, "/a.B/Get"), *put = find(config, "/a.B/Put");
  assert_int_equal(get->policy, MW_ATTEMPTS_HEDGE);
  assert_int_equal(get->hedging.max_attempts, 5);
  assert_int_equal(get->hedging.delay, 500 * MW_NS_PER_MS);
  assert_int_equal(get->hedging.codes, 1u << MW_CODE_INTERNAL);
  assert_int_equal(put->policy, MW_ATTEMPTS_RETRY);
  assert_int_equal(put->retry.max_attempts, 4);
  assert_int_equal(put->retry.initial_backoff, 100 * MW_NS_PER_MS);
  assert_int_equal(put->retry.max_backoff, MW_NS_PER_S);
  assert_true(put->retry.multiplier == 2.5);
  assert_int_equal(put->retry.codes, 1u << MW_CODE_UNAVAILABLE | 1u << MW_CODE_ABORTED);
  assert_true(put->timeout == MW_NEVER);
  assert_int_equal(find(config, "/c.D/Any")->policy, MW_ATTEMPTS_RETRY);
  assert_int_equal(find(config, "/x.Y/Any")->policy, MW_ATTEMPTS_ONE);
  assert_int_equal(find(config, "/x.Y/Any")->timeout, 2 * (int64_t)MW_NS_PER_S);
  mw_service_config_free(config);
  config = parse("{\"methodConfig\":[{\"name\":[{\"service\":\"a.B\"}]}]}");
  assert_null(find(config, "/x.Y/Any"));
  assert_null(find(config, "nonsense"));
  assert_null(mw_service_config_find(NULL, mw_slice_str("/x.Y/Any")));
  mw_service_config_free(config);
}

static void an_engine_sees_the_rest(void **state) {
  struct mw_service_config *config = parse(
      "{\"loadBalancingPolicy\":\"round_robin\",\"retryThrottling\":{\"maxTokens\":10,\"tokenRatio\":0.1239},"
      "\"methodConfig\":[{\"name\":[{}],\"waitForReady\":true,\"\\u0074imeout\":\"1s\"," RETRY
      "}],"
      "\"healthCheckConfig\":{\"serviceName\":\"retryPolicy\",\"timeout\":1}}");
  assert_int_equal(config->throttling.max, 10000);
  assert_int_equal(config->throttling.ratio, 123);
  assert_null(strstr(config->rest, "\"retryPolicy\":"));
  assert_null(strstr(config->rest, "\"retryThrottling\":"));
  assert_null(strstr(config->rest, "imeout\":\""));
  assert_non_null(strstr(config->rest, "\"waitForReady\":true"));
  assert_non_null(strstr(config->rest, "\"loadBalancingPolicy\":\"round_robin\""));
  assert_non_null(strstr(config->rest, "\"serviceName\":\"retryPolicy\""));
  assert_non_null(strstr(config->rest, "\"timeout\":1"));
  mw_service_config_free(config);
}

static void errors_have_the_path(void **state) {
#define METHOD(policy) "{\"methodConfig\":[{},{\"name\":[{}]," policy "}]}"
#define RETRY_WITH(fields) METHOD("\"retryPolicy\":{" fields "}")
#define WHERE "service config: methodConfig[1].retryPolicy"
  static const struct {
    const char *json, *error;
  } cases[] = {
      {"[]", "service config: expected an object, got an array"},
      {"{\"methodConfig\":1}", "service config: methodConfig: expected a list of method configs, got 1"},
      {"{\"methodConfig\":[{\"name\":{}}]}",
       "service config: methodConfig[0].name: expected a list of names, got an object"},
      {"{\"methodConfig\":[{\"name\":[[]]}]}",
       "service config: methodConfig[0].name[0]: expected an object, got an array"},
      {"{\"methodConfig\":[{\"name\":[{\"service\":1}]}]}",
       "service config: methodConfig[0].name[0].service: expected a string, got 1"},
      {METHOD("\"timeout\":1"), "service config: methodConfig[1].timeout: expected a duration such as \"1.5s\", got 1"},
      {METHOD("\"timeout\":\"-1s\""),
       "service config: methodConfig[1].timeout: expected a duration such as \"1.5s\", got \"-1s\""},
      {METHOD(RETRY "," HEDGE),
       "service config: methodConfig[1].hedgingPolicy: expected either retryPolicy or hedgingPolicy, got both"},
      {METHOD(HEDGE "," RETRY),
       "service config: methodConfig[1].retryPolicy: expected either retryPolicy or hedgingPolicy, got both"},
      {METHOD("\"retryPolicy\":1"), WHERE ": expected an object, got 1"},
      {RETRY_WITH(""), WHERE ": maxAttempts is missing"},
      {RETRY_WITH("\"maxAttempts\":1"), WHERE ".maxAttempts: expected an integer of 2 or more, got 1"},
      {RETRY_WITH("\"maxAttempts\":-99999999999"),
       WHERE ".maxAttempts: expected an integer of 2 or more, got -99999999999"},
      {RETRY_WITH("\"maxAttempts\":\"3\""), WHERE ".maxAttempts: expected an integer of 2 or more, got \"3\""},
      {RETRY_WITH("\"maxAttempts\":2.5"), WHERE ".maxAttempts: expected an integer of 2 or more, got 2.5"},
      {"{\"methodConfig\":[{\"name\":[{\"method\":\"Get\"}]}]}",
       "service config: methodConfig[0].name[0]: expected a service beside the method \"Get\""},
      {"{\"methodConfig\":[{\"name\":[{\"service\":\"a.B\"}]},{\"name\":[{},{\"service\":\"a.B\",\"method\":\"\"}]}]}",
       "service config: methodConfig[1].name[1]: expected each name once, got this one again"},
      {"{\"methodconfig\":[]}",
       "service config: methodconfig: unknown member (expected methodConfig, retryThrottling, loadBalancingConfig, "
       "loadBalancingPolicy, healthCheckConfig)"},
      {METHOD("\"retrypolicy\":{}"),
       "service config: methodConfig[1].retrypolicy: unknown member (expected name, timeout, retryPolicy, "
       "hedgingPolicy, waitForReady, maxRequestMessageBytes, maxResponseMessageBytes)"},
      {"{\"methodConfig\":[{\"name\":[{\"svc\":1}]}]}",
       "service config: methodConfig[0].name[0].svc: unknown member (expected service, method)"},
      {RETRY_WITH("\"perAttemptRecvTimeout\":\"1s\""),
       WHERE ".perAttemptRecvTimeout: unknown member (expected maxAttempts, initialBackoff, maxBackoff, "
             "backoffMultiplier, retryableStatusCodes)"},
      {METHOD("\"hedgingPolicy\":{\"nonFatal\":[]}"),
       "service config: methodConfig[1].hedgingPolicy.nonFatal: unknown member (expected maxAttempts, hedgingDelay, "
       "nonFatalStatusCodes)"},
      {"{\"retryThrottling\":{\"tokens\":1}}",
       "service config: retryThrottling.tokens: unknown member (expected maxTokens, tokenRatio)"},
      {RETRY_WITH("\"maxAttempts\":99999999999"), WHERE ": initialBackoff is missing"},
      {RETRY_WITH("\"initialBackoff\":\"0s\""),
       WHERE ".initialBackoff: expected a duration above 0 such as \"0.1s\", got \"0s\""},
      {RETRY_WITH("\"maxBackoff\":\"1\""),
       WHERE ".maxBackoff: expected a duration above 0 such as \"0.1s\", got \"1\""},
      {RETRY_WITH("\"maxAttempts\":2,\"initialBackoff\":\"1s\""), WHERE ": maxBackoff is missing"},
      {RETRY_WITH("\"maxAttempts\":2,\"initialBackoff\":\"1s\",\"maxBackoff\":\"1s\""),
       WHERE ": backoffMultiplier is missing"},
      {RETRY_WITH("\"backoffMultiplier\":0"), WHERE ".backoffMultiplier: expected a number above 0, got 0"},
      {RETRY_WITH("\"retryableStatusCodes\":14"),
       WHERE ".retryableStatusCodes: expected a list of status codes, got 14"},
      {RETRY_WITH("\"retryableStatusCodes\":[14,\"UNAVAILBLE\"]"),
       WHERE ".retryableStatusCodes[1]: expected a status code such as 14 or \"UNAVAILABLE\", got \"UNAVAILBLE\""},
      {RETRY_WITH("\"retryableStatusCodes\":[17]"),
       WHERE ".retryableStatusCodes[0]: expected a status code such as 14 or \"UNAVAILABLE\", got 17"},
      {RETRY_WITH("\"maxAttempts\":2,\"initialBackoff\":\"1s\",\"maxBackoff\":\"1s\",\"backoffMultiplier\":1,"
                  "\"retryableStatusCodes\":[]"),
       WHERE ": retryableStatusCodes: expected one code or more"},
      {METHOD("\"hedgingPolicy\":{}"), "service config: methodConfig[1].hedgingPolicy: maxAttempts is missing"},
      {METHOD("\"hedgingPolicy\":{\"hedgingDelay\":0}"),
       "service config: methodConfig[1].hedgingPolicy.hedgingDelay: expected a duration such as \"0.5s\", got 0"},
      {"{\"retryThrottling\":{}}", "service config: retryThrottling: maxTokens is missing"},
      {"{\"retryThrottling\":{\"maxTokens\":1001}}",
       "service config: retryThrottling.maxTokens: expected an integer from 1 to 1000, got 1001"},
      {"{\"retryThrottling\":{\"maxTokens\":1}}", "service config: retryThrottling: tokenRatio is missing"},
      {"{\"retryThrottling\":{\"tokenRatio\":0.0001}}",
       "service config: retryThrottling.tokenRatio: expected a number of 0.001 or more, got 0.0001"},
      {"{} x", "service config: not JSON: 1:4: "},
      {"{\"loadBalancingConfig\":[1,]}", "service config: not JSON: 1:27: "},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    struct mw_service_config *config = NULL;
    struct mw_err err = MW_ERR_INIT;
    assert_int_equal(mw_service_config_new(cases[i].json, &config, &err), MW_EINVAL);
    size_t len = strlen(cases[i].error);
    bool whole = cases[i].error[len - 1] != ' ';
    if (strncmp(mw_err_text(&err), cases[i].error, len + whole) != 0) {
      fail_msg("got \"%s\", expected \"%s\"", mw_err_text(&err), cases[i].error);
    }
    mw_err_fini(&err);
  }
}

/* A comparison of each with every other would take seconds. */
static void many_names_are_found(void **state) {
  enum { N = 20000 };
  char *json = malloc(N * 64), *end = json + sprintf(json, "{\"methodConfig\":[{\"name\":[{}");
  for (int i = 0; i < N; i++) end += sprintf(end, ",{\"service\":\"package.Service\",\"method\":\"M%d\"}", i);
  strcpy(end, "]}]}");
  struct mw_service_config *config = NULL;
  int64_t since = mw_clock_read(CLOCK_THREAD_CPUTIME_ID);
  assert_int_equal(mw_service_config_new(json, &config, NULL), 0);
  assert_true(mw_clock_read(CLOCK_THREAD_CPUTIME_ID) - since < MW_NS_PER_S / 2);
  assert_non_null(mw_service_config_find(config, mw_slice_str("/package.Service/M19999")));
  assert_non_null(mw_service_config_find(config, mw_slice_str("/package.Other/M")));
  mw_service_config_free(config);
  free(json);
}

static int parse_once(void *arg) {
  struct mw_service_config *config = NULL;
  int rc = mw_service_config_new(
      "{\"methodConfig\":[{\"name\":[{\"service\":\"a.B\",\"method\":\"C\"},{}]," RETRY "}]}", &config, NULL);
  mw_service_config_free(config);
  return rc;
}

static void survives_without_memory(void **state) { failmalloc_sweep(parse_once, NULL); }

static void backoff_grows_to_its_limit(void **state) {
  struct mw_retry_policy policy = {.initial_backoff = 1000, .max_backoff = 5000, .multiplier = 2};
  assert_int_equal(mw_retry_backoff(&policy, 1, 0.5), 1000);
  assert_int_equal(mw_retry_backoff(&policy, 2, 0.5), 2000);
  assert_int_equal(mw_retry_backoff(&policy, 3, 0.5), 4000);
  assert_int_equal(mw_retry_backoff(&policy, 4, 0.5), 5000);
  assert_int_equal(mw_retry_backoff(&policy, 1, 0), 800);
  assert_int_equal(mw_retry_backoff(&policy, 4, 1), 6000);
  policy.max_backoff = policy.initial_backoff = MW_NEVER;
  assert_true(mw_retry_backoff(&policy, 1, 1) == MW_NEVER);
  for (int i = 0; i < 100; i++) {
    double random = mw_retry_random();
    assert_true(random >= 0 && random <= 1);
  }
}

static void pushback_is_an_integer_or_a_no(void **state) {
  static const struct {
    const char *text;
    int64_t ms;
  } cases[] = {{"0", 0},
               {"5", 5},
               {"2147483647", INT32_MAX},
               {"2147483648", -1},
               {"99999999999999999999", -1},
               {"-1", -1},
               {"01", -1},
               {"", -1},
               {"+1", -1},
               {"1.5", -1},
               {"1s", -1}};
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    assert_int_equal(mw_retry_pushback(mw_slice_str(cases[i].text)), cases[i].ms);
  }
}

static void a_throttle_is_a_target_s(void **state) {
  struct mw_throttle_config numbers = {.max = 4000, .ratio = 500};
  struct mw_throttle *throttle = mw_throttle_ref("a:1", numbers), *same = mw_throttle_ref("a:1", numbers);
  struct mw_throttle *other = mw_throttle_ref("b:1", numbers);
  assert_ptr_equal(throttle, same);
  assert_ptr_not_equal(throttle, other);
  mw_throttle_failed(throttle);
  assert_true(mw_throttle_allows(throttle)); /* 3 of 4 */
  mw_throttle_failed(same);
  assert_false(mw_throttle_allows(throttle)); /* 2 of 4 */
  assert_true(mw_throttle_allows(other));
  mw_throttle_succeeded(throttle);
  assert_true(mw_throttle_allows(throttle)); /* 2.5 of 4 */
  for (int i = 0; i < 100; i++) mw_throttle_failed(throttle);
  for (int i = 0; i < 5; i++) mw_throttle_succeeded(throttle);
  assert_true(mw_throttle_allows(throttle)); /* never below 0 */
  for (int i = 0; i < 100; i++) mw_throttle_succeeded(throttle);
  mw_throttle_failed(throttle);
  mw_throttle_failed(throttle);
  assert_false(mw_throttle_allows(throttle)); /* never above 4 */
  struct mw_throttle *changed = mw_throttle_ref("a:1", (struct mw_throttle_config){.max = 4000, .ratio = 1000});
  assert_ptr_not_equal(changed, throttle);
  assert_true(mw_throttle_allows(changed));
  assert_true(mw_throttle_allows(NULL));
  mw_throttle_failed(NULL);
  mw_throttle_succeeded(NULL);
  mw_throttle_unref(throttle);
  mw_throttle_unref(same);
  mw_throttle_unref(other);
  mw_throttle_unref(changed);
  mw_throttle_unref(NULL);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(policies_are_found_by_the_nearest_name),
      cmocka_unit_test(an_engine_sees_the_rest),
      cmocka_unit_test(many_names_are_found),
      cmocka_unit_test(errors_have_the_path),
      cmocka_unit_test(survives_without_memory),
      cmocka_unit_test(backoff_grows_to_its_limit),
      cmocka_unit_test(pushback_is_an_integer_or_a_no),
      cmocka_unit_test(a_throttle_is_a_target_s),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
