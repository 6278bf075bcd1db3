/* SPDX-License-Identifier: BSD-3-Clause */
/* Pages of shells that stay mapped, so that a claim only copies. A large window is unmapped on the
 * worker, before it destroys the domain: unmapping takes as long as copying. */
#include <stdlib.h>

#include <utlist.h>

#include "split-toolstack/engine/engine-t.h"
#include "split-toolstack/engine/pool/pool-t.h"
#include "split-toolstack/engine/services/worker.h"
#include "split-toolstack/engine/vm/vm-t.h"

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

void vm_close_window(struct vm *vm)
{
	if (vm->window_prev)
		DL_DELETE2(vm->en->pool->windows, vm, window_prev, window_next);
	vm->window_prev = NULL;
	window_close(vm->en, &vm->dom);
}

void vm_list_window(struct vm *vm)
{
	if (vm->dom.window && !vm->window_prev)
		DL_APPEND2(vm->en->pool->windows, vm, window_prev, window_next);
}

void windows_close(struct engine *en)
{
	while (en->pool->windows)
		vm_close_window(en->pool->windows);
}
