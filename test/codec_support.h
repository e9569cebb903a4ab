/* Helpers of the codec's tests: pools of test/codec, bytes written in hexadecimal, and protoc as the oracle. A function
 * that fails ends the test. Tests run in test/. */
#ifndef MW_TEST_CODEC_SUPPORT_H
#define MW_TEST_CODEC_SUPPORT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/buf.h"
#include "schema/pool/pool.h"
#include "schema/wire/message.h"

/* The pools of codec/every.proto, legacy.proto and wide.proto, from codec_set_up() to codec_tear_down(): the fixture of
 * a group of tests. */
extern struct mw_pool *every, *legacy, *wide;
int codec_set_up(void **state);
int codec_tear_down(void **state);

/* Returns the pool of codec/NAME.proto and its imports. */
struct mw_pool *codec_pool(const char *name);

/* Returns the message type; fails the test if the pool lacks it. */
const struct mw_message_type *codec_type(const struct mw_pool *pool, const char *full_name);

/* Runs protoc --decode or --encode for a type whose package is named like its file. */
int protoc(const char *option, const char *full_name, struct mw_slice input, struct mw_buf *output);

/* Appends the bytes of `hex`, which may have blanks: "0a 03 616263". */
void put_hex(struct mw_buf *out, const char *hex);

/* Packs into `out`, and asserts that the announced size was written. */
void pack(const ProtobufCMessage *message, struct mw_buf *out);

/* Unpacks and packs again. Returns the code of unpacking. */
int repack(const struct mw_message_type *type, struct mw_slice bytes, struct mw_buf *out, struct mw_err *err);

/* protoc must read the same message from `bytes` before and after unpacking and packing. */
void assert_same_meaning(const struct mw_message_type *type, struct mw_slice bytes);

#endif
