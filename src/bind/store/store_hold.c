/* The snapshots that scripts of a worker hold open.
 *
 * A snapshot takes one of the store's reader slots, and while it is open the file grows with each change. All calls
 * share slots and disk, so a worker closes a snapshot before its owner does
 *  - when its age is host->snapshot_age;
 *  - when its call or job holds HOLDS_OF_FIBER newer ones;
 *  - when its connection holds as many as the worker has free: even with many greedy connections, the next one gets
 *    some;
 *  - when it is the oldest, and the worker's share of the slots is used up;
 *  - when its call or job was cut or killed.
 * detach() then copies the data that the owner borrows, and `ended` is set. */
#include <stdio.h>

#include "base/clock.h"
#include "bind/call/call.h"
#include "bind/store/store.h"

#define HOLDS "moonwire.StoreHolds"

enum { HOLDS_OF_FIBER = 64, CLIENTS = 1024 };

/* The snapshots of a client. Clients with the same hash share an entry and its bounds. */
struct client {
  struct mw_list list; /* oldest first */
  size_t n;
};

enum reason { BY_AGE, BY_FIBER, BY_CONNECTION, BY_WORKER, BY_CUT, N_REASONS };

static const struct {
  const char *name, *words;
} reasons[N_REASONS] = {
    [BY_AGE] = {"age", "it was open for longer than store.snapshot_seconds"},
    [BY_FIBER] = {"call", "its call or job has opened too many others since"},
    [BY_CONNECTION] = {"connection", "the calls of its connection hold too many"},
    [BY_WORKER] = {"worker", "too many are open, and it was the oldest"},
    [BY_CUT] = {"cut", "its call or job was ended"},
};

/* The state of a worker's snapshots. The registry holds it, and `vm->holds` points to it. */
struct mw_store_holds {
  const struct mw_host *host;
  struct mw_list list; /* oldest first */
  size_t n, limit;
  struct client clients[CLIENTS];
  struct mw_store_queues queues;                               /* for store_watch.c */
  struct mw_timer *timer;                                      /* checks ages while snapshots are open; else NULL */
  struct mw_metric *open_gauge, *age_gauge, *ended[N_REASONS]; /* may be NULL */
  uint64_t n_ended;
  int64_t logged; /* mw_clock_real() of the last line; 0 for none */
};

/* ---- metrics ---- */

static struct mw_metric *open_metric(const struct mw_host *host, enum mw_metric_kind kind, const char *name,
                                     const char *help, const char *label, const char *value) {
  const struct mw_metric_definition definition = {
      .kind = kind, .name = name, .help = help, .labels = &label, .n_labels = 1};
  return host->metrics ? mw_metrics_open(host->metrics, &definition, &value) : NULL;
}

static void open_metrics(struct mw_store_holds *holds) {
  char index[12];
  snprintf(index, sizeof index, "%u", holds->host->worker);
  holds->open_gauge = open_metric(holds->host, MW_METRIC_GAUGE, "moonwire_store_snapshots",
                                  "Snapshots of the store that scripts hold open.", "worker", index);
  holds->age_gauge = open_metric(holds->host, MW_METRIC_GAUGE, "moonwire_store_snapshot_age_seconds",
                                 "Age of the oldest open snapshot, updated once a second.", "worker", index);
  for (int i = 0; i < N_REASONS; i++) {
    holds->ended[i] = open_metric(holds->host, MW_METRIC_COUNTER, "moonwire_store_snapshots_ended_total",
                                  "Snapshots that the worker closed before their call or job did.", "reason",
                                  reasons[i].name);
  }
}

static void set_open(struct mw_store_holds *holds, size_t n) {
  holds->n = n;
  if (holds->open_gauge) mw_metric_set(holds->open_gauge, (double)n);
}

/* ---- closing ---- */

static struct client *client_at(struct mw_store_holds *holds, uint64_t client) {
  return &holds->clients[client % CLIENTS];
}

void mw_store_hold_close(struct mw_store_hold *hold) {
  if (!hold->snapshot) return;
  mw_store_snapshot_close(hold->snapshot);
  hold->snapshot = NULL;
  mw_list_remove(&hold->link);
  mw_list_remove(&hold->client_link);
  client_at(hold->holds, hold->client)->n--;
  set_open(hold->holds, hold->holds->n - 1);
}

/* Logs at most one line a second, with the count so far. */
static void report(struct mw_store_holds *holds, const struct mw_store_hold *hold, enum reason reason) {
  if (holds->ended[reason]) mw_metric_add(holds->ended[reason], 1);
  holds->n_ended++;
  int64_t now = mw_clock_real();
  if (holds->logged != 0 && now - holds->logged < MW_NS_PER_S) return;
  holds->logged = now;
  char call[24] = "", age[24], count[24];
  if (hold->call != 0) snprintf(call, sizeof call, "%llu", (unsigned long long)hold->call);
  snprintf(age, sizeof age, "%.1f", (double)(mw_clock_mono() - hold->opened) / MW_NS_PER_S);
  snprintf(count, sizeof count, "%llu", (unsigned long long)holds->n_ended);
  const struct mw_log_field fields[] = {{"of", hold->name}, {"reason", reasons[reason].name}, {"age", age},
                                        {"count", count},   {call[0] ? "call" : NULL, call},  {0}};
  mw_log(MW_LOG_WARN, fields, "a snapshot of the store was closed: %s", reasons[reason].words);
}

static void end(struct mw_store_holds *holds, struct mw_store_hold *hold, enum reason reason) {
  report(holds, hold, reason);
  hold->ended = reasons[reason].words;
  if (hold->detach) hold->detach(hold);
  mw_store_hold_close(hold);
}

static struct mw_store_hold *oldest(const struct mw_store_holds *holds) {
  return mw_list_empty(&holds->list) ? NULL : MW_CONTAINER(holds->list.next, struct mw_store_hold, link);
}

int mw_store_hold_fail(lua_State *L, const struct mw_collection *collection, const struct mw_store_hold *hold) {
  const char *words = lua_pushfstring(L, "the snapshot was closed: %s: begin again", hold->ended);
  return mw_store_fail(L, collection, MW_ECONFLICT, words);
}

/* ---- age ---- */

static void check_ages(void *arg);

static void schedule_check(struct mw_store_holds *holds) {
  const struct mw_store_hold *first = oldest(holds);
  int64_t age = holds->host->snapshot_age, wait = MW_NS_PER_S;
  if (!first || holds->timer) return;
  if (age > 0 && mw_time_add(first->opened, age) - mw_clock_mono() < wait) {
    wait = mw_time_add(first->opened, age) - mw_clock_mono();
  }
  holds->timer = mw_timer_start(holds->host->loop, wait, check_ages, holds);
}

static void check_ages(void *arg) {
  struct mw_store_holds *holds = arg;
  int64_t now = mw_clock_mono(), age = holds->host->snapshot_age;
  struct mw_store_hold *first;
  holds->timer = NULL;
  while ((first = oldest(holds)) != NULL && age > 0 && now - first->opened >= age) end(holds, first, BY_AGE);
  if (holds->age_gauge) mw_metric_set(holds->age_gauge, first ? (double)(now - first->opened) / MW_NS_PER_S : 0);
  schedule_check(holds);
}

/* ---- number ---- */

static struct mw_store_hold *oldest_of(const struct client *client) {
  return MW_CONTAINER(client->list.next, struct mw_store_hold, client_link);
}

/* Returns the oldest snapshot of a fiber that holds the maximum, or NULL if it holds fewer. */
static struct mw_store_hold *oldest_of_full_fiber(const struct client *client, uint64_t fiber) {
  struct mw_store_hold *of_fiber = NULL;
  size_t n = 0;
  for (struct mw_list *link = client->list.prev; link != &client->list && n < HOLDS_OF_FIBER; link = link->prev) {
    struct mw_store_hold *other = MW_CONTAINER(link, struct mw_store_hold, client_link);
    if (other->fiber != fiber) continue;
    of_fiber = other;
    n++;
  }
  return n < HOLDS_OF_FIBER ? NULL : of_fiber;
}

/* If `hold` would exceed a bound, closes another snapshot. `hold` is not in the lists yet. */
static void make_room(struct mw_store_holds *holds, const struct mw_store_hold *hold) {
  struct client *client = client_at(holds, hold->client);
  struct mw_store_hold *of_fiber = client->n < HOLDS_OF_FIBER ? NULL : oldest_of_full_fiber(client, hold->fiber);
  if (of_fiber) end(holds, of_fiber, BY_FIBER);
  else if (client->n > 0 && client->n >= holds->limit - holds->n) end(holds, oldest_of(client), BY_CONNECTION);
  else if (holds->n >= holds->limit) end(holds, oldest(holds), BY_WORKER);
}

/* A connection is identified by the name of its peer, a job by its fiber. */
static uint64_t client_of(const struct mw_bind_call *call, uint64_t fiber) {
  if (!call) return fiber;
  uint64_t hash = 0xcbf29ce484222325u;
  for (const char *c = call->call->peer; c && *c; c++) hash = (hash ^ (unsigned char)*c) * 0x100000001b3u;
  return (hash ^ hash >> 32) | (uint64_t)1 << 63; /* similar names differ little in the low bits */
}

int mw_store_hold_open(lua_State *L, struct mw_store *store, struct mw_store_hold *hold, const char *name,
                       struct mw_err *err) {
  struct mw_vm *vm = mw_vm_of(L);
  struct mw_store_holds *holds = vm->holds;
  const struct mw_bind_call *call = mw_bind_running(L);
  hold->holds = holds;
  hold->name = name;
  hold->ended = NULL;
  hold->fiber = vm->running ? vm->running->serial : 0;
  hold->call = call ? call->call->id : 0;
  hold->client = client_of(call, hold->fiber);
  if (vm->running) vm->running->store_client = hold->client;
  make_room(holds, hold);
  int rc = mw_store_snapshot_open(store, &hold->snapshot, err);
  if (rc == MW_ELIMIT) { /* the limit of all workers together; collecting closes snapshots that scripts have dropped */
    mw_err_fini(err);
    lua_gc(L, LUA_GCCOLLECT);
    rc = mw_store_snapshot_open(store, &hold->snapshot, err);
  }
  if (rc != 0) return rc;
  hold->opened = mw_clock_mono();
  mw_list_push(&holds->list, &hold->link);
  mw_list_push(&client_at(holds, hold->client)->list, &hold->client_link);
  client_at(holds, hold->client)->n++;
  set_open(holds, holds->n + 1);
  if (!holds->timer) schedule_check(holds);
  return 0;
}

/* ---- lists and state ---- */

/* Runs after a fiber was killed or cut. Closes its snapshots now, because the collector may run late. */
static void on_fiber_killed(struct mw_vm *vm, const struct mw_fiber *fiber) {
  struct mw_store_holds *holds = vm->holds;
  if (fiber->store_client == 0) return;
  struct mw_list *list = &client_at(holds, fiber->store_client)->list, *next;
  for (struct mw_list *link = list->next; link != list; link = next) {
    struct mw_store_hold *hold = MW_CONTAINER(link, struct mw_store_hold, client_link);
    next = link->next;
    if (hold->fiber == fiber->serial) end(holds, hold, BY_CUT);
  }
}

void mw_bind_list_snapshots(const struct mw_vm *vm, void (*show)(void *arg, const struct mw_store_hold *hold),
                            void *arg) {
  if (!vm->holds) return;
  const struct mw_list *list = &vm->holds->list;
  for (const struct mw_list *link = list->next; link != list; link = link->next) {
    show(arg, MW_CONTAINER(link, struct mw_store_hold, link));
  }
}

struct mw_store_queues *mw_store_queues_of(const struct mw_vm *vm) {
  return &vm->holds->queues;
}

static int l_gc(lua_State *L) {
  struct mw_store_holds *holds = lua_touserdata(L, 1);
  mw_timer_stop(holds->timer);
  holds->timer = NULL;
  mw_vm_of(L)->holds = NULL;
  return 0;
}

void mw_store_hold_types(lua_State *L, const struct mw_host *host) {
  static const luaL_Reg metamethods[] = {{"__gc", l_gc}, {NULL, NULL}};
  struct mw_vm *vm = mw_vm_of(L);
  if (vm->holds) return;
  struct mw_store_holds *holds = lua_newuserdatauv(L, sizeof *holds, 0);
  *holds = (struct mw_store_holds){.host = host};
  holds->limit = MW_STORE_SNAPSHOTS / (host->workers > 0 ? host->workers : 1);
  mw_list_init(&holds->list);
  mw_list_init(&holds->queues.list);
  for (size_t i = 0; i < CLIENTS; i++) mw_list_init(&holds->clients[i].list);
  mw_bind_push_type(L, HOLDS, NULL, metamethods);
  lua_setmetatable(L, -2);
  luaL_ref(L, LUA_REGISTRYINDEX);
  open_metrics(holds);
  vm->holds = holds;
  vm->on_killed = on_fiber_killed;
}
