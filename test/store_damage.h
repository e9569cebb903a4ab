/* Helpers of the tests of a damaged store: its file's bytes, and places in it. */
#ifndef MW_TEST_STORE_DAMAGE_H
#define MW_TEST_STORE_DAMAGE_H

#include "store_fixture.h"

enum { PAGE = 4096 };

/* Closes the store. Returns the path of its file, owned. */
char *closed_file(struct fixture *f);

struct mw_buf read_all(const char *path);
void write_at(const char *path, size_t at, const void *bytes, size_t len);

/* Returns the first offset of `text` in the file at or after `from`; the file's length if there is none. */
size_t find_text(const struct mw_buf *bytes, size_t from, const char *text);

/* Writes `len` bytes at `offset` from each occurrence of `text`, because old states of a page stay in the file. */
void damage_text(const char *path, const char *text, int offset, const void *damage, size_t len);

/* Returns the code of mw_store_get(). */
int get(struct fixture *f, const char *key);

#endif
