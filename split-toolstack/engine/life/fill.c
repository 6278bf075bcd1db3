/* SPDX-License-Identifier: BSD-3-Clause */
/* The domain of a VM that is made from a file: made or taken from the pool, and filled by a thread.
 */
#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <utlist.h>

#include "libdom/template.h"
#include "split-toolstack/engine/domain/map.h"
#include "split-toolstack/engine/domain/memory.h"
#include "split-toolstack/engine/guest/control.h"
#include "split-toolstack/engine/guest/guest_start.h"
#include "split-toolstack/engine/guest/guest_store.h"
#include "split-toolstack/engine/life/life-t.h"
#include "split-toolstack/engine/life/life.h"
#include "split-toolstack/engine/life/restore.h"
#include "split-toolstack/engine/life/restoring.h"
#include "split-toolstack/engine/life/streams-t.h"
#include "split-toolstack/engine/life/streams.h"
#include "split-toolstack/engine/life/verbs.h"
#include "split-toolstack/engine/parts/parts.h"
#include "split-toolstack/engine/pool/pool.h"
#include "split-toolstack/engine/services/idle.h"
#include "split-toolstack/engine/vm/changes.h"
#include "split-toolstack/engine/vm/parts.h"
#include "split-toolstack/engine/vm/record.h"
#include "split-toolstack/engine/vm/state.h"
#include "split-toolstack/engine/vm/vm.h"

/* --- on a thread --- */

static int check_file(struct vm_restore *r, struct xen *x, struct err *e)
{
	int rc = 0;

	if (!r->stream)
		rc = r->on_round ? save_open_moving(x, &r->file, &r->stream, e)
				 : save_open(x, &r->file, &r->stream, e);
	/* A large file is read only once, so damage is found when the domain exists, but before it
	 * has run. */
	return rc == 0 && save_is_small(r->stream) ? save_verify(r->stream, e) : rc;
}

static int prepare(struct vm *vm, struct vm_restore *r, struct xen *x, struct err *e)
{
	const struct vm_config *c = vm_cfg(vm);
	struct dom_spec spec = {.weight = c->weight, .cap = c->cap, .cpus = c->cpus};

	save_spec(r->stream, &spec);
	memcpy(spec.uuid, vm_uuid_bytes(vm), sizeof(spec.uuid));
	spec.domid = vm_slot_domid(vm);
	return dom_prepare(x, &spec, NULL, vm_change_dom(vm), e);
}

/* The domain exists: its pages are read. r->more: one round of them. */
static int fill_domain(struct vm_restore *r, struct xen *x, struct err *e)
{
	struct vm *vm = r->vm;
	struct dom *d = vm_change_dom(vm);
	int rc = live_is(r->stream) ? live_read(x, r->stream, d, &r->round, e) : 0;

	r->more = rc == 1;
	if (rc != 0)
		return rc < 0 ? rc : 0;
	if (save_info(r->stream)->linux_guest) {
		if (!r->of) /* several copies may be filled from one state */
			save_leave_mapped(r->stream);
		if ((r->wakes && !(r->flags & VM_WAKE_SET_BACK)) || r->flags & VM_CREATE_ARRIVING)
			save_keep_generation(r->stream);
		rc = guest_store_ports(x, d->domid, false, &d->console_port, &d->store_port, e);
		vm_given_ports(vm, d->console_port, d->store_port);
	}
	return rc < 0 ? rc : save_restore(x, r->stream, d, &r->st, e);
}

static int fill(struct vm_restore *r, struct xen *x, struct err *e)
{
	struct vm *vm = r->vm;
	int rc = 0;

	if (!r->stream) { /* the file of a VM that is asleep */
		rc = check_file(r, x, e);
		if (rc == 0)
			rc = wake_check_file(r, e);
	}
	if (rc == 0 && !r->claimed && !r->prepared)
		rc = prepare(vm, r, x, e);
	if (rc < 0)
		return rc;
	r->prepared = true;
	rc = fill_domain(r, x, e);
	while (rc < 0 && save_unmap_restored(x, r->stream)) /* the domain will be destroyed */
		;
	if (rc < 0 && !r->claimed)
		(void)dom_destroy(x, vm_change_dom(vm), NULL);
	return rc;
}

static void job_work(struct worker_job *job, struct xen *x)
{
	struct vm_restore *r = (struct vm_restore *)job;

	if (!x)
		r->rc = streams_no_handle(&r->err);
	else
		r->rc = r->vm ? fill(r, x, &r->err) : check_file(r, x, &r->err);
}

/* --- on the loop --- */

static void unmap_work(struct worker_job *job, struct xen *x)
{
	struct vm_restore *r = (struct vm_restore *)job;

	while (x && save_unmap_restored(x, r->stream))
		streams_breathe(r->en);
}

static void unmap_done(struct worker_job *job)
{
	struct vm_restore *r = (struct vm_restore *)job;

	while (save_unmap_restored(engine_xen(r->en), r->stream)) /* without a handle of Xen */
		;
	restore_free(r);
}

/* On a thread, in small steps, so that the start of the guest is not delayed. */
static bool unmap_later(struct vm_restore *r)
{
	if (r->unmapping || !r->stream || !save_is_mapped(r->stream))
		return false;
	r->unmapping = true;
	r->job = (struct worker_job){.work = unmap_work, .done = unmap_done};
	if (engine_streams(r->en)->closing)
		unmap_done(&r->job);
	else
		worker_push(engine_worker(r->en), WORKER_STREAMS, &r->job);
	return true;
}

void restore_free(struct vm_restore *r)
{
	struct engine *en = r->en;
	bool mine = !r->of; /* the file and the counted stream belong to this job */

	if (mine && r->file.fd >= 0)
		stream_close(en, &r->file); /* the process that writes it may wait for this */
	if (unmap_later(r))
		return;
	DL_DELETE(engine_streams(en)->restores, r);
	if (mine) {
		save_close(r->stream);
	} else {
		template_put(r->of);
	}
	free(r);
	if (mine)
		streams_give(en);
}

static void built(struct vm_restore *r)
{
	const struct life_news n = {.rc = r->rc, .e = &r->err};
	struct vm *vm = r->vm;

	if (r->counted)
		memory_build_ends(r->en);
	r->counted = false;
	/* sends the answer, unless it waits until the guest is ready */
	(void)life_event(vm, LIFE_BUILT, &n);
	if (r->fn) /* then filled() is called later */
		r->vm = NULL;
	else
		restore_free(r);
}

/* Tries again, after the pool has released its memory. */
static bool squeeze(struct vm_restore *r)
{
	if (r->rc != -ENOMEM || r->squeezed)
		return false;
	r->squeezed = true;
	return pool_drop(r->en);
}

static bool lacks_memory(const struct vm_restore *r)
{
	return r->rc == -ENOMEM && !r->claimed && !r->prepared && !life_is_over(r->vm);
}

static void job_done(struct worker_job *job)
{
	struct vm_restore *r = (struct vm_restore *)job;

	if (r->rc == 0 && r->more) { /* also if it was cancelled: the thread cleans up */
		r->more = false;
		r->on_round(r->arg, r->round);
		worker_push(engine_worker(r->en), WORKER_STREAMS, job);
		return;
	}
	if (r->rc == 0 && transfer_is_cancelled(&r->file))
		r->rc = err_set(&r->err, ECANCELED, "the restore was cancelled");
	if (!r->vm) {
		r->checked(r);
	} else if (lacks_memory(r) && memory_wait_helps(&r->wait)) {
		memory_wait(r->en, &r->wait);
	} else if (!life_is_over(r->vm) && !r->claimed && !r->prepared &&
		   ((r->rc == -EEXIST && life_other_slot(r->vm, &r->err)) || squeeze(r))) {
		r->err = (struct err){0};
		worker_push(engine_worker(r->en), WORKER_STREAMS, job);
	} else {
		built(r);
	}
}

/* The destroys that were under way have given their memory back: it is not waited for again. */
static void fill_with_memory(struct memory_wait *m)
{
	struct vm_restore *r =
		(struct vm_restore *)(void *)((char *)m - offsetof(struct vm_restore, wait));

	r->rc = 0;
	r->err = (struct err){0};
	if (life_is_over(r->vm))
		job_done(&r->job);
	else
		worker_push(engine_worker(r->en), WORKER_STREAMS, &r->job);
}

/* Starts now, or when destroys under way have freed the memory that is missing. */
static void push_fill(struct vm_restore *r)
{
	struct engine *en = r->en;

	memory_build_begins(en);
	r->counted = true;
	if (!r->claimed) {
		memory_wait_init(en, &r->wait, fill_with_memory);
	}
	if (memory_wait_helps(&r->wait) && memory_is_coming(en, vm_cfg(r->vm)->mem_kib))
		memory_wait(en, &r->wait);
	else
		worker_push(engine_worker(en), WORKER_STREAMS, &r->job);
}

/* A domain that takes little time is made and filled here, on the loop. */
static bool is_short(const struct vm_restore *r)
{
	if (r->claimed && r->stream && save_is_read(r->stream) &&
	    vm_cfg(r->vm)->mem_kib <= INLINE_MEM_KIB)
		return true;
	return r->of && dom_template_writes(r->stream) <= TEMPLATE_SHORT_PAGES &&
	       (r->claimed || (vm_cfg(r->vm)->mem_kib <= INLINE_MEM_KIB &&
			       !memory_is_coming(r->en, vm_cfg(r->vm)->mem_kib)));
}

/* There is no stream: the VM is asleep as before. */
static bool is_noxs(const struct vm_restore *r, const struct vm *vm)
{
	return r->stream ? !save_info(r->stream)->linux_guest : vm_has_noxs(vm);
}

void restore_build(struct vm *vm, int rc, struct err *e)
{
	struct engine *en = vm_engine(vm);
	struct life *life = vm_life(vm);
	const struct vm_config *c = vm_cfg(vm);
	struct dom_spec spec = {
		.vcpus = vm_config_vcpus(c), .weight = c->weight, .cap = c->cap, .cpus = c->cpus};
	struct vm_restore *r = life->restore;

	r->vm = vm;
	life->t = (struct vm_timings){.why = ""};
	vm_given_ports(vm, 0, 0); /* otherwise these are the ports of its former domain */
	r->claimed = rc == 0 && c->spare_rings == 0 && is_noxs(r, vm) &&
		     vm_claim_shell(vm); /* may change its uuid */
	if (r->why)
		life->t.why = r->why;
	if (!r->wakes)
		vm_announce(vm, VM_EV_CREATED);
	life->create.slot_tries = 0;
	if (rc == 0 && r->claimed)
		rc = dom_schedule(engine_xen(en), vm_change_dom(vm), &spec, e);
	else if (rc == 0)
		rc = slot_take(engine_slots(en), true, vm_slot(vm), e);
	idle_later(engine_idle(en));
	if (rc == 0)
		rc = vm_record(vm, e);
	if (rc < 0) {
		r->rc = rc;
		r->err = *e;
		built(r);
		return;
	}
	if (!is_short(r)) {
		push_fill(r);
		return;
	}
	job_work(&r->job, engine_xen(en));
	/* no memory, or the id is used: tries again */
	if (r->rc < 0 && !r->claimed && !r->prepared) {
		r->rc = 0;
		r->err = (struct err){0};
		push_fill(r);
	} else {
		job_done(&r->job);
	}
}

bool restore_is_noxs(const struct vm *vm)
{
	return is_noxs(vm_known_life(vm)->restore, vm);
}

int restore_map(struct vm *vm, uint64_t *generation, struct err *e)
{
	int rc;

	mapping_close_later(vm_engine(vm), vm_mapping(vm), vm_change_dom(vm));
	rc = guest_new_generation(generation, e);
	return rc < 0 ? rc : vm_map_pages(vm, false, e);
}

void restore_cancel(struct vm *vm)
{
	struct life *life = vm_life(vm);

	transfer_cancel(&life->restore->file);
	if (!life->restore->vm) /* it was not placed yet, and is freed with its create */
		life->restore = NULL;
}

void restore_jobs(struct vm_restore *r)
{
	r->job = (struct worker_job){.work = job_work, .done = job_done};
}

/* Whether the file is in memory and small: sections of some KiB, and the pages. */
#define SHORT_FILE (2u << 20)

void restore_begin(struct vm_restore *r)
{
	restore_jobs(r);
	if (transfer_in_memory(&r->file, SHORT_FILE)) {
		r->rc = save_open(engine_xen(r->en), &r->file, &r->stream, &r->err);
		if (r->rc == 0 && save_is_small(r->stream)) /* the file may have grown */
			r->rc = save_verify(r->stream, &r->err);
		if (r->rc < 0 || save_is_read(r->stream)) {
			r->checked(r);
			return;
		}
	}
	worker_push(engine_worker(r->en), WORKER_STREAMS, &r->job);
}
