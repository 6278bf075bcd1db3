/* SPDX-License-Identifier: BSD-3-Clause */
/* Opening and closing what guests have of the daemon. */
#ifndef CHAOS_GUEST_GUESTS_H
#define CHAOS_GUEST_GUESTS_H

#include <stdbool.h>

#include "base/err.h"

struct engine;
struct vm;
struct xen_domain_info;

/* What is asked of rooms above. */
struct guests_ops {
	/* The domain is not the engine's. */
	bool (*is_foreign)(struct engine *en, const struct xen_domain_info *info);
	/* A tool of dom0 has renamed it. */
	int (*rename)(struct vm *vm, const char *name, struct err *e);
	/* Its guest asks for a child (fork.h), or has asked for one that is over. */
	void (*fork)(struct vm *vm);
	void (*fork_over)(struct vm *vm);
	/* Its guest says so. */
	void (*ready)(struct vm *vm);
	/* Soon, not now: VMs are to be destroyed whose parents are gone. */
	void (*orphaned)(struct engine *en);
};

/* The store, its guests' ends and the names in it. The mode is known; `ops` stay. On failure
 * guests_close() follows. */
int guests_open(struct engine *en, const struct guests_ops *ops, struct err *e);
void guests_close(struct engine *en); /* not open is fine */

/* Of a new VM, and of one that is about to be freed: its part is empty then. */
void guest_begin(struct vm *vm);
void guest_end(struct vm *vm);

#endif
