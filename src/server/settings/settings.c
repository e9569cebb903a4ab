#include "server/settings/settings.h"

#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bind/files/fs_walk.h"

enum { MIB = 1024 * 1024, MAX_WORKERS = 256 };

static unsigned usable_cores(void) {
  cpu_set_t set;
  if (sched_getaffinity(0, sizeof set, &set) != 0) return 1;
  int n = CPU_COUNT(&set);
  return n < 1 ? 1 : n > MAX_WORKERS ? MAX_WORKERS : (unsigned)n;
}

int mw_settings_set(char **field, const char *value) {
  char *copy = strdup(value);
  if (!copy) return MW_ENOMEM;
  free(*field);
  *field = copy;
  return 0;
}

void mw_settings_clear_listeners(struct mw_settings *settings) {
  for (size_t i = 0; i < settings->n_listen; i++) {
    free(settings->listen[i]);
    settings->listen[i] = NULL;
  }
  settings->n_listen = 0;
  settings->default_listen = settings->file_listen = false;
}

int mw_settings_add_listener(struct mw_settings *settings, const char *address) {
  if (settings->n_listen == MW_SETTINGS_LISTENERS) return MW_ELIMIT;
  int rc = mw_settings_set(&settings->listen[settings->n_listen], address);
  if (rc == 0) settings->n_listen++;
  return rc;
}

void mw_settings_clear_folders(struct mw_settings *settings) {
  for (size_t i = 0; i < settings->n_folders; i++) {
    free(settings->folders[i]);
    settings->folders[i] = NULL;
  }
  settings->n_folders = 0;
}

int mw_settings_add_folder(struct mw_settings *settings, const char *path) {
  if (path[0] != '/' || mw_fs_has_parent_part(path)) return MW_EINVAL;
  if (settings->n_folders == MW_SETTINGS_FOLDERS) return MW_ELIMIT;
  char *copy = strdup(path);
  if (!copy) return MW_ENOMEM;
  settings->folders[settings->n_folders++] = copy;
  mw_fs_normalise(copy);
  return 0;
}

void mw_settings_clear_protos(struct mw_settings *settings) {
  for (size_t i = 0; i < settings->n_protos; i++) {
    free(settings->protos[i]);
    settings->protos[i] = NULL;
  }
  settings->n_protos = 0;
}

int mw_settings_add_protos(struct mw_settings *settings, const char *path) {
  if (settings->n_protos == MW_SETTINGS_FOLDERS) return MW_ELIMIT;
  int rc = mw_settings_set(&settings->protos[settings->n_protos], path);
  if (rc == 0) settings->n_protos++;
  return rc;
}

int mw_settings_init(struct mw_settings *settings, const char *dir) {
  *settings = (struct mw_settings){.workers = usable_cores(),
                                   .log_level = MW_LOG_INFO,
                                   .grace = 10,
                                   .message_bytes = 4 * MIB,
                                   .metadata_bytes = 16 * 1024,
                                   .unpack_bytes = 64 * MIB,
                                   .unsent_messages = 32,
                                   .slice_ms = 100,
                                   .weak_keys = 4096,
                                   .protoc_seconds = 60,
                                   .specs_seconds = 60,
                                   .test_seconds = 60,
                                   .snapshot_seconds = 300,
                                   .health = true,
                                   .reflection = true,
                                   .keepalive = {.time = 2 * 60 * 60, .timeout = 20, .min_time = 5 * 60},
                                   .memory_bytes = 256 * MIB};
  int rc = mw_settings_set(&settings->engine, "http");
  if (rc == 0) rc = mw_settings_add_listener(settings, "127.0.0.1:50051");
  settings->default_listen = true;
  char *protos = NULL;
  if (rc == 0 && asprintf(&protos, "%s/proto", dir) < 0) {
    protos = NULL;
    rc = MW_ENOMEM;
  }
  if (rc == 0) rc = mw_settings_add_protos(settings, strcmp(dir, ".") == 0 ? "proto" : protos);
  free(protos);
  if (rc == 0 && asprintf(&settings->data, "%s/data", dir) < 0) {
    settings->data = NULL;
    rc = MW_ENOMEM;
  }
  if (rc != 0) mw_settings_fini(settings);
  return rc;
}

void mw_settings_fini(struct mw_settings *settings) {
  mw_settings_clear_listeners(settings);
  mw_settings_clear_folders(settings);
  mw_settings_clear_protos(settings);
  free(settings->file);
  mw_buf_fini(&settings->text);
  free(settings->engine);
  free(settings->data);
  free(settings->tls_cert);
  free(settings->tls_key);
  free(settings->tls_client_ca);
  *settings = (struct mw_settings){0};
}

/* Adjusts relative paths of a copied project folder, so that they lead to the same folders as in the original. */
static int follow_copy(struct mw_settings *settings, const char *original) {
  int rc = mw_settings_set(&settings->protos[0], "proto");
  settings->file_protos = false; /* an empty folder has no copy */
  for (size_t i = 1; i < settings->n_protos && rc == 0; i++) {
    char *path;
    if (settings->protos[i][0] == '/') continue;
    if (asprintf(&path, "%s/%s", original, settings->protos[i]) < 0) return MW_ENOMEM;
    free(settings->protos[i]);
    settings->protos[i] = path;
  }
  return rc;
}

/* Copies the folders of .proto files of `wrong`, and the text in which mw_settings_prefix_finding() finds them. */
static int take_protos(struct mw_settings *settings, const struct mw_settings *wrong) {
  int rc = wrong->file ? mw_settings_set(&settings->file, wrong->file) : 0;
  if (rc == 0) rc = mw_buf_append(&settings->text, wrong->text.data, wrong->text.len);
  settings->file_protos = wrong->file_protos;
  mw_settings_clear_protos(settings);
  for (size_t i = 0; i < wrong->n_protos && rc == 0; i++) rc = mw_settings_add_protos(settings, wrong->protos[i]);
  return rc;
}

int mw_settings_override(struct mw_settings *settings, const struct mw_overrides *overrides) {
  int rc = 0;
  if (overrides->engine) rc = mw_settings_set(&settings->engine, overrides->engine);
  if (rc == 0 && overrides->data) rc = mw_settings_set(&settings->data, overrides->data);
  if (overrides->data) settings->file_data = false;
  if (overrides->n_listen > 0) mw_settings_clear_listeners(settings);
  for (size_t i = 0; i < overrides->n_listen && rc == 0; i++) {
    rc = mw_settings_add_listener(settings, overrides->listen[i]);
  }
  settings->n_inherited = overrides->n_inherited;
  if (settings->n_inherited > 0 && settings->default_listen) mw_settings_clear_listeners(settings);
  if (rc == 0 && overrides->log_level) {
    int level = mw_log_level_from_name(overrides->log_level);
    if (level < 0) return MW_EINVAL;
    settings->log_level = (enum mw_log_level)level;
  }
  if (overrides->workers > 0) settings->workers = overrides->workers;
  if (overrides->dev) settings->dev = true;
  if (overrides->no_grace) settings->grace = 0;
  if (rc == 0 && overrides->wrong) rc = take_protos(settings, overrides->wrong);
  if (rc == 0 && overrides->copied_from) rc = follow_copy(settings, overrides->copied_from);
  return rc;
}
