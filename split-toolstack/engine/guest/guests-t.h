/* SPDX-License-Identifier: BSD-3-Clause */
/* What guests have of the daemon, all of them together, as a type that the engine embeds. */
#ifndef CHAOS_GUEST_GUESTS_T_H
#define CHAOS_GUEST_GUESTS_T_H

#include <stdbool.h>
#include <stdint.h>

struct engine;
struct err;
struct names;
struct store;
struct storehost;
struct vm;
struct xen_domain_info;

/* What is asked of rooms above. */
struct guests_ops {
	/* The domain is not the engine's. */
	bool (*is_foreign)(struct engine *en, const struct xen_domain_info *info);
	/* A tool of dom0 has renamed it. */
	int (*rename)(struct vm *vm, const char *name, struct err *e);
	/* Its guest wants a child (fork.h), or has wanted one. */
	void (*fork)(struct vm *vm);
	void (*fork_over)(struct vm *vm);
	/* Soon, not now: VMs are to be destroyed whose parents are gone. */
	void (*orphaned)(struct engine *en);
};

struct guests {
	const struct guests_ops *ops;
	struct store *tree;
	struct storehost *host;
	struct names *names; /* what dom0's tools call domains */
	uint32_t others;     /* names of domains of other toolstacks that it has */
	struct vm *woken;    /* utlist head: their store rings have something to move */
	struct vm *orphans;  /* utlist head: their parents are gone */
	struct vm *unheard;  /* utlist head: taken over, and their channels not bound yet */
};

#endif
