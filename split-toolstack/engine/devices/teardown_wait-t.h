/* SPDX-License-Identifier: BSD-3-Clause */
/* The structure that a request embeds to wait for a resource of another VM. The functions are in
 * teardown_wait.h. */
#ifndef CHAOS_ENGINE_DEVICES_TEARDOWN_WAIT_T_H
#define CHAOS_ENGINE_DEVICES_TEARDOWN_WAIT_T_H

#include <stdbool.h>

#include <ev.h>

struct teardown_wait {
	struct teardown_wait *next, *prev; /* prev NULL: it does not wait */
	ev_tstamp until;
	/* Tries again; the request waits again unless `last` is set. */
	void (*again)(struct teardown_wait *l, bool last);
};

#endif
