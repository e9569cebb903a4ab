/* The inboxes of a team: batches that arrive while one is handled. */
#include "http_fixture.h"

#include "engine/http/sharing/worker_pool.h"

enum { TRIPS = 100 };

/* A lane from an engine to itself, which sends again whenever a batch arrives. */
struct ring {
  struct mw_http_lane lane;
  atomic_uint refs;
  unsigned trips;
};

static void go_round(struct ring *ring) {
  mw_http_lane_draft(&ring->lane, ring->lane.to)->wanted = true;
  mw_http_team_send(ring->lane.to);
}

static void on_take(struct mw_http_lane *lane, struct mw_http_parcel *parcel) {
  struct ring *ring = MW_CONTAINER(lane, struct ring, lane);
  assert_true(parcel->wanted);
  atomic_fetch_sub(&ring->refs, 1);
  if (++ring->trips < TRIPS) go_round(ring);
}

static void on_fail(struct mw_http_lane *lane) { fail_msg("the engine is there"); }

static void what_comes_meanwhile_waits_for_the_next_turn(void **state) {
  struct server server;
  struct mw_engine_team *team = mw_engine_http.team_new(1);
  server_open(&server, &(struct mw_engine_config){.team = team});
  struct ring ring = {.refs = 1};
  mw_http_lane_init(&ring.lane, &team->seats[0], &ring.refs, on_take, on_fail);
  go_round(&ring);
  for (unsigned before = 0; ring.trips < TRIPS; before = ring.trips) {
    turn(&server);
    assert_true(ring.trips <= before + 1);
  }
  assert_int_equal(ring.refs, 1);
  mw_http_lane_fini(&ring.lane);
  server_close(&server);
  mw_engine_http.team_free(team);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(what_comes_meanwhile_waits_for_the_next_turn)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
