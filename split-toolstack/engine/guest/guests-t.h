/* SPDX-License-Identifier: BSD-3-Clause */
/* The daemon's data for all guests together: engine_guests(). */
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
	struct names *names;   /* names that dom0's tools use for domains */
	uint32_t others;       /* number of names of other toolstacks' domains */
	struct guest *woken;   /* utlist head: store rings that have work */
	struct guest *orphans; /* utlist head: guests whose parents are gone */
	struct guest *unheard; /* utlist head: adopted, and their channels not bound yet */
};

#endif
