/* SPDX-License-Identifier: BSD-3-Clause */
/* Opens and closes the daemon's side of guests. */
#ifndef CHAOS_GUEST_GUESTS_H
#define CHAOS_GUEST_GUESTS_H

#include <stdbool.h>

#include "base/err.h"

struct engine;
struct vm;
struct xen_domain_info;

/* Functions of rooms above. */
struct guests_ops {
	/* Whether the domain does not belong to the engine. */
	bool (*is_foreign)(struct engine *en, const struct xen_domain_info *info);
	/* A tool of dom0 has renamed the VM. */
	int (*rename)(struct vm *vm, const char *name, struct err *e);
	/* Its guest requests a child (fork.h), or has requested one that is not wanted any more. */
	void (*fork)(struct vm *vm);
	void (*fork_over)(struct vm *vm);
	/* Its guest reports that it is ready. */
	void (*ready)(struct vm *vm);
	/* VMs must be destroyed because their parents are gone: soon, but not during this call. */
	void (*orphaned)(struct engine *en);
};

/* Opens the store, the guests' side of it, and the names in it. The mode must be known; `ops`
 * must exist as long. On failure call guests_close(). */
int guests_open(struct engine *en, const struct guests_ops *ops, struct err *e);
void guests_close(struct engine *en); /* no effect if it is not open */

/* For a new VM, and for one that will be freed: clears its part. */
void guest_begin(struct vm *vm);
void guest_end(struct vm *vm);

#endif
