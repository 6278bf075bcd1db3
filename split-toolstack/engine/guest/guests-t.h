/* SPDX-License-Identifier: BSD-3-Clause */
/* What guests have of the daemon, all of them together, as a type that the engine embeds. */
#ifndef CHAOS_GUEST_GUESTS_T_H
#define CHAOS_GUEST_GUESTS_T_H

struct names;
struct store;
struct storehost;
struct vm;

struct guests {
	struct store *tree;
	struct storehost *host;
	struct names *names; /* what dom0's tools call domains */
	struct vm *woken;    /* utlist head: their store rings have something to move */
	struct vm *unheard;  /* utlist head: taken over, and their channels not bound yet */
};

#endif
