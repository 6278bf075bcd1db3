/* SPDX-License-Identifier: BSD-3-Clause */
/* Memory that destroys under way will give back, as types: what waits for it embeds one. The
 * functions are in memory.h. */
#ifndef CHAOS_ENGINE_MEMORY_T_H
#define CHAOS_ENGINE_MEMORY_T_H

#include <stdint.h>

struct engine;

/* Embedded in what waits. */
struct memory_wait {
	void (*again)(struct memory_wait *m);
	uint64_t until; /* the destroy that it waits for and all before it; 0: for none */
	struct memory_wait *next, *prev;
};

/* memory.c's own. */
struct memory {
	uint64_t promised;		 /* pages that destroys under way will have given back */
	uint64_t begun, ended;		 /* destroys, ever */
	struct memory_wait *waits;	 /* utlist head: builds that wait for destroys */
	uint32_t builds;		 /* on the worker, or waiting */
	void (*came)(struct engine *en); /* called after them, for each destroy that ends */
};

#endif
