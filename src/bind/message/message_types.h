/* The state of the conversions between tables and messages, for each type of a program's pool.
 *
 * A type's metatable, its field names and its enum values exist once, as Lua values at known integers of one table, the
 * atoms. One lua_rawgeti() pushes a name. To find the field of a table's key, the conversion looks up the address of
 * Lua's interned string, which the atoms keep alive.
 *
 * The state is a userdata. The program's registry reference to the atoms keeps it alive, and so does every metatable,
 * because a message and its type may outlive the program. One thread. */
#ifndef MW_BIND_MESSAGE_MESSAGE_TYPES_H
#define MW_BIND_MESSAGE_MESSAGE_TYPES_H

#include "bind/base/bind.h"
#include "schema/wire/message.h"

/* Maps the address (lua_topointer()) of an interned Lua string to a position. Open addressing; the number of slots is a
 * power of two. */
struct mw_name_index {
  struct mw_name_slot {
    const void *name; /* NULL if free */
    unsigned position;
  } * slots;
  unsigned bits;
};

struct mw_message_state {
  const struct mw_message_type *type;
  struct mw_messages *owner;
  struct mw_name_index names; /* to a position in type->fields */
  const void *metatable;      /* lua_topointer() of the metatable */
  int metatable_atom;
  int name_atom;     /* atom of the first field; the others follow in order */
  int unpack;        /* position of a field `unpack`, which the method of packed messages hides; -1 for none */
  bool has_required; /* the type itself has required fields */
};

struct mw_enum_state {
  const struct mw_enum_type *type;
  struct mw_name_index names; /* to a position in type->values */
  int name_atom;              /* atom of the first value; the others follow in order */
  int *atom_of;               /* atom of a number from 0 to n_atom_of - 1; 0 if it has no value */
  int n_atom_of;
};

struct mw_messages {
  struct mw_pool *pool;           /* a reference */
  struct mw_arena arena;          /* memory of the members below */
  struct mw_message_state *types; /* indexed by mw_message_type.index */
  struct mw_enum_state *enums;    /* indexed by mw_enum_type.index */
  int ref;                        /* registry: the atoms */
  int packed_ref;                 /* registry: the metatable of packed messages */
  bool unknowns;                  /* a message of this program has unknown fields */
};

/* Fills the metatable of `state`, at the top. The state's userdata is at `owner`, the atoms at `atoms`. */
typedef void mw_message_fill_fn(lua_State *L, struct mw_message_state *state, int owner, int atoms);

/* Makes the state of a program with all metatables, which `fill` fills, and sets program->messages. Pushes the state's
 * userdata. Raises for lack of memory. */
void mw_messages_open(lua_State *L, struct mw_program *program, mw_message_fill_fn *fill);

/* The state of a program. */
static inline struct mw_messages *mw_messages_of(struct mw_program *program) {
  return (struct mw_messages *)program->messages;
}

/* The state in the metatable of the table at `index`, of any program; NULL if the value is no message. */
const struct mw_message_state *mw_message_state_at(lua_State *L, int index);

/* The slot where the search for a name begins. The low bits of an address are not distinct enough. */
static inline unsigned mw_name_index_home(const struct mw_name_index *index, const void *name) {
  return (unsigned)((uintptr_t)name >> 4) * 0x9e3779b1u >> (32 - index->bits);
}

/* Pushes the metatable of the type `name`, of the program whose message is at `index`. */
void mw_messages_push_sibling(lua_State *L, int index, const char *name);

/* Returns the position of the name with the address `name`, or -1. A long string that is a name may also give -1. NULL,
 * the address of values without one, gives -1. */
static inline int mw_name_index_find(const struct mw_name_index *index, const void *name) {
  unsigned mask = (1u << index->bits) - 1;
  for (unsigned i = mw_name_index_home(index, name);; i = (i + 1) & mask) {
    const struct mw_name_slot *slot = &index->slots[i];
    if (!slot->name) return -1;
    if (slot->name == name) return (int)slot->position;
  }
}

/* Pushes the table of unknown fields: message -> bytes. Its keys are weak. */
void mw_messages_push_unknowns(lua_State *L);

#endif
