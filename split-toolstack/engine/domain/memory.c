/* SPDX-License-Identifier: BSD-3-Clause */
/* Builds and destroys have a thread each: a build that lacks memory waits for the destroys that
 * give it back. */
#include "split-toolstack/engine/domain/memory.h"

#include <utlist.h>

#include "split-toolstack/engine/engine-t.h"
#include "split-toolstack/engine/services/worker.h"

void memory_open(struct engine *en, void (*came)(struct engine *en))
{
	en->memory.came = came;
}

static bool any_under_way(const struct engine *en)
{
	return en->memory.begun != en->memory.ended;
}

bool memory_is_coming(struct engine *en, uint64_t kib)
{
	uint64_t free_pages;

	return any_under_way(en) && xen_free_pages(en->x, &free_pages) == 0 && kib / 4 > free_pages;
}

uint64_t memory_youngest(const struct engine *en)
{
	return any_under_way(en) ? en->memory.begun : 0;
}

/* Destroys end in the order in which they were handed over. */
static bool still_under_way(const struct engine *en, uint64_t nr)
{
	return en->memory.ended < nr;
}

void memory_wait(struct engine *en, struct memory_wait *m)
{
	if (still_under_way(en, m->until)) {
		DL_APPEND(en->memory.waits, m);
		worker_hurry(en->worker);
	} else {
		m->again(m);
	}
}

void memory_build_begins(struct engine *en)
{
	en->memory.builds++;
}

void memory_build_ends(struct engine *en)
{
	en->memory.builds--;
}

uint32_t memory_builds(const struct engine *en)
{
	return en->memory.builds;
}

void memory_begins(struct engine *en)
{
	en->memory.begun++;
}

void memory_promise(struct engine *en, uint64_t pages)
{
	en->memory.promised += pages;
}

uint64_t memory_promised(const struct engine *en)
{
	return en->memory.promised;
}

void memory_came(struct engine *en, uint64_t pages)
{
	struct memory_wait *m = NULL;
	struct memory_wait *next = NULL;

	en->memory.promised -= pages;
	en->memory.ended++;
	DL_FOREACH_SAFE(en->memory.waits, m, next)
	{
		if (still_under_way(en, m->until))
			continue;
		DL_DELETE(en->memory.waits, m);
		m->again(m);
	}
	en->memory.came(en); /* a shell may have had no room */
}
