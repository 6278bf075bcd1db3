/* SPDX-License-Identifier: BSD-3-Clause */
/* Builds and destroys have separate threads: a build that lacks memory waits for the destroys
 * that will free it. */
#include "split-toolstack/engine/domain/memory.h"

#include <errno.h>
#include <stdlib.h>

#include <utlist.h>

#include "split-toolstack/engine/parts/parts.h"
#include "split-toolstack/engine/services/worker.h"

struct memory {
	uint64_t promised;		 /* pages that destroys under way will have given back */
	uint64_t begun, ended;		 /* destroys, ever */
	struct memory_wait *waits;	 /* utlist head: builds that wait for destroys */
	uint32_t builds;		 /* on the worker, or waiting */
	void (*came)(struct engine *en); /* called after them, for each destroy that ends */
};

int memory_open(struct engine *en, void (*came)(struct engine *en), struct err *e)
{
	struct memory *m = calloc(1, sizeof(*m));

	if (!m)
		return err_set(e, ENOMEM, "out of memory");
	m->came = came;
	engine_set_memory(en, m);
	return 0;
}

void memory_close(struct engine *en)
{
	free(engine_memory(en));
	engine_set_memory(en, NULL);
}

static bool any_under_way(const struct engine *en)
{
	return engine_memory(en)->begun != engine_memory(en)->ended;
}

bool memory_is_coming(struct engine *en, uint64_t kib)
{
	uint64_t free_pages;

	return any_under_way(en) && xen_free_pages(engine_xen(en), &free_pages) == 0 &&
	       kib / 4 > free_pages;
}

void memory_wait_init(struct engine *en, struct memory_wait *m,
		      void (*again)(struct memory_wait *m))
{
	m->again = again;
	m->until = any_under_way(en) ? engine_memory(en)->begun : 0;
}

bool memory_wait_helps(const struct memory_wait *m)
{
	return m->until != 0;
}

static void wait_over(struct memory_wait *m)
{
	m->until = 0;
	m->again(m);
}

/* Destroys end in the order in which they were pushed. */
static bool still_under_way(const struct engine *en, uint64_t nr)
{
	return engine_memory(en)->ended < nr;
}

void memory_wait(struct engine *en, struct memory_wait *m)
{
	if (still_under_way(en, m->until)) {
		DL_APPEND(engine_memory(en)->waits, m);
		worker_hurry(engine_worker(en));
	} else {
		wait_over(m);
	}
}

void memory_build_begins(struct engine *en)
{
	engine_memory(en)->builds++;
}

void memory_build_ends(struct engine *en)
{
	engine_memory(en)->builds--;
}

uint32_t memory_builds(const struct engine *en)
{
	return engine_memory(en)->builds;
}

void memory_begins(struct engine *en)
{
	engine_memory(en)->begun++;
}

void memory_promise(struct engine *en, uint64_t pages)
{
	engine_memory(en)->promised += pages;
}

uint64_t memory_promised(const struct engine *en)
{
	return engine_memory(en)->promised;
}

void memory_came(struct engine *en, uint64_t pages)
{
	struct memory_wait *m = NULL;
	struct memory_wait *next = NULL;

	engine_memory(en)->promised -= pages;
	engine_memory(en)->ended++;
	DL_FOREACH_SAFE(engine_memory(en)->waits, m, next)
	{
		if (still_under_way(en, m->until))
			continue;
		DL_DELETE(engine_memory(en)->waits, m);
		wait_over(m);
	}
	engine_memory(en)->came(en); /* a shell may have had no room */
}
