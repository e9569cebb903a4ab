#include "engine/http/limits/reasons.h"

#include "engine/http/conn/engine.h"

static const struct {
  const char *reason, *text;
} endings[MW_HTTP_ENDINGS] = {
    [MW_HTTP_END_PROTOCOL] = {"protocol", "connection ended: HTTP/2 protocol error"},
    [MW_HTTP_END_HTTP1] = {"http1", "connection ended: the client speaks HTTP/1, this port speaks gRPC over HTTP/2"},
    [MW_HTTP_END_TLS] = {"tls", "connection ended: the TLS handshake failed"},
    [MW_HTTP_END_HANDSHAKE] = {"handshake", MW_DISCONNECT_HANDSHAKE},
    [MW_HTTP_END_HEADERS] = {"slow_headers", "connection ended: the headers of a request did not come in time"},
    [MW_HTTP_END_BLOCK] = {"long_headers", "connection ended: the header block of a request is too long"},
    [MW_HTTP_END_FRAME] = {"slow_frame", "connection ended: the rest of a frame did not come in time"},
    [MW_HTTP_END_RESETS] = {"stream_resets", "connection ended: the client resets too many streams"},
    [MW_HTTP_END_CONTROL] = {"control_frames", "connection ended: the client sends too many control frames"},
    [MW_HTTP_END_ACKS] = {"unread_acks", "connection ended: the client does not read the answers to its frames"},
    [MW_HTTP_END_STUCK] = {"stuck", "connection ended: the client reads nothing"},
    [MW_HTTP_END_PINGS] = {"pings", "connection ended: the client sends PINGs too often"},
    [MW_HTTP_END_SILENT] = {"keepalive", "connection ended: the client does not answer a PING"},
    [MW_HTTP_END_REFUSED] = {"connections", MW_DISCONNECT_REFUSED},
    [MW_HTTP_END_MESSAGE] = {NULL, "call ended: a message did not come in time"},
    [MW_HTTP_END_UNTAKEN] = {NULL, "call ended: the client does not read the rest of the response"},
    [MW_HTTP_END_FOREIGN] = {NULL, "call refused: not a gRPC request"},
    [MW_HTTP_END_WAITING] = {NULL, MW_DISCONNECT_WAITING},
    [MW_HTTP_END_MEMORY] = {"memory", MW_DISCONNECT_MEMORY},
};

void mw_http_ending(struct mw_http_engine *engine, enum mw_http_ending ending, const char *peer, const char *detail) {
  mw_disconnect_report(&engine->endings.of[ending], engine->dispatch->metrics, endings[ending].reason,
                       endings[ending].text, peer, detail);
}
