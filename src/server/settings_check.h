/* Settings that depend on the machine: whether a server could start with them here. Each mistake of moonwire.lua is a finding
 * "FILE:LINE: tls.cert: ...". */
#ifndef MW_SERVER_SETTINGS_CHECK_H
#define MW_SERVER_SETTINGS_CHECK_H

#include "server/settings.h"

/* Reads the files of `tls` and checks that they fit. Returns 0, MW_EINVAL or MW_ENOMEM. */
int mw_settings_check_tls(const struct mw_settings *settings, struct mw_err *err);

/* Checks also `listen`, `files.folders` and a `data` of moonwire.lua. Changes nothing; whether an address or the store is in use is not
 * looked at. `data` is the data folder, or ":memory:". Returns 0 or the code of a finding. */
int mw_settings_check(const struct mw_settings *settings, const char *data, struct mw_err *err);

#endif
