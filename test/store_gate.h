/* A disk that blocks or fails: fdatasync() replaces the C library's, also for LMDB. */
#ifndef MW_TEST_STORE_GATE_H
#define MW_TEST_STORE_GATE_H

#include "store_fixture.h"

/* Closes or opens the gate at which every sync waits; the next `failures` syncs fail with EIO. */
void set_gate(bool closed, int failures);

/* Returns once the writer waits at the closed gate with a commit: later transactions belong to another batch. */
void await_writer(void);

/* Closes the gate and makes the writer wait at it with a commit of another key, so that later transactions form one
 * batch. */
void hold(struct fixture *f, struct outcome *outcome);

#endif
