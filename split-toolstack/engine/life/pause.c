/* SPDX-License-Identifier: BSD-3-Clause */
/* Pauses and unpauses VMs for clients; other toolstacks also pause domains of chaosd. */
#include "split-toolstack/engine/life/life.h"
#include "split-toolstack/engine/life/verbs.h"
#include "split-toolstack/engine/parts/parts.h"
#include "split-toolstack/engine/vm/parts.h"
#include "split-toolstack/engine/vm/state.h"
#include "split-toolstack/engine/vm/vm.h"

#include <xen/sched.h> /* behind xenctrl.h */

#define PAUSES_MOST 64 /* pauses by other toolstacks that one unpause ends */

/* 1: the domain is paused in Xen, 0: it is not; -errno: that is not known. The state of the VM has
 * only the pauses of chaosd; other toolstacks can also pause the domain. */
static int is_paused(const struct vm *vm)
{
	struct xen_domain_info info;
	int rc = xen_domain_info(engine_xen(vm_engine(vm)), vm_domid(vm), &info);

	return rc < 0 ? rc : info.paused;
}

/* The guest has suspended for a save, which could not resume it. */
static int resume_suspended(const struct vm *vm)
{
	struct engine *en = vm_engine(vm);
	struct xen_domain_info info;
	int rc = xen_domain_info(engine_xen(en), vm_domid(vm), &info);

	if (rc == 0 && info.shutdown && !info.dying && info.shutdown_reason == SHUTDOWN_suspend)
		rc = xen_domain_resume(engine_xen(en), vm_domid(vm));
	return rc;
}

/* Ends pauses by other toolstacks, too: each call ends one. */
static int unpause_all(const struct vm *vm)
{
	int rc = is_paused(vm);

	for (int i = 0; rc == 1 && i < PAUSES_MOST; i++) {
		rc = xen_domain_unpause(engine_xen(vm_engine(vm)), vm_domid(vm));
		if (rc == 0)
			rc = is_paused(vm);
	}
	return rc;
}

int life_failed_to(const char *what, const struct vm *vm, int rc, struct err *e)
{
	return err_sys(e, -rc, "%s \"%s\"", what, vm_name(vm));
}

static void is_now_paused(struct vm *vm)
{
	life_timer_stop(vm);
	vm_unsee(vm);
	life_go_as(vm, NOW_PAUSED, WANT_PAUSED);
	life_record(vm);
	vm_announce(vm, VM_EV_PAUSED);
}

int life_pause(struct vm *vm, const struct life_news *n)
{
	int rc = vm_check_domain(vm);

	if (rc == 0)
		rc = xen_domain_pause(engine_xen(vm_engine(vm)), vm_domid(vm));
	if (rc < 0)
		return life_failed_to("pause", vm, rc, n->e);
	is_now_paused(vm);
	return 0;
}

/* The domain is paused already; a second pause would need a second unpause. */
int life_pause_gated(struct vm *vm, const struct life_news *n)
{
	int rc = vm_check_domain(vm);

	if (rc < 0)
		return life_failed_to("pause", vm, rc, n->e);
	is_now_paused(vm);
	return 0;
}

/* Another toolstack may have unpaused it. */
int life_pause_again(struct vm *vm, const struct life_news *n)
{
	int rc = is_paused(vm);

	if (rc < 0)
		return life_failed_to("pause", vm, rc, n->e);
	return rc ? 0 : life_pause(vm, n);
}

int life_unpause_others(struct vm *vm, const struct life_news *n)
{
	int rc = vm_check_domain(vm);

	if (rc == 0)
		rc = unpause_all(vm);
	if (rc < 0)
		return life_failed_to("unpause", vm, rc, n->e);
	vm_unsee(vm);
	return 0;
}

int life_unpause(struct vm *vm, const struct life_news *n)
{
	int rc = vm_check_domain(vm);

	if (rc == 0)
		rc = resume_suspended(vm);
	if (rc == 0)
		rc = is_paused(vm);
	if (rc > 0)
		rc = vm_let_run(vm);
	if (rc == 0 && life_now(vm) != NOW_GATED)
		rc = unpause_all(vm);
	if (rc < 0) {
		life_go(vm, NOW_PAUSED);
		return life_failed_to("unpause", vm, rc, n->e);
	}
	if (life_now(vm) == NOW_PAUSED) /* another toolstack had unpaused it */
		life_go(vm, NOW_RUNNING);
	vm_unsee(vm);
	life_set_want(vm, WANT_RUN);
	life_record(vm);
	vm_announce(vm, VM_EV_UNPAUSED);
	return 0;
}

int vm_pause(struct vm *vm, struct err *e)
{
	return life_event(vm, LIFE_PAUSE, &(struct life_news){.e = e});
}

int vm_unpause(struct vm *vm, struct err *e)
{
	return life_event(vm, LIFE_RUN, &(struct life_news){.e = e});
}
