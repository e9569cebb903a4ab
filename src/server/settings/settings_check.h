/* Checks settings that depend on the machine, such as files and addresses. Each mistake of moonwire.lua is a finding
 * "FILE:LINE: tls.cert: ...". */
#ifndef MW_SERVER_SETTINGS_SETTINGS_CHECK_H
#define MW_SERVER_SETTINGS_SETTINGS_CHECK_H

#include "server/settings/settings.h"

/* Reads the files of `tls` and checks that certificate, key and client CA match. Returns 0, MW_EINVAL or MW_ENOMEM. */
int mw_settings_check_tls(const struct mw_settings *settings, struct mw_err *err);

/* Checks `tls`, and of moonwire.lua `listen`, `files.folders` and `data`. Changes nothing. Does not check that an
 * address or the store is free. `data` is the data folder, or ":memory:". Returns 0 or the code of a finding. */
int mw_settings_check(const struct mw_settings *settings, const char *data, struct mw_err *err);

#endif
