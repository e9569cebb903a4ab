/* Watches a project folder on a thread of its own, so that an unresponsive file system delays neither signals nor
 * commands. */
#ifndef MW_SERVER_RELOAD_WATCHER_H
#define MW_SERVER_RELOAD_WATCHER_H

#include "loop/loop.h"

struct mw_watcher;

enum { MW_WATCHER_OPEN_SECONDS = 30 };

/* Watches DIR/moonwire.lua, DIR/lua and the folders of .proto files from now on (loop/file_watch.h). The caller reads
 * them after this, not before. `changed(arg)` runs on the home loop after a possible change. Logs a problem with
 * watching the folder whenever it changes. On the home loop's thread, which waits for the file system for at most
 * `patience` nanoseconds. Returns 0 and an owned watcher, MW_EIO or MW_ENOMEM. */
int mw_watcher_open(struct mw_watcher **out, struct mw_loop *home, const char *dir, int64_t patience,
                    void (*changed)(void *arg), void *arg, struct mw_err *err);

/* On the home loop's thread. `changed` does not run after it. Abandons a thread that waits for a file system. Accepts
 * NULL. */
void mw_watcher_close(struct mw_watcher *watcher);

#endif
