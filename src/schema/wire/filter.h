/* Compares fields of encoded messages with values, without unpacking the messages.
 *
 * A filter has conditions: each names a field, directly or through singular messages (owner.id), and the values that it
 * accepts. A message matches if every condition holds. Fields are compared as a reader of the encoding would see them:
 * the last of several values counts, repeated occurrences of a message are merged, a member of a oneof clears the
 * others, and an absent field without presence has its default value. A field with presence that is absent, or whose
 * message is absent, equals no value. One thread builds a filter; then any thread may match. */
#ifndef MW_SCHEMA_WIRE_FILTER_H
#define MW_SCHEMA_WIRE_FILTER_H

#include "base/arena.h"
#include "base/slice.h"
#include "schema/type/type.h"

enum { MW_FILTER_MAX = 64 }; /* fields of all conditions, those of the way to a field included */

struct mw_filter_condition;
struct mw_filter_level;

struct mw_filter {
  struct mw_arena arena;
  struct mw_filter_condition **conditions; /* room for MW_FILTER_MAX */
  size_t n_conditions;
  const struct mw_filter_level *root; /* made by mw_filter_build() */
  uint64_t all;                       /* a bit for each field */
};

/* Makes a filter without conditions. Borrows `quota`, which its memory counts against; NULL for none. */
void mw_filter_init(struct mw_filter *filter, struct mw_quota *quota);

/* Frees the filter. */
void mw_filter_fini(struct mw_filter *filter);

/* Adds a condition that accepts no value yet. The last of the `depth` fields of `path` is compared, those before it
 * are messages; none is repeated. Copies `path`. Returns NULL over the quota, without memory, and beyond
 * MW_FILTER_MAX conditions. */
struct mw_filter_condition *mw_filter_add(struct mw_filter *filter, const struct mw_field *const *path, size_t depth);

/* Accepts the value in `slot`, which is laid out as in a message of memory; copies text. The field is not a message.
 * Returns 0, or MW_ENOMEM. */
int mw_filter_accept(struct mw_filter *filter, struct mw_filter_condition *condition, const void *slot);

/* Accepts the field's absence in a message that is present. The field has presence. */
void mw_filter_accept_unset(struct mw_filter_condition *condition);

/* Completes the filter for messages of the type. Returns 0; MW_ENOMEM; MW_ELIMIT beyond MW_FILTER_MAX fields; or
 * MW_EINVAL if two conditions compare one field, or one compares a message that another passes through. */
int mw_filter_build(struct mw_filter *filter, const struct mw_message_type *type);

/* True if the message in `bytes` meets every condition, and for malformed bytes: whoever unpacks them reports it. */
bool mw_filter_matches(const struct mw_filter *filter, struct mw_slice bytes);

#endif
