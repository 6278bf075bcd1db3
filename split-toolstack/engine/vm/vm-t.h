/* SPDX-License-Identifier: BSD-3-Clause */
/* What Xen says of a VM's domain, as types: struct vm embeds it. */
#ifndef CHAOS_VM_VM_T_H
#define CHAOS_VM_VM_T_H

#include <stdint.h>

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
