/* SPDX-License-Identifier: BSD-3-Clause */
/* Pages of shells that stay mapped, so that a claim only copies. A large mapping is unmapped on
 * the worker, before the domain is destroyed: unmapping takes as long as copying. */
#include <stdlib.h>

#include <utlist.h>

#include "split-toolstack/engine/parts/parts.h"
#include "split-toolstack/engine/pool/pool-t.h"
#include "split-toolstack/engine/pool/mapping-t.h"
#include "split-toolstack/engine/services/worker.h"

struct mapping_job {
	struct worker_job job;
	struct dom dom; /* no more than what is mapped */
};

static void mapping_work(struct worker_job *job, struct xen *x)
{
	dom_window_close(x, &((struct mapping_job *)job)->dom);
}

static void mapping_done(struct worker_job *job)
{
	free(job);
}

void mapping_close(struct engine *en, struct dom *d)
{
	bool large = dom_window_pages(d) > WINDOW_PAGES &&
		     engine_worker(en); /* none: the engine closes */
	struct mapping_job *j = large ? calloc(1, sizeof(*j)) : NULL;

	if (!j) {
		dom_window_close(engine_xen(en), d);
		return;
	}
	j->job.work = mapping_work;
	j->job.done = mapping_done;
	dom_window_move(&j->dom, d);
	worker_push(engine_worker(en), WORKER_DESTROYS, &j->job);
}

void mapping_keep(struct engine *en, struct mapping *w)
{
	if (w->dom)
		DL_DELETE(engine_pool(en)->mappings, w);
	w->dom = NULL;
}

void mapping_close_now(struct engine *en, struct mapping *w, struct dom *d)
{
	mapping_keep(en, w);
	mapping_close(en, d);
}

void mapping_close_later(struct engine *en, struct mapping *w, struct dom *d)
{
	if (!dom_window_pages(d) || w->dom)
		return;
	w->dom = d;
	DL_APPEND(engine_pool(en)->mappings, w);
}

void mappings_close(struct engine *en)
{
	while (engine_pool(en)->mappings) {
		struct mapping *w = engine_pool(en)->mappings;
		struct dom *d = w->dom; /* never NULL of one that is listed */

		if (d)
			mapping_close_now(en, w, d);
		else
			DL_DELETE(engine_pool(en)->mappings, w);
	}
}
