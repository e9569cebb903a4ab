#include "engine/http/ending.h"

#include <stdio.h>

#include "engine/http/engine.h"

enum { QUIET_MS = 1000 };

static const struct {
  const char *reason, *text;
} endings[MW_HTTP_ENDINGS] = {
    [MW_HTTP_END_PROTOCOL] = {"protocol", "connection ended: the client does not keep to HTTP/2"},
    [MW_HTTP_END_TLS] = {"tls", "connection ended: no TLS session came about"},
    [MW_HTTP_END_HANDSHAKE] = {"handshake", "connection ended: the client did not begin to speak HTTP/2 in time"},
    [MW_HTTP_END_HEADERS] = {"slow_headers", "connection ended: the headers of a request did not come in time"},
    [MW_HTTP_END_BLOCK] = {"long_headers", "connection ended: the headers of a request did not come to an end"},
    [MW_HTTP_END_FRAME] = {"slow_frame", "connection ended: the rest of a frame did not come in time"},
    [MW_HTTP_END_RESETS] = {"stream_resets", "connection ended: the client resets too many streams"},
    [MW_HTTP_END_CONTROL] = {"control_frames", "connection ended: the client sends too many frames that lead nowhere"},
    [MW_HTTP_END_ACKS] = {"unread_acks", "connection ended: the client does not read the answers to its frames"},
    [MW_HTTP_END_STUCK] = {"stuck", "connection ended: the client takes nothing of what it is sent"},
    [MW_HTTP_END_PINGS] = {"pings", "connection ended: the client sends PINGs too often"},
    [MW_HTTP_END_SILENT] = {"keepalive", "connection ended: the client does not answer a PING"},
    [MW_HTTP_END_REFUSED] = {"connections", "connection refused: there are too many"},
    [MW_HTTP_END_MESSAGE] = {NULL, "call ended: a message did not come in time"},
    [MW_HTTP_END_UNTAKEN] = {NULL, "call ended: the client does not take the rest of the answer"},
    [MW_HTTP_END_MEMORY] = {"memory", "connection refused: out of memory"},
};

static void count(struct mw_metrics *metrics, const char *reason) {
  static const char *const labels[] = {"reason"};
  struct mw_metric_family *family;
  struct mw_metric *series;
  if (metrics && reason &&
      mw_metrics_family(metrics, MW_METRIC_COUNTER, "moonwire_connections_ended_total",
                        "Connections that were ended or refused for what the client did.", labels, 1, NULL, 0, &family,
                        NULL) == 0 &&
      mw_metric_series(family, &reason, &series, NULL) == 0) {
    mw_metric_add(series, 1);
  }
}

void mw_http_ending(struct mw_http_engine *engine, enum mw_http_ending ending, const char *peer, const char *detail) {
  uint64_t now = uv_now(&engine->loop->uv), *at = &engine->endings.of[ending].at;
  uint64_t n = ++engine->endings.of[ending].count;
  count(engine->dispatch->metrics, endings[ending].reason);
  if (n > 1 && now - *at < QUIET_MS) return;
  *at = now;
  char total[24];
  snprintf(total, sizeof total, "%llu", (unsigned long long)n);
  const struct mw_log_field fields[] = {
      {"peer", peer}, {"reason", endings[ending].reason}, {"detail", detail}, {"count", total}, {0}};
  mw_log(MW_LOG_WARN, fields, "%s", endings[ending].text);
}
