/* Core reports a failed connection as UNAVAILABLE with the words of OpenSSL or of its own transport, which name neither
 * the mistake nor the option that mends it. */
#include "engine/core/remedy.h"

#include <stddef.h>
#include <string.h>

static const char no_tls[] =
    "the server closed the connection before it answered: if the port speaks TLS, call it with TLS (--tls; tls = true)";
static const char no_client_certificate[] =
    "the server closed the connection after the TLS handshake: if it requires a client certificate, give one that its "
    "CA signed (--cert FILE --key FILE; cert = FILE, key = FILE)";

static const struct {
  bool tls;
  const char *words; /* of core's message */
  const char *remedy;
} table[] = {
    {false, "Socket closed", no_tls},
    {false, "Endpoint read failed", no_tls},
    {true, "wrong version number", "the port does not speak TLS: call it without TLS, or name the TLS port"},
    {true, "is not in peer certificate",
     "the server's certificate has another name: call the server by a name that the certificate has, or give that name "
     "as the authority (--authority NAME; authority = NAME)"},
    {true, "certificate verify failed",
     "the server's certificate is not signed by a trusted CA, has expired or is not valid yet: give the CA's file "
     "(--ca FILE; ca = FILE), or renew the certificate"},
    {true, "Socket closed", no_client_certificate},
    {true, "Endpoint read failed", no_client_certificate},
};

static bool contains(struct mw_slice text, const char *words) {
  return memmem(text.data, text.len, words, strlen(words)) != NULL;
}

const char *mw_core_remedy(struct mw_slice message, bool tls) {
  if (!message.data || !contains(message, "failed to connect to all addresses")) return NULL;
  for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
    if (table[i].tls == tls && contains(message, table[i].words)) return table[i].remedy;
  }
  return NULL;
}
