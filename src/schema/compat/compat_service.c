/* The rules for services: a method stays, and keeps its signature. */
#include "schema/compat/compat_rules.h"

/* Returns the index of the method's descriptor; n_method if there is none. */
static size_t find_method(const Google__Protobuf__ServiceDescriptorProto *service, const char *name) {
  size_t i = 0;
  while (i < service->n_method && strcmp(service->method[i]->name, name) != 0) i++;
  return i;
}

/* Returns a type's name without the leading dot, which descriptors may omit. */
static const char *type_name(const char *reference) { return *reference == '.' ? reference + 1 : reference; }

static void check_type(const struct mw_compat_pair *pair, const struct mw_source_path *path, const char *rule,
                       const char *method, const char *old, const char *new) {
  old = type_name(old);
  new = type_name(new);
  if (strcmp(old, new) == 0) return;
  mw_compat_report(pair->compat, mw_compat_place(pair->new, path), rule, "%s.%s: was %s, is %s", pair->new->full_name,
                   method, old, new);
}

static void check_streaming(const struct mw_compat_pair *pair, const struct mw_source_path *path, const char *rule,
                            const char *method, bool old, bool new) {
  if (old == new) return;
  static const char *const words[] = {"one message", "a stream"};
  mw_compat_report(pair->compat, mw_compat_place(pair->new, path), rule, "%s.%s: was %s, is %s", pair->new->full_name,
                   method, words[old], words[new]);
}

void mw_compat_service(const struct mw_compat_pair *pair) {
  for (size_t i = 0; i < pair->old->service->n_method; i++) {
    const Google__Protobuf__MethodDescriptorProto *old = pair->old->service->method[i];
    size_t k = find_method(pair->new->service, old->name);
    if (k == pair->new->service->n_method) {
      mw_compat_report(pair->compat, mw_compat_place(pair->new, &pair->new->path), "RPC_NO_DELETE",
                       "%s.%s: the method was deleted", pair->new->full_name, old->name);
      continue;
    }
    const Google__Protobuf__MethodDescriptorProto *new = pair->new->service->method[k];
    struct mw_source_path path = mw_source_path_join(&pair->new->path, MW_SERVICE_METHOD, k);
    check_type(pair, &path, "RPC_SAME_REQUEST_TYPE", old->name, old->input_type, new->input_type);
    check_type(pair, &path, "RPC_SAME_RESPONSE_TYPE", old->name, old->output_type, new->output_type);
    check_streaming(pair, &path, "RPC_SAME_CLIENT_STREAMING", old->name, old->client_streaming, new->client_streaming);
    check_streaming(pair, &path, "RPC_SAME_SERVER_STREAMING", old->name, old->server_streaming, new->server_streaming);
  }
}
