/* What the conversions between tables and messages keep for each type of a program's pool.
 *
 * Everything that a table takes from its type exists once, as a Lua value in one table, the atoms, at a known integer:
 * the metatable, the names of fields and of enum values. To push a name is then one lua_rawgeti(). The way back, from
 * a key of a table to its field, goes by the address of Lua's interned string, which the atoms keep alive.
 *
 * The state is a userdata. The program's registry reference to the atoms keeps it, and so does every metatable: a
 * message may outlive its program, and its type with it. One thread. */
#ifndef MW_BIND_MESSAGE_TYPES_H
#define MW_BIND_MESSAGE_TYPES_H

#include "bind/bind.h"
#include "schema/message.h"

/* From the address (lua_topointer()) of an interned Lua string to a position. Open addressing, a power of two of
 * them. */
struct mw_name_index {
  struct mw_name_slot {
    const void *name; /* NULL: free */
    unsigned position;
  } *slots;
  unsigned bits;
};

struct mw_message_state {
  const struct mw_message_type *type;
  struct mw_messages *owner;
  struct mw_name_index names; /* to a position in type->fields */
  const void *metatable;      /* lua_topointer() of the metatable */
  int metatable_atom;
  int name_atom;              /* of the first field; the others follow in order */
  bool has_required;          /* fields of its own that are required */
};

struct mw_enum_state {
  const struct mw_enum_type *type;
  struct mw_name_index names; /* to a position in type->values */
  int name_atom;              /* of the first value; the others follow in order */
  int *atom_of;               /* by number from 0 to n_atom_of - 1; 0 where there is no value */
  int n_atom_of;
};

struct mw_messages {
  struct mw_pool *pool;            /* a reference */
  struct mw_arena arena;           /* of all that follows */
  struct mw_message_state *types;  /* by mw_message_type.index */
  struct mw_enum_state *enums;     /* by mw_enum_type.index */
  int ref;                         /* registry: the atoms */
  bool unknowns;                   /* some message of this program carries unknown fields */
};

/* Makes the state of a program, with all metatables, and sets program->messages. Raises without memory. */
void mw_messages_open(lua_State *L, struct mw_program *program);

/* The state of a program. */
static inline struct mw_messages *mw_messages_of(struct mw_program *program) {
  return (struct mw_messages *)program->messages;
}

/* The state behind the metatable of the table at `index`, of any program; NULL when it is no message. */
const struct mw_message_state *mw_message_state_at(lua_State *L, int index);

/* Where the search for a name begins. The low bits of an address say little. */
static inline unsigned mw_name_index_home(const struct mw_name_index *index, const void *name) {
  return (unsigned)((uintptr_t)name >> 4) * 0x9e3779b1u >> (32 - index->bits);
}

/* Pushes the metatable of the type `name` from where the message at `index` has its own. */
void mw_messages_push_sibling(lua_State *L, int index, const char *name);

/* The position of the value with the address `name`, or -1 when that is not in the index: it may still be a name, if a
 * long one. NULL, which is what values without an address have, is not in it. */
static inline int mw_name_index_find(const struct mw_name_index *index, const void *name) {
  unsigned mask = (1u << index->bits) - 1;
  for (unsigned i = mw_name_index_home(index, name);; i = (i + 1) & mask) {
    const struct mw_name_slot *slot = &index->slots[i];
    if (!slot->name) return -1;
    if (slot->name == name) return (int)slot->position;
  }
}

/* Pushes the table of unknown fields, from messages to raw bytes. Its keys are weak. */
void mw_messages_push_unknowns(lua_State *L);

/* message_meta.c: fills the metatable at the top, of `state`. The state's userdata is at `owner`, the atoms at
 * `atoms`. */
void mw_message_meta_fill(lua_State *L, struct mw_message_state *state, int owner, int atoms);

/* wellknown_time.c: fills the metatable at the top for Timestamp or Duration. */
void mw_time_meta_fill(lua_State *L, enum mw_wellknown wellknown);

#endif
