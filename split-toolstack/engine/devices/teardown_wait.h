/* SPDX-License-Identifier: BSD-3-Clause */
/* Requests that wait for what another VM has, for a moment still. */
#ifndef CHAOS_ENGINE_DEVICES_TEARDOWN_WAIT_H
#define CHAOS_ENGINE_DEVICES_TEARDOWN_WAIT_H

#include "base/err.h"
#include "split-toolstack/engine/devices/teardown_wait-t.h"

struct engine;

/* At most some seconds from the first call on. */
void teardown_wait_begin(struct engine *en, struct teardown_wait *l);
void teardown_wait_end(struct engine *en, struct teardown_wait *l); /* does not wait any more */
/* Replaces the message of devices_admit() for a request that has waited in vain; -EBUSY. */
int teardown_wait_over(struct err *e);

#endif
