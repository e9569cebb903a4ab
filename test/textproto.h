/* Messages for tests, written in protobuf's text format and encoded by protoc: the reference to compare with. */
#ifndef MW_TEST_TEXTPROTO_H
#define MW_TEST_TEXTPROTO_H

#include "base/buf.h"

/* Appends `text` encoded as message `type`, which is declared in `file` below `dir`; a NULL `file` stands for the
 * well-known types, descriptor.proto's among them. Fails the cmocka test when protoc refuses it. */
void textproto_encode(struct mw_buf *out, const char *dir, const char *file, const char *type, const char *text);

#endif
