/* SPDX-License-Identifier: BSD-3-Clause */
/* What guests have of the daemon, all of them together: engine_guests(). */
#ifndef CHAOS_GUEST_GUESTS_T_H
#define CHAOS_GUEST_GUESTS_T_H

#include <stdint.h>

struct guest;
struct guests_ops;
struct names;
struct store;
struct storehost;

struct guests {
	const struct guests_ops *ops;
	struct store *tree;
	struct storehost *host;
	struct names *names;   /* what dom0's tools call domains */
	uint32_t others;       /* names of domains of other toolstacks that it has */
	struct guest *woken;   /* utlist head: their store rings have something to move */
	struct guest *orphans; /* utlist head: their parents are gone */
	struct guest *unheard; /* utlist head: taken over, and their channels not bound yet */
};

#endif
