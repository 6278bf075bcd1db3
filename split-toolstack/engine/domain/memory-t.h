/* SPDX-License-Identifier: BSD-3-Clause */
/* What waits for memory that destroys under way will give back: it embeds one. The functions are in
 * memory.h. */
#ifndef CHAOS_ENGINE_MEMORY_T_H
#define CHAOS_ENGINE_MEMORY_T_H

#include <stdint.h>

/* Embedded in what waits. */
struct memory_wait {
	void (*again)(struct memory_wait *m);
	uint64_t until; /* the destroy that it waits for and all before it; 0: for none */
	struct memory_wait *next, *prev;
};

#endif
