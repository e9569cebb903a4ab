/* The checks of all connections of an engine against the times of limits/keepalive.h: PINGs to silent clients, maximum
 * idle time and age, and the time for a graceful shutdown. */
#ifndef MW_ENGINE_HTTP_CONN_LIFETIME_H
#define MW_ENGINE_HTTP_CONN_LIFETIME_H

/* Checks each connection and schedules the next check. `engine` is a struct mw_http_engine; runs on its timer. */
void mw_http_lifetime_check(void *engine);

#endif
