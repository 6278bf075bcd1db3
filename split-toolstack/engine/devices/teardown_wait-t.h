/* SPDX-License-Identifier: BSD-3-Clause */
/* A request that waits for what another VM has: what it embeds. The functions are in
 * teardown_wait.h. */
#ifndef CHAOS_ENGINE_DEVICES_TEARDOWN_WAIT_T_H
#define CHAOS_ENGINE_DEVICES_TEARDOWN_WAIT_T_H

#include <stdbool.h>

#include <ev.h>

struct teardown_wait {
	struct teardown_wait *next, *prev; /* prev NULL: does not wait */
	ev_tstamp until;
	/* Tries again, and waits again unless this is the last time. */
	void (*again)(struct teardown_wait *l, bool last);
};

#endif
