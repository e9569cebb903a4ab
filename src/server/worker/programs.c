#include "server/worker/programs.h"

#include <ctype.h>
#include <stdlib.h>

#include "base/clock.h"
#include "bind/call/handler.h"
#include "bind/call/service.h"
#include "bind/job.h"
#include "bind/open.h"
#include "script/program/names.h"
#include "script/state/collect.h"

enum { SWEEP_NS = 20 * MW_NS_PER_MS, SHOWN_METHODS = 8 };

/* ---- methods without a handler ---- */

/* Logs the methods of `service` without a handler in one line. */
static void log_unhandled(const struct mw_router *router, const struct mw_service_type *service) {
  struct mw_buf names = MW_BUF_INIT;
  size_t n = 0;
  for (size_t i = 0; i < service->n_methods; i++) {
    const struct mw_method_type *method = &service->methods[i];
    if (mw_router_find(router, mw_slice_str(method->path))) continue;
    if (n++ < SHOWN_METHODS) mw_buf_printf(&names, "%s%s", n > 1 ? ", " : "", method->name);
  }
  if (n > SHOWN_METHODS) mw_buf_printf(&names, " and %zu more", n - SHOWN_METHODS);
  struct mw_log_field fields[] = {{"service", service->full_name}, {"methods", mw_buf_str(&names)}, {NULL, NULL}};
  if (n > 0) mw_log(MW_LOG_WARN, fields, "no handler: calls are answered with UNIMPLEMENTED");
  mw_buf_fini(&names);
}

/* Checks the services that scripts or the built-in services handle. The schema may hold others, for outbound calls. */
static void log_all_unhandled(const struct mw_program *program) {
  for (size_t i = 0; i < mw_pool_service_count(program->pool); i++) {
    const struct mw_service_type *service = mw_pool_service_at(program->pool, i);
    if (mw_router_service(&program->router, mw_slice_str(service->full_name))) log_unhandled(&program->router, service);
  }
}

/* Returns the place of a script's handler for a method of `service`; NULL without one. */
static const char *find_handler(const struct mw_router *router, const struct mw_service_type *service) {
  for (size_t i = 0; i < service->n_methods; i++) {
    const struct mw_route *route = mw_router_find(router, mw_slice_str(service->methods[i].path));
    if (route && route->handler == &mw_bind_handler) return ((const struct mw_bind_target *)route->arg)->place;
  }
  return NULL;
}

/* Logs each service that scripts of `before` handle and scripts of `after` do not register: a script was deleted, or no
 * longer calls mw.service. */
static void log_removed(const struct mw_program *before, const struct mw_program *after) {
  for (size_t i = 0; i < mw_pool_service_count(before->pool); i++) {
    const struct mw_service_type *service = mw_pool_service_at(before->pool, i);
    const char *place = find_handler(&before->router, service);
    if (!place || mw_router_service(&after->router, mw_slice_str(service->full_name))) continue;
    struct mw_log_field fields[] = {{"service", service->full_name}, {"script", place}, {NULL, NULL}};
    mw_log(MW_LOG_WARN, fields, "no script handles the service any more: new calls are answered with UNIMPLEMENTED");
  }
}

/* Logs scripts that contain only white space: files that were created and not filled, or that are being saved. */
static void log_empty(const struct mw_program *program) {
  for (size_t i = 0; i < program->n_files; i++) {
    const struct mw_script_file *file = &program->files[i];
    size_t at = 0;
    while (at < file->bytes.len && isspace(file->bytes.data[at])) at++;
    struct mw_log_field fields[] = {{"at", file->path}, {NULL, NULL}};
    if (at == file->bytes.len) mw_log(MW_LOG_WARN, fields, "the script is empty: it registers nothing");
  }
}

/* Logs likely mistakes that are no reason to refuse the program. */
static void log_findings(struct mw_program *program) {
  struct mw_err err = MW_ERR_INIT;
  log_all_unhandled(program);
  log_empty(program);
  if (mw_names_check(program, &err) != 0) mw_log(MW_LOG_WARN, NULL, "names are not checked: %s", mw_err_text(&err));
  mw_err_fini(&err);
}

static bool is_on(const struct mw_settings *settings, const struct mw_route *builtin) {
  return builtin->handler == &mw_reflection_handler ? settings->reflection : settings->health;
}

/* Adds the routes of the built-in services. A script's handlers may replace them. Omits methods that the folder's own
 * copy of a service lacks. */
static int route_builtin(struct mw_programs *programs, const struct mw_settings *settings, struct mw_program *program,
                         struct mw_err *err) {
  const struct mw_route *builtin;
  size_t cursor = 0;
  int rc = 0;
  while (rc == 0 && (builtin = mw_map_next(&programs->builtin.routes, &cursor, NULL)) != NULL) {
    const struct mw_method_type *method = mw_pool_method(program->pool, mw_slice_str(builtin->method->path));
    if (method && is_on(settings, builtin)) rc = mw_router_alias(&program->router, method, builtin);
  }
  return rc == 0 ? 0 : mw_err_set(err, rc, "out of memory for the built-in services");
}

/* ---- settings ---- */

static struct mw_limits limits_of(const struct mw_settings *settings) {
  return (struct mw_limits){.slice = (int64_t)(settings->slice_ms * MW_NS_PER_MS),
                            .memory = settings->memory_bytes,
                            .weak_keys = settings->weak_keys,
                            .warn_each = settings->dev};
}

/* With a candidate, the memory limit is the larger of both programs', and the limit of weak-keyed slots their sum. */
static void set_limits(const struct mw_programs *programs) {
  if (!programs->current) return;
  struct mw_limits limits = limits_of(&programs->current->generation->settings);
  if (programs->candidate) {
    const struct mw_settings *next = &programs->candidate->generation->settings;
    if (next->memory_bytes == 0 || next->memory_bytes > limits.memory)
      limits.memory = limits.memory > 0 ? next->memory_bytes : 0;
    limits.weak_keys = limits.weak_keys > 0 && next->weak_keys > 0 ? limits.weak_keys + next->weak_keys : 0;
  }
  mw_budget_limit(programs->vm, limits);
}

static void apply(struct mw_programs *programs, const struct mw_settings *settings) {
  set_limits(programs);
  programs->vm->scratch.budget = settings->unpack_bytes;
  programs->dispatch->send_limit = settings->unsent_messages;
  programs->dispatch->show_generation = settings->dev;
  programs->host->dev = settings->dev;
  programs->host->snapshot_age = mw_duration_from_seconds(settings->snapshot_seconds);
}

/* ---- loading ---- */

static void show_live(const struct mw_programs *programs) {
  if (!programs->live_gauge) return;
  size_t n = programs->current ? 1 : 0;
  for (const struct mw_list *node = programs->old.next; node != &programs->old; node = node->next) n++;
  mw_metric_set(programs->live_gauge, (double)n);
}

static void retire(struct mw_loaded_program *loaded) {
  struct mw_vm *vm = loaded->program->vm;
  mw_bind_stop_jobs(loaded->program, MW_JOBS_ALL);
  mw_bind_retire(loaded->program);
  mw_collect_start(vm);
  mw_generation_unref(loaded->generation);
  free(loaded);
}

static int prepare(struct mw_programs *programs, struct mw_generation *generation, struct mw_err *err) {
  struct mw_loaded_program *loaded = calloc(1, sizeof *loaded);
  if (!loaded) return mw_err_set(err, MW_ENOMEM, "out of memory for a program");
  mw_list_init(&loaded->link);
  struct mw_program *program;
  int rc = mw_bind_program_new(&program, programs->vm, programs->host, generation->pool, generation->number, err);
  if (rc != 0) {
    free(loaded);
    return rc;
  }
  loaded->program = program;
  loaded->generation = mw_generation_ref(generation);
  rc = mw_program_load(program, generation->files, generation->n_files, &generation->names, err);
  struct mw_settings *settings = &generation->settings;
  if (rc == 0) rc = route_builtin(programs, settings, program, err);
  if (rc == 0) rc = mw_bind_route(program, err);
  if (rc == 0) {
    if (programs->host->worker == 0) log_findings(program); /* once for all workers */
    programs->candidate = loaded;
  } else {
    retire(loaded);
  }
  return rc;
}

int mw_programs_prepare(struct mw_programs *programs, struct mw_generation *generation, struct mw_err *err) {
  uint64_t running = mw_log_context()->generation;
  mw_log_context()->generation = generation->number; /* for log lines of its scripts while they load */
  mw_budget_limit(programs->vm, limits_of(&generation->settings));
  int rc = prepare(programs, generation, err);
  set_limits(programs);
  mw_log_context()->generation = running;
  return rc;
}

void mw_programs_discard(struct mw_programs *programs) {
  if (!programs->candidate) return;
  retire(programs->candidate);
  programs->candidate = NULL;
  set_limits(programs);
}

/* ---- replacing ---- */

/* Cancels the calls of a program that has reached its age limit. */
static void cancel_calls(struct mw_programs *programs, const struct mw_program *program) {
  struct mw_status status = mw_status(MW_CODE_UNAVAILABLE,
                                      "the call began before a reload, whose age limit it reached");
  struct mw_list left, *node;
  mw_list_init(&left);
  mw_list_splice(&left, &programs->dispatch->calls);
  while ((node = mw_list_shift(&left)) != NULL) { /* handlers may end other calls, which leave their list */
    struct mw_call *call = MW_CONTAINER(node, struct mw_call, link);
    mw_list_push(&programs->dispatch->calls, node);
    if (call->route->router == &program->router && !call->cancelled) mw_call_on_cancel(call, status);
  }
}

/* Stops functions spawned by runs of mw.every after the last run, and functions spawned by calls after the last
 * call. */
static void stop_jobs(struct mw_loaded_program *loaded, bool aged) {
  struct mw_program *program = loaded->program;
  unsigned kinds = aged ? MW_JOBS_OF_RUNS : 0;
  if (loaded->had_runs) kinds |= MW_JOBS_BACKGROUND;
  if (program->router.calls == 0) kinds |= program->n_runs == 0 ? MW_JOBS_ALL : MW_JOBS_OF_CALLS;
  loaded->had_runs = program->n_runs > 0;
  if (kinds) mw_bind_stop_jobs(program, kinds);
}

/* Frees programs without calls and fibers. */
static void sweep(void *arg) {
  struct mw_programs *programs = arg;
  int64_t now = mw_clock_mono();
  int64_t max_age = mw_duration_from_seconds(programs->current->generation->settings.generation_age);
  programs->sweep = NULL;
  struct mw_list *next;
  for (struct mw_list *node = programs->old.next; node != &programs->old; node = next) {
    next = node->next;
    struct mw_loaded_program *loaded = MW_CONTAINER(node, struct mw_loaded_program, link);
    bool aged = max_age > 0 && now - loaded->replaced >= max_age;
    if (aged) cancel_calls(programs, loaded->program);
    stop_jobs(loaded, aged);
    if (loaded->program->router.calls > 0) continue;
    if (loaded->program->n_fibers > 0) continue;
    mw_list_remove(&loaded->link);
    retire(loaded);
  }
  show_live(programs);
  if (!mw_list_empty(&programs->old)) {
    programs->sweep = mw_timer_start_real(programs->vm->loop, SWEEP_NS, sweep, programs);
  }
}

static void replace(struct mw_programs *programs, struct mw_loaded_program *loaded) {
  loaded->replaced = mw_clock_mono();
  loaded->had_runs = loaded->program->n_runs > 0;
  mw_list_push(&programs->old, &loaded->link);
  mw_bind_hand_over_jobs(loaded->program, programs->current->program);
  mw_bind_stop_jobs(loaded->program, MW_JOBS_BACKGROUND);
  if (!programs->sweep) programs->sweep = mw_timer_start_real(programs->vm->loop, 0, sweep, programs);
}

void mw_programs_adopt(struct mw_programs *programs, bool start_jobs) {
  struct mw_loaded_program *loaded = programs->candidate, *before = programs->current;
  if (!loaded) return;
  programs->candidate = NULL;
  programs->current = loaded;
  programs->dispatch->router = &loaded->program->router;
  programs->builtin.generation = loaded->generation->number;
  programs->vm->newest = loaded->program;
  apply(programs, &loaded->generation->settings);
  mw_bind_program_adopted(loaded->program);
  mw_log_context()->generation = loaded->generation->number;
  if (before && programs->host->worker == 0) log_removed(before->program, loaded->program); /* once for all workers */
  mw_health_follow(&programs->health);
  if (before) replace(programs, before);
  show_live(programs);
  if (start_jobs) mw_bind_start_jobs(loaded->program);
}

/* ---- all programs ---- */

int mw_programs_init(struct mw_programs *programs, struct mw_vm *vm, struct mw_host *host, struct mw_dispatch *dispatch,
                     const struct mw_pool *builtin, struct mw_err *err) {
  *programs = (struct mw_programs){.vm = vm, .host = host, .dispatch = dispatch};
  mw_list_init(&programs->old);
  mw_health_init(&programs->health, dispatch, vm->loop, &host->store);
  mw_reflection_init(&programs->reflection, dispatch);
  mw_router_init(&programs->builtin, 0);
  int rc = mw_health_route(&programs->health, &programs->builtin, builtin);
  if (rc == 0) rc = mw_reflection_route(&programs->reflection, &programs->builtin, builtin);
  return rc == 0 ? 0 : mw_err_set(err, rc, "out of memory for the built-in services");
}

void mw_programs_stop_jobs(struct mw_programs *programs) {
  for (struct mw_list *node = programs->old.next; node != &programs->old; node = node->next) {
    mw_bind_stop_jobs(MW_CONTAINER(node, struct mw_loaded_program, link)->program, MW_JOBS_ALL);
  }
  if (programs->current) mw_bind_stop_jobs(programs->current->program, MW_JOBS_ALL);
}

void mw_programs_stop_builtin(struct mw_programs *programs) {
  mw_health_stop(&programs->health);
  mw_reflection_stop(&programs->reflection);
}

void mw_programs_fini(struct mw_programs *programs) {
  mw_timer_stop(programs->sweep);
  mw_health_fini(&programs->health);
  mw_programs_discard(programs);
  struct mw_list *node;
  while ((node = mw_list_shift(&programs->old)) != NULL) retire(MW_CONTAINER(node, struct mw_loaded_program, link));
  if (programs->current) retire(programs->current);
  programs->vm->newest = NULL;
  mw_router_fini(&programs->builtin);
}
