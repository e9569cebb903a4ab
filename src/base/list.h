/* An intrusive doubly linked list: each element embeds its links, so that the list allocates nothing. A node is in
 * one list at a time. An initialised node may be removed although it is in no list. */
#ifndef MW_BASE_LIST_H
#define MW_BASE_LIST_H

#include <stdbool.h>
#include <stddef.h>

struct mw_list {
  struct mw_list *prev, *next;
};

/* The struct of `type` whose `member` is at `node`. */
#define MW_CONTAINER(node, type, member) ((type *)(void *)((char *)(node)-offsetof(type, member)))

/* Makes a head empty or a node unlinked. */
static inline void mw_list_init(struct mw_list *node) { node->prev = node->next = node; }

static inline bool mw_list_empty(const struct mw_list *head) { return head->next == head; }

static inline void mw_list_push(struct mw_list *head, struct mw_list *node) {
  node->prev = head->prev;
  node->next = head;
  head->prev->next = node;
  head->prev = node;
}

static inline void mw_list_remove(struct mw_list *node) {
  node->prev->next = node->next;
  node->next->prev = node->prev;
  mw_list_init(node);
}

/* Moves all nodes of `from` to the end of `head`, in order. */
static inline void mw_list_splice(struct mw_list *head, struct mw_list *from) {
  if (mw_list_empty(from)) return;
  from->next->prev = head->prev;
  head->prev->next = from->next;
  from->prev->next = head;
  head->prev = from->prev;
  mw_list_init(from);
}

/* Removes and returns the oldest node; NULL if there is none. */
static inline struct mw_list *mw_list_shift(struct mw_list *head) {
  if (mw_list_empty(head)) return NULL;
  struct mw_list *node = head->next;
  mw_list_remove(node);
  return node;
}

#endif
