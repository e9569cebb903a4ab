/* The places of settings in the text of moonwire.lua. */
#ifndef MW_SERVER_SETTINGS_SETTINGS_LINE_H
#define MW_SERVER_SETTINGS_SETTINGS_LINE_H

#include "base/slice.h"

/* Returns the line, from 1, on which the text of the file sets `name`, in `group` or with NULL at the top level; 0 if
 * none is found. */
unsigned mw_settings_find_line(struct mw_slice text, const char *group, const char *name);

#endif
