/* SPDX-License-Identifier: BSD-3-Clause */
/* Ends saves: by request of the client, or because the state of the VM changes. */
#include <errno.h>
#include <stdlib.h>

#include "split-toolstack/engine/guest/control.h"
#include "split-toolstack/engine/life/life-t.h"
#include "split-toolstack/engine/life/life.h"
#include "split-toolstack/engine/life/saving.h"
#include "split-toolstack/engine/life/verbs.h"
#include "split-toolstack/engine/parts/parts.h"
#include "split-toolstack/engine/vm/parts.h"
#include "split-toolstack/engine/vm/state.h"
#include "split-toolstack/engine/vm/vm.h"
#include "split-toolstack/engine/vm/vms.h"

#include <xen/sched.h> /* behind xenctrl.h */

/* --- requests --- */

static struct vm *vm_of_save(struct engine *en, stream_id id, struct err *e)
{
	struct vm *vm = vms_alive(en);

	while (vm && (!vm_life(vm)->save || vm_life(vm)->save->id != id))
		vm = vm_next(vm);
	if (!vm)
		(void)err_set(e, ESRCH, "the VM was not saved: it was destroyed, or continues");
	return vm;
}

int vm_save_round(struct engine *en, stream_id id, struct err *e)
{
	struct vm *vm = vm_of_save(en, id, e);
	struct vm_save *s;

	if (!vm)
		return -ESRCH;
	s = vm_life(vm)->save;
	if (s->phase != ROUNDS || s->busy)
		return err_set(e, EPROTO, "the last round of \"%s\" has not ended", vm_name(vm));
	save_push(s);
	return 0;
}

int vm_save_move(struct engine *en, stream_id id, struct err *e)
{
	struct vm *vm = vm_of_save(en, id, e);

	return vm ? life_event(vm, LIFE_MOVE, &(struct life_news){.e = e}) : -ESRCH;
}

int vm_save_end(struct engine *en, stream_id id, bool taken, struct err *e)
{
	struct err gone = {0};
	struct life_news n = {.e = taken ? e : &gone};
	struct vm *vm = vm_of_save(en, id, e);

	if (!vm)
		return save_end_parted(en, id, taken) ? 0 : -ESRCH;
	if (!taken)
		n.rc = err_set(&gone, ECANCELED, "the client of the save has disconnected");
	return life_event(vm, LIFE_TAKEN, &n);
}

/* An unpause cancels the save, also while the client is stopped or the file blocks. */
int life_run_saving(struct vm *vm, const struct life_news *n)
{
	struct err e = {0};
	int rc;

	if (vm_life(vm)->save->phase == RESTING) /* this state ends soon */
		return life_refuse_saving(vm, n);
	rc = err_set(&e, ECANCELED, "\"%s\" was unpaused while it was being saved", vm_name(vm));
	save_go_on(vm, rc, &e);
	return life_now(vm) == NOW_PAUSED ? life_unpause(vm, n) : 0;
}

/* --- ends of VMs that are being saved --- */

int life_end_saving(struct vm *vm, const struct life_news *n)
{
	struct vm_save *s = vm_life(vm)->save;
	bool suspended = n->info && n->info->shutdown && !n->info->dying &&
			 n->info->shutdown_reason == SHUTDOWN_suspend;
	struct err e = {0};
	int rc;

	if (suspended && s->phase == RESTING) {
		(void)control_suspend_was_asked(vm);
		s->suspended = true;
		save_begin_writing(vm);
		return 0;
	}
	/* without a request; it counts as stopped after the rounds */
	if (suspended && s->phase == ROUNDS)
		s->suspended = true;
	if (suspended)
		return 0; /* it was noticed before */
	rc = err_set(&e, ESRCH, "\"%s\" ended while it was being saved", vm_name(vm));
	save_detach(s, rc, &e);
	life_go(vm, NOW_RUNNING);
	return life_end(vm, n);
}

int life_destroy_saving(struct vm *vm, const struct life_news *n)
{
	struct err e = {0};
	int rc = life_stop(vm, n->e);

	if (rc < 0)
		return rc;
	/* The event of the end is sent to clients. That can close connections, also the one of the
	 * save. */
	rc = err_set(&e, ECANCELED, "\"%s\" was destroyed while it was being saved", vm_name(vm));
	save_detach(vm_life(vm)->save, rc, &e);
	life_destroyed(vm);
	return 0;
}
