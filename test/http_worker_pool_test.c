/* The inboxes of a worker pool: batches that arrive while one is handled. */
#include "http_fixture.h"

#include "engine/http/sharing/worker_pool.h"

enum { TRIPS = 100 };

/* A channel from an engine to itself, which sends again whenever a batch arrives. */
struct ring {
  struct mw_http_channel channel;
  atomic_uint refs;
  unsigned trips;
};

static void go_round(struct ring *ring) {
  mw_http_channel_pending(&ring->channel, ring->channel.to)->wanted = true;
  mw_http_worker_pool_send(ring->channel.to);
}

static void on_take(struct mw_http_channel *channel, struct mw_http_events *events) {
  struct ring *ring = MW_CONTAINER(channel, struct ring, channel);
  assert_true(events->wanted);
  atomic_fetch_sub(&ring->refs, 1);
  if (++ring->trips < TRIPS) go_round(ring);
}

static void on_fail(struct mw_http_channel *channel) { fail_msg("the engine is there"); }

static void batches_that_arrive_meanwhile_wait_for_the_next_turn(void **state) {
  struct server server;
  struct mw_engine_team *pool = mw_engine_http.team_new(1);
  server_open(&server, &(struct mw_engine_config){.team = pool});
  struct ring ring = {.refs = 1};
  mw_http_channel_init(&ring.channel, &pool->slots[0], &ring.refs, on_take, on_fail);
  go_round(&ring);
  for (unsigned before = 0; ring.trips < TRIPS; before = ring.trips) {
    turn(&server);
    assert_true(ring.trips <= before + 1);
  }
  assert_int_equal(ring.refs, 1);
  mw_http_channel_fini(&ring.channel);
  server_close(&server);
  mw_engine_http.team_free(pool);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(batches_that_arrive_meanwhile_wait_for_the_next_turn)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
