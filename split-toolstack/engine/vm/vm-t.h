/* SPDX-License-Identifier: BSD-3-Clause */
/* Parts of a VM, as types: struct vm embeds them. */
#ifndef CHAOS_VM_VM_T_H
#define CHAOS_VM_VM_T_H

#include <stdint.h>

#include "split-toolstack/engine/engine.h"

/* A create, or the building once more of a VM that is restarted. */
struct vm_create {
	uint32_t flags;	  /* VM_CREATE_* */
	vm_create_fn *fn; /* is called once; NULL: was, or nothing waits for it */
	void *arg;
	uint64_t start_ns;
	uint32_t slot_tries; /* domain ids that were others' */
};

/* As it was when Xen was asked last: others change it, too. */
struct vm_seen {
	uint64_t cpu_ns;
	uint32_t online; /* vCPUs that are not down */
	enum {
		PAUSE_UNSEEN, /* since we paused or unpaused it */
		PAUSE_SEEN,
		PAUSE_NONE
	} pause;
};

#endif
