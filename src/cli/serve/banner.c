#include "cli/serve/banner.h"

#include <errno.h>
#include <string.h>

static const char *type_of(const struct mw_method_type *method) {
  if (method->client_streaming) return method->server_streaming ? "bidirectional" : "client streaming";
  return method->server_streaming ? "server streaming" : "unary";
}

static bool handles_any(const struct mw_server *server, const struct mw_service_type *service) {
  for (size_t i = 0; i < service->n_methods; i++) {
    if (mw_server_handles(server, &service->methods[i])) return true;
  }
  return false;
}

static void write_service(struct mw_buf *out, const struct mw_server *server, const struct mw_service_type *service) {
  mw_buf_printf(out, "  %-44s proto/%s\n", service->full_name, service->file);
  for (size_t i = 0; i < service->n_methods; i++) {
    const struct mw_method_type *method = &service->methods[i];
    bool handled = mw_server_handles(server, method);
    mw_buf_printf(out, "    %-42s %s%s\n", method->name, type_of(method), handled ? "" : ", no handler");
  }
}

/* Finds a unary method with a handler, the one whose request has the fewest fields. */
static const struct mw_method_type *find_example(const struct mw_server *server) {
  const struct mw_pool *pool = mw_server_generation(server)->pool;
  const struct mw_method_type *best = NULL;
  for (size_t i = 0; i < mw_pool_service_count(pool); i++) {
    const struct mw_service_type *service = mw_pool_service_at(pool, i);
    for (size_t j = 0; j < service->n_methods; j++) {
      const struct mw_method_type *method = &service->methods[j];
      if (method->client_streaming || method->server_streaming || !mw_server_handles(server, method)) continue;
      if (!best || method->input->n_fields < best->input->n_fields) best = method;
    }
  }
  return best;
}

/* Writes the request of the example, with its first string field if it has one. */
static void write_request(struct mw_buf *out, const struct mw_message_type *type) {
  for (size_t i = 0; i < type->n_fields; i++) {
    const struct mw_field *field = &type->fields[i];
    if (field->kind != MW_KIND_STRING || field->repeated) continue;
    mw_buf_printf(out, " '{\"%s\": \"moon\"}'", field->json_name);
    return;
  }
}

static void write_builtin(struct mw_buf *out, const struct mw_settings *settings) {
  const char *health = settings->health ? "grpc.health.v1.Health" : "";
  const char *reflection = settings->reflection ? "grpc.reflection.v1 and v1alpha.ServerReflection" : "";
  const char *separator = *health && *reflection ? ", " : "";
  mw_buf_printf(out, "  built in: %s%s%s\n\n", health, separator, *health || *reflection ? reflection : "none");
}

void mw_banner_write(struct mw_buf *out, const struct mw_server *server, const char *dir) {
  const struct mw_generation *generation = mw_server_generation(server);
  const struct mw_settings *settings = &generation->settings;
  mw_buf_printf(out, "Moonwire %s: engine %s, %u worker%s, generation %llu, %zu script%s\n\n", MW_VERSION,
                settings->engine, settings->workers, settings->workers == 1 ? "" : "s",
                (unsigned long long)generation->number, generation->n_files, generation->n_files == 1 ? "" : "s");
  for (size_t i = 0; i < mw_pool_service_count(generation->pool); i++) {
    const struct mw_service_type *service = mw_pool_service_at(generation->pool, i);
    if (handles_any(server, service)) write_service(out, server, service);
  }
  write_builtin(out, settings);
  for (size_t i = 0; i < generation->n_files; i++) mw_buf_printf(out, "  %s\n", generation->files[i].path);
  const struct mw_method_type *example = find_example(server);
  if (example && mw_server_address(server, 0)) {
    mw_buf_printf(out, "\ntry:\n  %s call %s %s/%s", program_invocation_name, mw_server_address(server, 0),
                  example->service->full_name, example->name);
    write_request(out, example->input);
    if (strcmp(dir, ".") != 0) mw_buf_printf(out, " --proto %s", settings->protos[0]);
    mw_buf_printf(out, "\n\n");
  }
}
