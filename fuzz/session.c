/* A client may send any bytes in pieces of any size: all of its calls end, and no memory of the connection leaks. */
#include <stdlib.h>

#include "http_wire.h"

static struct wire wire;

int LLVMFuzzerInitialize(int *argc, char ***argv) {
  if (wire_open(&wire) != 0) abort();
  return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  wire_run(&wire, mw_slice(data, size));
  return 0;
}
