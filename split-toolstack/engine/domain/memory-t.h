/* SPDX-License-Identifier: BSD-3-Clause */
/* The structure that a user of memory.h embeds to wait for memory. */
#ifndef CHAOS_ENGINE_MEMORY_T_H
#define CHAOS_ENGINE_MEMORY_T_H

#include <stdint.h>

/* Embedded in the structure that waits. */
struct memory_wait {
	void (*again)(struct memory_wait *m);
	uint64_t until; /* waits for this destroy and all before it; 0: does not wait */
	struct memory_wait *next, *prev;
};

#endif
