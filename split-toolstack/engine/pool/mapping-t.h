/* SPDX-License-Identifier: BSD-3-Clause */
/* Pages of a claimed shell that are still mapped; embedded by the VM that took it. */
#ifndef CHAOS_POOL_MAPPING_T_H
#define CHAOS_POOL_MAPPING_T_H

struct dom;

struct mapping {
	struct mapping *next, *prev; /* list of those that are unmapped in idle time */
	struct dom *dom;	     /* NULL: not in that list */
};

#endif
