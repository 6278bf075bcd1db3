/* SPDX-License-Identifier: BSD-3-Clause */
/* Pages of shells that stay mapped, so that a claim only copies. A large window is unmapped on
 * the worker, before the domain is destroyed: unmapping takes as long as copying. */
#include <stdlib.h>

#include <utlist.h>

#include "split-toolstack/engine/parts/parts.h"
#include "split-toolstack/engine/pool/pool-t.h"
#include "split-toolstack/engine/pool/window-t.h"
#include "split-toolstack/engine/services/worker.h"

struct window_job {
	struct worker_job job;
	struct dom dom; /* no more than its window */
};

static void window_work(struct worker_job *job, struct xen *x)
{
	dom_window_close(x, &((struct window_job *)job)->dom);
}

static void window_done(struct worker_job *job)
{
	free(job);
}

void window_close(struct engine *en, struct dom *d)
{
	bool large = dom_window_pages(d) > WINDOW_PAGES &&
		     engine_worker(en); /* none: the engine closes */
	struct window_job *j = large ? calloc(1, sizeof(*j)) : NULL;

	if (!j) {
		dom_window_close(engine_xen(en), d);
		return;
	}
	j->job.work = window_work;
	j->job.done = window_done;
	dom_window_move(&j->dom, d);
	worker_push(engine_worker(en), WORKER_DESTROYS, &j->job);
}

void window_keep(struct engine *en, struct window *w)
{
	if (w->dom)
		DL_DELETE(engine_pool(en)->windows, w);
	w->dom = NULL;
}

void window_close_now(struct engine *en, struct window *w, struct dom *d)
{
	window_keep(en, w);
	window_close(en, d);
}

void window_close_later(struct engine *en, struct window *w, struct dom *d)
{
	if (!dom_window_pages(d) || w->dom)
		return;
	w->dom = d;
	DL_APPEND(engine_pool(en)->windows, w);
}

void windows_close(struct engine *en)
{
	while (engine_pool(en)->windows) {
		struct window *w = engine_pool(en)->windows;
		struct dom *d = w->dom; /* never NULL of one that is listed */

		if (d)
			window_close_now(en, w, d);
		else
			DL_DELETE(engine_pool(en)->windows, w);
	}
}
