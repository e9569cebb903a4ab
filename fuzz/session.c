/* A client may send what it likes in whatever pieces: its calls end, and nothing of the connection stays behind. */
#include "http_wire.h"

static struct wire wire;

int LLVMFuzzerInitialize(int *argc, char ***argv) {
  check(wire_open(&wire) == 0);
  return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  wire_run(&wire, mw_slice(data, size));
  return 0;
}
