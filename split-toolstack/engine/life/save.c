/* SPDX-License-Identifier: BSD-3-Clause */
/* Saves: the guest is stopped, threads write it, and it ends or continues. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "libdom/template.h"
#include "split-toolstack/engine/devices/set.h"
#include "split-toolstack/engine/guest/control.h"
#include "split-toolstack/engine/guest/guest_store.h"
#include "split-toolstack/engine/life/life-t.h"
#include "split-toolstack/engine/life/life.h"
#include "split-toolstack/engine/life/saving.h"
#include "split-toolstack/engine/life/streams.h"
#include "split-toolstack/engine/life/verbs.h"
#include "split-toolstack/engine/parts/parts.h"
#include "split-toolstack/engine/services/deaths.h"
#include "split-toolstack/engine/services/worker.h"
#include "split-toolstack/engine/vm/changes.h"
#include "split-toolstack/engine/vm/parts.h"
#include "split-toolstack/engine/vm/record.h"
#include "split-toolstack/engine/vm/state.h"
#include "split-toolstack/engine/vm/vm.h"
#include "split-toolstack/engine/vm/vms.h"

#include <xen/sched.h> /* behind xenctrl.h */

/* The thread has its own mappings, so the VM can be destroyed meanwhile: Xen keeps the domain until
 * they are unmapped (domain/drop.c waits for that). The thread ends as soon as it finds the save
 * cancelled. */

/* --- on a thread --- */

static int write_domain(struct vm_save *s, struct xen *x, struct err *e)
{
	void *at = NULL;
	int rc = s->source.linux_guest ? 0 : xen_map(x, s->source.domid, false, 2, s->frame, &at);

	if (rc < 0)
		return err_sys(e, -rc, "map device and control page of domain %u", s->source.domid);
	if (at) {
		s->source.device = at;
		s->source.control = (uint8_t *)at + 4096;
	}
	if (s->phase == ROUNDS)
		rc = rounds_work(s, x, e);
	else if (s->live)
		rc = live_end(x, s->live, &s->st, e);
	else if (s->take)
		rc = dom_template_take(x, &s->source, &s->state, &s->st, e);
	else
		rc = save_write(x, &s->source, s->owner, s->owner_bytes, &s->file, &s->st, e);
	if (s->state)
		dom_template_unmap(x, s->state);
	/* The domain is still the VM's, because its pages are mapped. If the save is cancelled, the
	 * loop does this, too, perhaps before this thread has begun. */
	if (s->live && (s->phase == WRITING || rc < 0 || transfer_is_cancelled(&s->file)))
		(void)xen_dirty_stop(x, s->source.domid);
	xen_unmap(x, at, 2);
	return rc;
}

static void job_work(struct worker_job *job, struct xen *x)
{
	struct vm_save *s = (struct vm_save *)job;

	/* the domain may have been removed, and its id reused */
	if (transfer_is_cancelled(&s->file))
		s->rc = err_set(&s->err, ECANCELED, "the save was cancelled");
	else
		s->rc = !x		      ? streams_no_handle(&s->err)
			: s->phase == WRITING ? save_sync_disks(s, &s->err)
					      : 0;
	if (s->rc == 0)
		s->rc = write_domain(s, x, &s->err);
}

/* --- on the loop --- */

void save_free(struct vm_save *s)
{
	struct engine *en = s->en;
	bool mine;

	if (s->file.fd >= 0) { /* otherwise the owner of the take has counted it */
		s->counted = true;
		stream_close(en, &s->file); /* the process that reads it may wait for this */
	}
	if (rounds_free_later(s))
		return;
	save_close(s->state);
	save_forget_disks(s);
	taken_disks_free(s->disks);
	mine = s->counted;
	free(s->owner);
	free(s);
	if (mine)
		streams_give(en);
}

void save_answer(struct vm_save *s, int rc, const struct err *e)
{
	struct save_stream *t = s->state;
	struct taken_disks *disks = s->disks;
	vm_take_fn *take = s->take;
	vm_save_fn *fn = s->fn;
	uint64_t now = clock_ns();
	struct stream_stats st = {.stopped_ns = s->stopped_ns ? s->stopped_ns : now - s->stop_ns,
				  .total_ns = now - s->start_ns};

	if (s->phase == WRITTEN) { /* otherwise a thread writes the numbers */
		st.bytes = s->st.bytes;
		st.pages = s->st.pages;
		st.present = s->st.present;
	}
	s->fn = NULL;
	if (fn)
		fn(s->arg, rc, &st, e);
	if (!take || s->taken)
		return;
	s->taken = true;
	if (rc == 0) {
		s->state = NULL;
		s->disks = NULL;
	}
	take(s->arg, rc, rc == 0 ? t : NULL, rc == 0 ? disks : NULL, &st, e);
}

/* Separates the save from the VM. A thread that still works on it ends soon. */
void save_detach(struct vm_save *s, int rc, const struct err *e)
{
	bool writing = s->busy;

	transfer_cancel(&s->file);
	vm_life(s->vm)->save = NULL;
	control_still(s->vm, false);
	s->vm = NULL;
	save_answer(s, rc, e);
	if (!writing)
		save_free(s);
}

static int resume_guest(struct vm *vm, const struct vm_save *s)
{
	struct engine *en = vm_engine(vm);
	int rc = vm_check_domain(vm);

	if (rc == 0 && s->on_round)
		(void)xen_dirty_stop(engine_xen(en), vm_domid(vm));
	if (rc == 0 && s->suspended && s->was == NOW_PAUSED && !s->paused)
		rc = xen_domain_pause(engine_xen(en), vm_domid(vm));
	if (!vm_has_noxs(vm))
		guest_store_suspended(vm);
	if (rc == 0 && s->suspended)
		rc = xen_domain_resume(engine_xen(en), vm_domid(vm));
	if (rc == 0 && s->paused)
		rc = xen_domain_unpause(engine_xen(en), vm_domid(vm));
	return rc;
}

static void unpause_failed(struct vm *vm, int rc)
{
	log_line(LOG_ERROR,
		 "op=save dom=%u name=%s: unpause: %s; it stays paused: \"chaos unpause "
		 "%s\" tries again",
		 vm_domid(vm), vm_name(vm), strerror(-rc), vm_name(vm));
	life_go(vm, NOW_PAUSED);
}

/* The VM continues in the state before the save. If that fails, the state that it has is shown and
 * recorded. */
void save_go_on(struct vm *vm, int rc, const struct err *e)
{
	struct vm_save *s = vm_life(vm)->save;
	int gone = resume_guest(vm, s);

	life_timer_stop(vm);
	life_go(vm, s->was);
	vm_unsee(vm);
	if (gone == -ESRCH) {
		deaths_hint(engine_deaths(vm_engine(vm))); /* this is noticed like any other end */
	} else if (gone < 0 && s->suspended) {
		life_resume_later(vm, gone);
	} else if (gone < 0) {
		unpause_failed(vm, gone);
	}
	life_record(vm);
	save_detach(s, rc, e);
	vm_announce(vm, life_now(vm) == NOW_PAUSED ? VM_EV_PAUSED : VM_EV_UNPAUSED);
	vm_look(vm);
}

static void job_done(struct worker_job *job)
{
	struct vm_save *s = (struct vm_save *)job;
	struct vm *vm = s->vm;
	const struct life_news n = {.rc = s->rc, .e = &s->err};

	s->busy = false;
	if (s->phase == WRITING)
		s->phase = WRITTEN;
	if (vm)
		(void)life_event(vm, LIFE_WRITTEN, &n);
	else
		save_free(s);
}

struct worker_job save_job(void)
{
	return (struct worker_job){.work = job_work, .done = job_done};
}

int life_written(struct vm *vm, const struct life_news *n)
{
	struct vm_save *s = vm_life(vm)->save;
	struct err e = *n->e;
	int rc = n->rc;

	if (s->phase == ROUNDS)
		return rounds_over(vm, n);
	if (rc == 0 && transfer_is_cancelled(&s->file))
		rc = err_set(&e, ECANCELED, "the save of \"%s\" was cancelled", vm_name(vm));
	if (rc < 0 || s->flags & VM_SAVE_KEEP)
		save_go_on(vm, rc, &e);
	else
		save_answer(s, 0, NULL);
	return 0;
}

/* From now on the pages do not change. */
void save_begin_writing(struct vm *vm)
{
	struct vm_save *s = vm_life(vm)->save;

	life_timer_stop(vm);
	control_still(vm, true);
	s->phase = WRITING;
	save_push(s);
}

void save_push(struct vm_save *s)
{
	s->busy = true;
	worker_push(engine_worker(s->en), WORKER_STREAMS, &s->job);
}

static int begin(struct vm *vm, struct vm_save *s, struct err *e)
{
	int rc = save_rest(vm, s, e);

	if (rc == 1)
		save_begin_writing(vm);
	return rc < 0 ? rc : 0;
}

int save_begin_rest(struct vm *vm, struct err *e)
{
	struct vm_save *s = vm_life(vm)->save;

	s->phase = RESTING;
	s->rest_until = ev_now(engine_loop(vm_engine(vm))) + REST_S;
	s->stop_ns = clock_ns();
	return begin(vm, s, e);
}

int life_save_time(struct vm *vm, const struct life_news *n)
{
	struct vm_save *s = vm_life(vm)->save;
	struct err e = {0};
	int rc;

	(void)n;
	if (s->phase != RESTING)
		return 0;
	if (ev_now(engine_loop(vm_engine(vm))) >= s->rest_until)
		rc = err_set(&e, ETIMEDOUT,
			     "\"%s\" was not saved and continues: its guest did not stop in time",
			     vm_name(vm));
	else
		rc = begin(vm, s, &e);
	if (rc < 0)
		save_go_on(vm, rc, &e);
	return 0;
}

/* --- requests --- */

int vm_check_save(struct vm *vm, struct err *e)
{
	if (life_now(vm) != NOW_RUNNING && life_now(vm) != NOW_PAUSED)
		return 0; /* the event refuses it with the reason */
	return save_check_vm(vm, false, e);
}

/* Takes the state of a small VM whose vCPUs are blocked. 1: done and answered; 0: not small, or not
 * blocked; -errno: failed, and the VM continues. */
static int take_now(struct vm *vm, struct vm_save *s, struct err *e)
{
	/* If the daemon is killed meanwhile, the next one unpauses the VM, because it is recorded
	 * as running. */
	int rc = save_take_short(vm, s, e);
	int gone = s->paused ? xen_domain_unpause(engine_xen(vm_engine(vm)), vm_domid(vm)) : 0;

	s->stopped_ns = rc == 1 ? clock_ns() - s->stop_ns : 0;
	s->paused = false;
	if (gone < 0) {
		unpause_failed(vm, gone);
		life_record(vm);
	}
	if (rc != 1)
		return rc;
	if (!s->take) {
		save_part(s);
		return 1;
	}
	s->phase = WRITTEN;
	save_answer(s, 0, NULL);
	save_free(s);
	return 1;
}

int life_save(struct vm *vm, const struct life_news *n)
{
	struct engine *en = vm_engine(vm);
	struct life *life = vm_life(vm);
	struct vm_save *s = n->save;
	int rc = save_check_vm(vm, s->bare, n->e);

	if (rc < 0)
		return rc;
	if (s->take && !vm_has_noxs(vm) && vm_cfg(vm)->type == DOM_PV)
		return err_set(n->e, EOPNOTSUPP,
			       "\"%s\" is a PV guest without a noxs entry, whose state cannot be "
			       "kept in memory: use \"chaos snapshot\" and \"chaos create --from\"",
			       vm_name(vm));
	if (s->on_round && vm_cfg(vm)->type != DOM_PVH)
		return err_set(n->e, EOPNOTSUPP,
			       "\"%s\" is a PV guest, which must be stopped to be migrated: Xen "
			       "does not record which pages it writes",
			       vm_name(vm));
	s->was = life_now(vm);
	s->rest_until = ev_now(engine_loop(en)) + REST_S;
	s->stop_ns = clock_ns();
	if (s->take || save_can_part(vm, s)) {
		rc = take_now(vm, s, n->e);
		if (rc != 0)
			return rc < 0 ? rc : 0;
	}
	life_go(vm, NOW_SAVING);
	/* if the daemon is killed now, the next one lets the VM continue */
	rc = vm_record(vm, n->e);
	life->save = s;
	if (rc == 0 && s->on_round)
		rounds_begin(s);
	else if (rc == 0)
		rc = begin(vm, s, n->e);
	if (rc == 0) {
		vm_announce(vm, VM_EV_SAVING);
		return 0;
	}
	life->save = NULL;
	life_go(vm, s->was);
	if (s->paused && xen_domain_unpause(engine_xen(en), vm_domid(vm)) < 0)
		life_go(vm, NOW_PAUSED);
	life_record(vm);
	return rc;
}

/* The file is complete and synced. When the record says asleep, the VM is asleep: from then on the
 * record decides. sleep.c destroys the domain. */
static int fall_asleep(struct vm *vm, const struct life_news *n)
{
	struct life *life = vm_life(vm);
	int rc;

	life_go(vm, NOW_ASLEEP);
	life->has_file = true;
	rc = vm_record(vm, n->e);
	if (rc < 0) {
		life->has_file = false;
		save_go_on(vm, rc, n->e);
		return rc;
	}
	save_detach(life->save, 0, NULL);
	return 0;
}

int life_taken(struct vm *vm, const struct life_news *n)
{
	struct vm_save *s = vm_life(vm)->save;

	/* at once: the VM does not wait for a thread that is blocked by the file */
	if (n->rc < 0) {
		save_go_on(vm, n->rc, n->e);
		return 0;
	}
	if (s->phase != WRITTEN)
		return err_set(n->e, EPROTO, "\"%s\" has not been written completely yet",
			       vm_name(vm));
	if (s->flags & VM_SAVE_SLEEP)
		return fall_asleep(vm, n);
	vm_has_reason(vm, VM_REASON_SAVED, -1);
	save_detach(s, 0, NULL);
	vm_announce(vm, VM_EV_EXITED);
	vm_create_done(vm, 0, NULL);
	life_into_history(vm);
	return 0;
}

int life_move(struct vm *vm, const struct life_news *n)
{
	struct vm_save *s = vm_life(vm)->save;
	int rc;

	if (s->phase != WRITTEN)
		return err_set(n->e, EPROTO, "\"%s\" has not been written completely yet",
			       vm_name(vm));
	life_go(vm, NOW_MOVING);
	rc = vm_record(vm, n->e); /* before another host can get the permission to run it */
	if (rc < 0)
		life_go(vm, NOW_SAVING);
	else
		save_detach(s, 0, NULL);
	return rc;
}
