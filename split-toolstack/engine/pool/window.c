/* SPDX-License-Identifier: BSD-3-Clause */
/* Pages of shells that stay mapped, so that a claim only copies. A large window is unmapped on the
 * worker, before it destroys the domain: unmapping takes as long as copying. */
#include <stdlib.h>

#include <utlist.h>

#include "split-toolstack/engine/engine-t.h"
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
	bool large = d->window_pages > WINDOW_PAGES && en->worker; /* none: the engine closes */
	struct window_job *j = large ? calloc(1, sizeof(*j)) : NULL;

	if (!j) {
		dom_window_close(en->x, d);
		return;
	}
	j->job.work = window_work;
	j->job.done = window_done;
	j->dom.window = d->window;
	j->dom.window_pages = d->window_pages;
	d->window = NULL;
	d->window_pages = 0;
	worker_push(en->worker, WORKER_DESTROYS, &j->job);
}

void window_close_now(struct engine *en, struct window *w, struct dom *d)
{
	if (w->dom)
		DL_DELETE(en->pool->windows, w);
	w->dom = NULL;
	window_close(en, d);
}

void window_close_later(struct engine *en, struct window *w, struct dom *d)
{
	if (!d->window || w->dom)
		return;
	w->dom = d;
	DL_APPEND(en->pool->windows, w);
}

void windows_close(struct engine *en)
{
	while (en->pool->windows) {
		struct window *w = en->pool->windows;
		struct dom *d = w->dom; /* never NULL of one that is listed */

		if (d)
			window_close_now(en, w, d);
		else
			DL_DELETE(en->pool->windows, w);
	}
}
