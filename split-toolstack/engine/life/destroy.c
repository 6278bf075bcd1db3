/* SPDX-License-Identifier: BSD-3-Clause */
/* Requests of clients that end VMs: shutdown, destroy, rm. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "split-toolstack/engine/devices/set.h"
#include "split-toolstack/engine/devices/teardown_wait.h"
#include "split-toolstack/engine/files/files.h"
#include "split-toolstack/engine/guest/control.h"
#include "split-toolstack/engine/guest/guest_store.h"
#include "split-toolstack/engine/life/life-t.h"
#include "split-toolstack/engine/life/life.h"
#include "split-toolstack/engine/life/restore.h"
#include "split-toolstack/engine/life/verbs.h"
#include "split-toolstack/engine/vm/changes.h"
#include "split-toolstack/engine/vm/parts.h"
#include "split-toolstack/engine/vm/record.h"
#include "split-toolstack/engine/vm/state.h"
#include "split-toolstack/engine/vm/vm.h"
#include <xen/sched.h> /* behind xenctrl.h */

int vm_shutdown(struct vm *vm, bool reboot, struct err *e)
{
	int rc = life_need_domain(vm, e);

	if (rc < 0)
		return rc;
	if (!vm_has_noxs(vm))
		return guest_store_shutdown(vm, reboot, e);
	return control_request(vm, reboot ? NOXS_REQ_REBOOT : NOXS_REQ_POWEROFF, e);
}

/* The VM is being built, or waits for devices of others; its client waits, too. */
static void create_no_more(struct vm *vm)
{
	const char *what = life_now(vm) == NOW_WAKING  ? "was woken"
			   : life_has_threads(vm)      ? "was built"
			   : files_busy(*vm_files(vm)) ? "waited for its files to be opened"
						       : "waited for its devices";
	struct err e = {0};
	int rc = err_set(&e, ECANCELED, "\"%s\" was destroyed while it %s", vm_name(vm), what);

	if (life_now(vm) == NOW_NEW)
		vm_announce(vm, VM_EV_CREATED);
	vm_create_done(vm, rc, &e);
}

int life_destroy_waiting(struct vm *vm, const struct life_news *n)
{
	struct engine *en = vm_engine(vm);
	struct life *life = vm_life(vm);
	int code;

	(void)n;
	life_timer_stop(vm);
	devices_wait_no_more(en, vm_devices(vm));
	teardown_wait_end(en, &life->teardown_wait);
	if (life->restore)
		restore_cancel(vm);
	create_no_more(vm);
	if (!life_has_threads(vm)) /* otherwise threads use them */
		files_drop(vm_files(vm));
	(void)vm_reason(vm, &code); /* the code of its last end */
	vm_has_reason(vm, VM_REASON_DESTROYED, code);
	life_into_history(vm);
	return 0;
}

int life_stop(struct vm *vm, struct err *e)
{
	int rc = vm_domid(vm) ? vm_check_domain(vm) : -ESRCH;

	if (rc == 0)
		rc = xen_domain_pause(engine_xen(vm_engine(vm)), vm_domid(vm));
	return rc < 0 && rc != -ESRCH ? err_sys(e, -rc, "pause \"%s\"", vm_name(vm)) : 0;
}

void life_destroyed(struct vm *vm)
{
	if (life_now(vm) == NOW_UNKNOWN)
		adopt_soon(vm_engine(vm)); /* to release its devices */
	if (control_is_open(vm))
		vm_look(vm);
	vm_has_reason(vm, VM_REASON_DESTROYED, -1);
	vm_announce(vm, VM_EV_EXITED);
	vm_create_done(vm, 0, NULL);
	life_into_history(vm);
}

int life_destroy_living(struct vm *vm, const struct life_news *n)
{
	int rc = life_stop(vm, n->e);

	if (rc == 0)
		life_destroyed(vm);
	return rc;
}

int life_destroy_kept(struct vm *vm, const struct life_news *n)
{
	(void)n;
	life_into_history(vm);
	return 0;
}

int vm_destroy(struct vm *vm, struct err *e)
{
	return life_event(vm, LIFE_DESTROY, &(struct life_news){.e = e});
}

int vm_rm(struct vm *vm, struct err *e)
{
	if (!life_is_over(vm))
		return err_set(e, EBUSY, "\"%s\" is %s: destroy it first, or use --force",
			       vm_name(vm), vm_state_name(vm_state(vm)));
	vm_delete(vm);
	return 0;
}
