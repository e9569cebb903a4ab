#ifndef MW_ENGINE_CORE_RECEIVED_H
#define MW_ENGINE_CORE_RECEIVED_H

#include <stdbool.h>

/* Returns true for a TCP socket that is connected and has received no byte. */
bool mw_core_has_received_nothing(int fd);

#endif
