/* SPDX-License-Identifier: BSD-3-Clause */
/* Takes the state of a small VM that is blocked on the loop, without a thread. */
#include <utlist.h>

#include "libdom/template.h"
#include "split-toolstack/engine/devices/set.h"
#include "split-toolstack/engine/guest/control.h"
#include "split-toolstack/engine/life/saving.h"
#include "split-toolstack/engine/life/streams-t.h"
#include "split-toolstack/engine/life/streams.h"
#include "split-toolstack/engine/parts/parts.h"
#include "split-toolstack/engine/vm/parts.h"

int save_take_short(struct vm *vm, struct vm_save *s, struct err *e)
{
	int rc;

	if (!vm_has_noxs(vm) || !vm_map(vm) || (!s->bare && save_has_disks(vm)) ||
	    save_pages_touched(vm_map(vm) + 4096, vm_pages(vm)) > TEMPLATE_SHORT_PAGES)
		return 0;
	rc = save_pause_blocked(vm, s, e);
	if (rc != 1)
		return rc;
	if (!s->take)
		vm_look(vm); /* its console output until now belongs only to its own log */
	s->source.device = vm_map(vm);
	s->source.control = vm_map(vm) + 4096;
	/* The guest may have changed this number meanwhile: it is read again, once, because the
	 * guest is stopped now. */
	s->source.most = TEMPLATE_SHORT_PAGES;
	rc = dom_template_take(engine_xen(vm_engine(vm)), &s->source, &s->state, &s->st, e);
	s->source.most = 0;
	if (rc == -EFBIG) { /* a thread will do it */
		*e = (struct err){0};
		return 0;
	}
	return rc < 0 ? rc : 1;
}

/* --- saves after which the VM continues --- */

bool save_can_part(struct vm *vm, const struct vm_save *s)
{
	return s->flags & VM_SAVE_KEEP && !vm_has_devices(vm);
}

static void write_taken(struct worker_job *job, struct xen *x)
{
	struct vm_save *s = (struct vm_save *)job;

	(void)x;
	s->rc = dom_template_write(s->state, s->owner, s->owner_bytes, &s->file, &s->st, &s->err);
}

static void written(struct worker_job *job)
{
	struct vm_save *s = (struct vm_save *)job;

	s->phase = WRITTEN;
	DL_DELETE(engine_streams(s->en)->parted, s);
	save_answer(s, s->rc, &s->err);
	/* after the answer, because it takes time */
	dom_template_unmap(engine_xen(s->en), s->state);
	save_free(s);
}

void save_part(struct vm_save *s)
{
	s->vm = NULL;
	s->phase = WRITING;
	s->job = (struct worker_job){.work = write_taken, .done = written};
	DL_APPEND(engine_streams(s->en)->parted, s);
	worker_push(engine_worker(s->en), WORKER_STREAMS, &s->job);
}

bool save_end_parted(struct engine *en, stream_id id, bool taken)
{
	struct vm_save *s;

	DL_SEARCH_SCALAR(engine_streams(en)->parted, s, id, id);
	if (s && !taken)
		transfer_cancel(&s->file);
	return s != NULL;
}

void saves_close_parted(struct engine *en)
{
	for (struct vm_save *s = engine_streams(en)->parted; s; s = s->next)
		transfer_cancel(&s->file);
}
