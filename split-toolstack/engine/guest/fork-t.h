/* SPDX-License-Identifier: BSD-3-Clause */
/* What a guest has with its parent and its children, as its VM embeds it. */
#ifndef CHAOS_GUEST_FORK_T_H
#define CHAOS_GUEST_FORK_T_H

#include <stdbool.h>
#include <stdint.h>

struct guest;
struct xen_grants;

struct fork_end {
	uint32_t seen;	      /* the last request that was answered, or is not to be */
	struct guest *parent; /* NULL: it is no child */
	struct guest *child;  /* utlist head: children that live */
	struct guest *sibling_next, *sibling_prev; /* of its parent's; or of the orphans */
	bool orphan;				   /* its parent is gone: it is to be destroyed */
	struct xen_grants *grants; /* its table, mapped at its first child; or NULL */
};

#endif
