/* SPDX-License-Identifier: BSD-3-Clause */
/* The relations of a guest to its parent and its children; embedded by its VM. */
#ifndef CHAOS_GUEST_FORK_T_H
#define CHAOS_GUEST_FORK_T_H

#include <stdbool.h>
#include <stdint.h>

struct guest;
struct xen_grants;

struct fork_end {
	uint32_t seen;	      /* the last request that was answered, or must not be */
	struct guest *parent; /* NULL: it is not a child */
	struct guest *child;  /* utlist head: children that run */
	struct guest *sibling_next, *sibling_prev; /* children of its parent; or the orphans */
	bool orphan;				   /* its parent is gone: it must be destroyed */
	struct xen_grants *grants; /* its grant table, mapped for the first child; or NULL */
};

#endif
