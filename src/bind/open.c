/* What the module `moonwire` is made of. */
#include "bind/bind.h"

void mw_bind_open(lua_State *L, struct mw_program *program) {
  static void (*const openers[])(lua_State *L, struct mw_program *program) = {
      mw_bind_open_service, mw_bind_open_intercept, mw_bind_open_status, mw_bind_open_message, mw_bind_open_any,
      mw_bind_open_u64,     mw_bind_open_job,       mw_bind_open_live,   mw_bind_open_topic,   mw_bind_open_store,
      mw_bind_open_client,  mw_bind_open_fs,        mw_bind_open_log,    mw_bind_open_metrics, mw_bind_open_json,
      mw_bind_open_time,    mw_bind_open_env,       mw_bind_open_host};
  lua_newtable(L);
  for (size_t i = 0; i < sizeof openers / sizeof *openers; i++) openers[i](L, program);
}

int mw_bind_program_new(struct mw_program **out, struct mw_vm *vm, const struct mw_host *host, struct mw_pool *pool,
                        uint64_t generation, struct mw_err *err) {
  return mw_program_new(out, vm, host, pool, generation, mw_bind_open, mw_bind_close_messages, err);
}
