/* SPDX-License-Identifier: BSD-3-Clause */
/* Requests that wait for a resource that another VM still has for a moment. */
#ifndef CHAOS_ENGINE_DEVICES_TEARDOWN_WAIT_H
#define CHAOS_ENGINE_DEVICES_TEARDOWN_WAIT_H

#include "base/err.h"
#include "split-toolstack/engine/devices/teardown_wait-t.h"

struct engine;

/* `again` is called when it is worth another try; without `last` the request may wait again. */
static inline void teardown_wait_init(struct teardown_wait *l,
				      void (*again)(struct teardown_wait *l, bool last))
{
	l->again = again;
}
/* Waits at most some seconds, counted from the first call. */
void teardown_wait_begin(struct engine *en, struct teardown_wait *l);
/* The same; false: these seconds are over. */
bool teardown_wait_again(struct engine *en, struct teardown_wait *l);
void teardown_wait_end(struct engine *en, struct teardown_wait *l); /* ends the wait, if it
								      waits, and its seconds */
/* Sets the message for a request that has waited too long, in place of that of devices_admit();
 * -EBUSY. */
int teardown_wait_over(struct err *e);

#endif
