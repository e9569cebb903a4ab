#include "cli/test/test.h"

static void on_post(struct mw_post *post) {
  struct mw_test_task *turn = MW_CONTAINER(post, struct mw_test_task, post);
  turn->run(turn);
}

static int after_turn(lua_State *L, int status, lua_KContext context) {
  struct mw_test_task *turn = (struct mw_test_task *)context;
  if (turn->err.code != 0) return mw_bind_raise_err(L, &turn->err);
  if (turn->fiber == turn->test->fiber && mw_test_is_overdue(turn->test)) return mw_test_raise_overdue(L, turn->test);
  return turn->k(L, status, context);
}

int mw_test_task_wait(lua_State *L, struct mw_test_task *turn, const char *what, lua_KFunction k) {
  turn->fiber = mw_fiber_check(L, what);
  turn->k = k;
  turn->post.run = on_post;
  mw_list_init(&turn->post.link);
  mw_loop_post(&turn->test->worker.loop, &turn->post);
  return mw_fiber_wait(L, turn->fiber, NULL, NULL, after_turn, (lua_KContext)turn);
}

void mw_test_task_end(struct mw_test_task *turn) { mw_fiber_resume(turn->fiber); }
