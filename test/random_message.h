/* Random encoded messages, the same in each run: every kind and form of field, repeated occurrences, members of oneofs,
 * packed or not, unknown fields and wrong wire types. */
#ifndef MW_TEST_RANDOM_MESSAGE_H
#define MW_TEST_RANDOM_MESSAGE_H

#include "base/buf.h"
#include "schema/type/type.h"

/* Restarts the sequence; `seed` is not 0. */
void random_seed(uint64_t seed);

/* Returns an integer below `n`. */
size_t random_below(size_t n);

/* True once in `n` times. */
bool random_one_in(size_t n);

/* Returns an integer, often one at the edge of a type. */
uint64_t random_integer(void);

/* Appends a message of the type. */
void random_message(struct mw_buf *out, const struct mw_message_type *type);

/* Changes, removes or cuts off a few bytes. */
void random_damage(struct mw_buf *bytes);

#endif
