/* SPDX-License-Identifier: BSD-3-Clause */
/* Builds and destroys have a thread each: a build that lacks memory waits for the destroys that
 * give it back. */
#include "split-toolstack/engine/private.h"

static bool any_under_way(const struct engine *en)
{
	return en->drops_begun != en->drops_ended;
}

bool memory_is_coming(struct engine *en, uint64_t kib)
{
	uint64_t free_pages;

	return any_under_way(en) && xen_free_pages(en->x, &free_pages) == 0 && kib / 4 > free_pages;
}

uint64_t memory_youngest(const struct engine *en)
{
	return any_under_way(en) ? en->drops_begun : 0;
}

/* Destroys end in the order in which they were handed over. */
static bool still_under_way(const struct engine *en, uint64_t nr)
{
	return en->drops_ended < nr;
}

void memory_wait(struct engine *en, struct memory_wait *m)
{
	if (still_under_way(en, m->until)) {
		DL_APPEND(en->lacks_memory, m);
		worker_hurry(en);
	} else {
		m->again(m);
	}
}

void memory_came(struct engine *en)
{
	struct memory_wait *m = NULL;
	struct memory_wait *next = NULL;

	en->drops_ended++;
	DL_FOREACH_SAFE(en->lacks_memory, m, next)
	{
		if (still_under_way(en, m->until))
			continue;
		DL_DELETE(en->lacks_memory, m);
		m->again(m);
	}
	pool_idle_soon(en); /* a shell may have had no room */
}
