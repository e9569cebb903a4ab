/* The openers of the module `moonwire`: one for each binding, in its own file. */
#ifndef MW_BIND_BASE_OPENERS_H
#define MW_BIND_BASE_OPENERS_H

#include "bind/base/bind.h"

void mw_bind_open_service(lua_State *L, struct mw_program *program);
void mw_bind_open_intercept(lua_State *L, struct mw_program *program);
void mw_bind_open_status(lua_State *L, struct mw_program *program);
void mw_bind_open_message(lua_State *L, struct mw_program *program);
void mw_bind_open_any(lua_State *L, struct mw_program *program);
void mw_bind_open_u64(lua_State *L, struct mw_program *program);
void mw_bind_open_base64(lua_State *L, struct mw_program *program);
void mw_bind_open_sleep(lua_State *L, struct mw_program *program);
void mw_bind_open_job(lua_State *L, struct mw_program *program);
void mw_bind_open_live(lua_State *L, struct mw_program *program);
void mw_bind_open_state(lua_State *L, struct mw_program *program);
void mw_bind_open_topic(lua_State *L, struct mw_program *program);
void mw_bind_open_store(lua_State *L, struct mw_program *program);
void mw_bind_open_client(lua_State *L, struct mw_program *program);
void mw_bind_open_fs(lua_State *L, struct mw_program *program);
void mw_bind_open_log(lua_State *L, struct mw_program *program);
void mw_bind_open_metrics(lua_State *L, struct mw_program *program);
void mw_bind_open_json(lua_State *L, struct mw_program *program);
void mw_bind_open_time(lua_State *L, struct mw_program *program);
void mw_bind_open_env(lua_State *L, struct mw_program *program);
void mw_bind_open_host(lua_State *L, struct mw_program *program);

#endif
