/* SPDX-License-Identifier: BSD-3-Clause */
/* Copies a VM while it runs, in rounds: the client begins the next one when the target has read the
 * last. */
#include <errno.h>

#include "split-toolstack/engine/life/life-t.h"
#include "split-toolstack/engine/life/saving.h"
#include "split-toolstack/engine/life/streams-t.h"
#include "split-toolstack/engine/life/streams.h"
#include "split-toolstack/engine/life/verbs.h"
#include "split-toolstack/engine/parts/parts.h"
#include "split-toolstack/engine/vm/parts.h"
#include "split-toolstack/engine/vm/state.h"

/* From the first round on Xen logs which pages the VM writes, until the VM is stopped and
 * everything is written, or until the VM continues. Then a thread or the loop switches the log off.
 * If the daemon is killed meanwhile, the next one finds the record of a save and switches it off
 * (rest.c). */

void rounds_begin(struct vm_save *s)
{
	s->phase = ROUNDS;
	save_push(s);
}

int rounds_work(struct vm_save *s, struct xen *x, struct err *e)
{
	int rc;

	if (s->live)
		rc = live_look(x, s->live, &s->round, e);
	else
		rc = live_begin(x, &s->source, s->owner, s->owner_bytes, &s->file, &s->live_st,
				&s->live, e);
	s->enough = rc == 1;
	return rc == 0 ? live_round(x, s->live, &s->round, e) : rc < 0 ? rc : 0;
}

int rounds_over(struct vm *vm, const struct life_news *n)
{
	struct vm_save *s = vm_life(vm)->save;
	struct err e = *n->e;
	int rc = n->rc;

	if (rc == 0 && transfer_is_cancelled(&s->file))
		rc = err_set(&e, ECANCELED, "the migration of \"%s\" was cancelled", vm_name(vm));
	if (rc == 0 && s->enough && s->suspended)
		save_begin_writing(vm);
	else if (rc == 0 && s->enough)
		rc = save_begin_rest(vm, &e);
	else if (rc == 0)
		s->on_round(s->arg, &s->round); /* may end the save */
	if (rc < 0)
		save_go_on(vm, rc, &e);
	return 0;
}

/* --- mapped pages --- */

static void free_work(struct worker_job *job, struct xen *x)
{
	struct vm_save *s = (struct vm_save *)job;

	while (x && s->live && live_unmap(x, s->live))
		streams_breathe(s->en);
	while (x && s->left) {
		if (!save_unmap(x, s->left))
			s->left = NULL;
		streams_breathe(s->en);
	}
}

static void free_done(struct worker_job *job)
{
	struct vm_save *s = (struct vm_save *)job;

	while (s->live && live_unmap(engine_xen(s->en), s->live)) /* without a handle of Xen */
		;
	while (save_unmap(engine_xen(s->en), s->left))
		;
	s->left = NULL;
	live_free(s->live);
	s->live = NULL;
	save_free(s);
}

bool rounds_free_later(struct vm_save *s)
{
	if (!s->live && !s->left)
		return false;
	s->job = (struct worker_job){.work = free_work, .done = free_done};
	if (engine_streams(s->en)->closing)
		free_done(&s->job);
	else
		worker_push(engine_worker(s->en), WORKER_STREAMS, &s->job);
	return true;
}
