#include "engine/http/limits/reasons.h"

static const struct {
  const char *reason, *text;
} texts[MW_HTTP_REASONS] = {
    [MW_HTTP_REASON_PROTOCOL] = {"protocol", "connection ended: HTTP/2 protocol error"},
    [MW_HTTP_REASON_HTTP1] = {"http1", "connection ended: the client speaks HTTP/1, this port speaks gRPC over HTTP/2"},
    [MW_HTTP_REASON_TLS] = {"tls", "connection ended: the TLS handshake failed"},
    [MW_HTTP_REASON_HANDSHAKE] = {"handshake", MW_DISCONNECT_HANDSHAKE},
    [MW_HTTP_REASON_HEADERS] = {"slow_headers", "connection ended: the headers of a request did not come in time"},
    [MW_HTTP_REASON_LONG_HEADERS] = {"long_headers", "connection ended: the header block of a request is too long"},
    [MW_HTTP_REASON_FRAME] = {"slow_frame", "connection ended: the rest of a frame did not come in time"},
    [MW_HTTP_REASON_RESETS] = {"stream_resets", "connection ended: the client resets too many streams"},
    [MW_HTTP_REASON_CONTROL_FRAMES] = {"control_frames", "connection ended: the client sends too many control frames"},
    [MW_HTTP_REASON_UNREAD_ACKS] = {"unread_acks",
                                    "connection ended: the client does not read the answers to its frames"},
    [MW_HTTP_REASON_WRITE] = {"stuck", "connection ended: the client reads nothing"},
    [MW_HTTP_REASON_PINGS] = {"pings", "connection ended: the client sends PINGs too often"},
    [MW_HTTP_REASON_KEEPALIVE] = {"keepalive", "connection ended: the client does not answer a PING"},
    [MW_HTTP_REASON_CONNECTIONS] = {"connections", MW_DISCONNECT_REFUSED},
    [MW_HTTP_REASON_MESSAGE] = {NULL, "call ended: a message did not come in time"},
    [MW_HTTP_REASON_RESPONSE] = {NULL, "call ended: the client does not read the rest of the response"},
    [MW_HTTP_REASON_NOT_GRPC] = {NULL, "call refused: not a gRPC request"},
    [MW_HTTP_REASON_BACKLOG] = {NULL, MW_DISCONNECT_WAITING},
    [MW_HTTP_REASON_MEMORY] = {"memory", MW_DISCONNECT_MEMORY},
};

void mw_http_reason_report(struct mw_http_reasons *reasons, struct mw_metrics *metrics, enum mw_http_reason reason,
                           const char *peer, const char *detail) {
  mw_disconnect_report(&reasons->of[reason], metrics, texts[reason].reason, texts[reason].text, peer, detail);
}
