/* SPDX-License-Identifier: BSD-3-Clause */
/* The ends of VMs that Xen reports: their reason and their on_* action. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "noxs/control.h"
#include "split-toolstack/engine/guest/control.h"
#include "split-toolstack/engine/life/life.h"
#include "split-toolstack/engine/life/verbs.h"
#include "split-toolstack/engine/vm/changes.h"
#include "split-toolstack/engine/vm/parts.h"
#include "split-toolstack/engine/vm/record.h"
#include "split-toolstack/engine/vm/state.h"
#include "split-toolstack/engine/vm/vm.h"

#include <xen/sched.h> /* behind xenctrl.h */

static enum vm_reason reason_of(const struct vm *vm, const struct xen_domain_info *info, int *code)
{
	struct noxs_guest_words w = {0};

	*code = -1;
	if (!info || !info->shutdown)
		return VM_REASON_LOST;
	if (vm_has_noxs(vm) && control_is_open(vm))
		control_words(vm, &w);
	switch (info->shutdown_reason) {
	case SHUTDOWN_poweroff:
		*code = vm_has_noxs(vm) ? (int)w.exit_code : 0;
		return VM_REASON_POWEROFF;
	case SHUTDOWN_reboot:
		return VM_REASON_REBOOT;
	case SHUTDOWN_suspend:
		return VM_REASON_SUSPEND;
	case SHUTDOWN_watchdog:
		return VM_REASON_WATCHDOG;
	default:
		return VM_REASON_CRASH;
	}
}

static enum vm_action action_for(const struct vm *vm, enum vm_reason reason)
{
	const struct vm_config *c = vm_cfg(vm);

	switch (reason) {
	case VM_REASON_POWEROFF:
		return c->on_poweroff;
	case VM_REASON_REBOOT:
		return c->on_reboot;
	case VM_REASON_CRASH:
	case VM_REASON_WATCHDOG:
		return c->on_crash;
	case VM_REASON_NONE:
	case VM_REASON_SUSPEND:
	case VM_REASON_DESTROYED:
	case VM_REASON_LOST:
	case VM_REASON_SAVED:
	case VM_REASON_MIGRATED:
		break;
	}
	return VM_DESTROY;
}

int life_end_unknown(struct vm *vm, const struct life_news *n)
{
	(void)n;
	adopt_soon(vm_engine(vm));
	return 0;
}

int life_end_kept(struct vm *vm, const struct life_news *n)
{
	if (!n->info || n->info->dying) /* not destroyed by chaosd */
		life_into_history(vm);
	return 0;
}

void life_resume_later(struct vm *vm, int rc)
{
	log_line(LOG_ERROR, "op=resume dom=%u name=%s: %s; chaosd tries again", vm_domid(vm),
		 vm_name(vm), strerror(-rc));
	control_expect_suspend(vm);
	life_timer(vm, RESUME_AGAIN_S);
}

int life_resume_time(struct vm *vm, const struct life_news *n)
{
	struct xen_domain_info info;
	const struct life_news seen = {.info = &info};
	int rc = vm_check_domain(vm);

	(void)n;
	if (rc == 0)
		rc = xen_domain_info(engine_xen(vm_engine(vm)), vm_domid(vm), &info);
	if (rc < 0 && rc != -ESRCH) /* otherwise this is noticed like any other end */
		life_resume_later(vm, rc);
	return rc == 0 && info.shutdown ? life_end(vm, &seen) : 0;
}

/* The guest has suspended for a save that has ended: it is resumed. */
static bool resume_late(struct vm *vm, const struct life_news *n)
{
	struct engine *en = vm_engine(vm);
	int rc;

	if (!n->info || n->info->dying || !n->info->shutdown ||
	    n->info->shutdown_reason != SHUTDOWN_suspend || !control_suspend_was_asked(vm))
		return false;
	rc = life_now(vm) == NOW_PAUSED && !n->info->paused
		     ? xen_domain_pause(engine_xen(en), vm_domid(vm))
		     : 0;
	if (rc == 0)
		rc = xen_domain_resume(engine_xen(en), vm_domid(vm));
	if (rc < 0)
		life_resume_later(vm, rc);
	else
		log_line(LOG_INFO, "op=resume dom=%u name=%s: it has suspended late", vm_domid(vm),
			 vm_name(vm));
	return true;
}

int life_end(struct vm *vm, const struct life_news *n)
{
	enum vm_reason reason;
	int code;

	if (resume_late(vm, n))
		return 0;
	if (control_is_open(vm))
		vm_look(vm); /* reads the rest of its console */
	life_timer_stop(vm);
	reason = reason_of(vm, n->info, &code);
	vm_has_reason(vm, reason, code);
	vm_ends(vm);
	log_line(LOG_INFO, "op=exited dom=%u name=%s reason=%s code=%d", vm_domid(vm), vm_name(vm),
		 vm_reason_name(reason), code);
	vm_announce(vm, VM_EV_EXITED);
	vm_create_done(vm, 0, NULL);
	switch (action_for(vm, reason)) {
	case VM_DESTROY:
		life_into_history(vm);
		break;
	case VM_PRESERVE:
		life_go(vm, NOW_PRESERVED);
		life_record(vm);
		vm_announce(vm, VM_EV_PRESERVED);
		break;
	case VM_RESTART:
		life_end_to_restart(vm);
		break;
	case VM_RENAME_RESTART:
		life_rename_to_restart(vm);
		break;
	}
	return 0;
}
