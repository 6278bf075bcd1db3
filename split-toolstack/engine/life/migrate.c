/* SPDX-License-Identifier: BSD-3-Clause */
/* Migration: the steps of a VM on the source and on the target. */
#include "split-toolstack/engine/life/migrate.h"

#include <errno.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/shared.h"
#include "split-toolstack/engine/guest/control.h"
#include "split-toolstack/engine/guest/names.h"
#include "split-toolstack/engine/life/life-t.h"
#include "split-toolstack/engine/life/life.h"
#include "split-toolstack/engine/life/restore.h"
#include "split-toolstack/engine/life/saving.h"
#include "split-toolstack/engine/life/verbs.h"
#include "split-toolstack/engine/parts/parts.h"
#include "split-toolstack/engine/vm/changes.h"
#include "split-toolstack/engine/vm/parts.h"
#include "split-toolstack/engine/vm/state.h"
#include "split-toolstack/engine/vm/vm.h"
#include "split-toolstack/engine/vm/vms.h"

#include <xen/sched.h> /* behind xenctrl.h */

/* --- on the source -----------------------------------------------------------------------------
 *
 * After vm_save_move() the record says VM_MOVING: neither this daemon nor the next one lets the VM
 * run without a request.
 */

/* Lets the VM run. If that fails, its state does not change. */
int life_run_moving(struct vm *vm, const struct life_news *n)
{
	int rc;

	life_go(vm, NOW_PAUSED);
	rc = life_unpause(vm, n);
	if (rc < 0)
		life_go(vm, NOW_MOVING);
	else
		log_line(LOG_INFO, "op=moved dom=%u name=%s: it continues here", vm_domid(vm),
			 vm_name(vm));
	return rc;
}

/* A VM that was paused before stays paused: a suspended guest is resumed, and stops at the pause.
 */
static int stay_paused(struct vm *vm, struct err *e)
{
	struct engine *en = vm_engine(vm);
	struct xen_domain_info info = {0};
	int rc = vm_check_domain(vm);

	if (rc == 0)
		rc = xen_domain_info(engine_xen(en), vm_domid(vm), &info);
	if (rc == 0 && !info.paused)
		rc = xen_domain_pause(engine_xen(en), vm_domid(vm));
	if (rc == 0 && info.shutdown && info.shutdown_reason == SHUTDOWN_suspend)
		rc = xen_domain_resume(engine_xen(en), vm_domid(vm));
	if (rc < 0)
		return err_sys(e, -rc, "resume \"%s\"", vm_name(vm));
	vm_unsee(vm);
	life_go(vm, NOW_PAUSED);
	life_record(vm);
	vm_announce(vm, VM_EV_PAUSED);
	return 0;
}

int life_moved(struct vm *vm, const struct life_news *n)
{
	int rc;

	if (n->rc < 0)
		return life_want(vm) == WANT_PAUSED ? stay_paused(vm, n->e)
						    : life_run_moving(vm, n);
	rc = life_stop(vm, n->e); /* another toolstack may have unpaused it */
	if (rc < 0)
		return rc;
	vm_has_reason(vm, VM_REASON_MIGRATED, -1);
	vm_announce(vm, VM_EV_EXITED);
	vm_create_done(vm, 0, NULL);
	life_into_history(vm);
	return 0;
}

int life_end_moving(struct vm *vm, const struct life_news *n)
{
	if (n->info && !n->info->dying &&
	    (!n->info->shutdown || n->info->shutdown_reason == SHUTDOWN_suspend))
		return 0;
	life_go(vm, NOW_RUNNING);
	return life_end(vm, n);
}

int vm_moved(struct vm *vm, bool taken, struct err *e)
{
	const struct life_news n = {.rc = taken ? 0 : -ECANCELED, .e = e};
	int code;

	if (taken && life_is_over(vm) && vm_reason(vm, &code) == VM_REASON_MIGRATED)
		return 0;
	if (life_now(vm) == NOW_UNKNOWN)
		return life_refuse_unknown(vm, &n);
	if (life_now(vm) == NOW_ARRIVING && !taken) {
		(void)life_event(vm, LIFE_TAKEN, &n);
		return 0;
	}
	if (life_now(vm) != NOW_MOVING)
		return err_set(e, EINVAL, "\"%s\" is %s: it is not being migrated", vm_name(vm),
			       vm_state_name(vm_state(vm)));
	return life_event(vm, LIFE_TAKEN, &n);
}

bool vm_save_progress(const struct vm *vm, struct stream_stats *s)
{
	const struct vm_save *save = vm_known_life(vm)->save;
	const struct save_stats *st;

	if (!save || (save->phase != WRITING && save->phase != ROUNDS))
		return false;
	st = save->phase == WRITING ? &save->st : &save->live_st;
	*s = (struct stream_stats){.bytes = shared_load(&st->bytes),
				   .pages = vm_pages(vm),
				   .present = shared_load(&st->present),
				   .total_ns = clock_ns() - save->start_ns};
	return true;
}

/* --- on the target -----------------------------------------------------------------------------
 *
 * Until the VM may run, its record says that it is being built: the next daemon removes it.
 */

int vm_needs(const struct vm *vm, struct save_needs *out, struct err *e)
{
	return control_needs(vm, out, e);
}

int engine_admit(struct engine *en, const struct vm_config *cfg, const struct save_needs *needs,
		 struct err *e)
{
	const struct vm *other = NULL;
	int rc = create_check(en, cfg, true, e);

	if (rc == 0 && needs)
		rc = save_check_needs(engine_xen(en), cfg->type, needs, e);
	if (rc == 0)
		rc = create_check_memory(en, cfg, e);
	if (rc < 0)
		return rc;
	if (cfg->have_uuid)
		other = vm_by_uuid(en, cfg->uuid);
	if (!other)
		other = vm_by_name(en, cfg->name);
	if (other)
		return err_set(
			e, EEXIST,
			"the target has a VM \"%s\" with the same %s: rename or remove one of them",
			vm_name(other), strcmp(vm_name(other), cfg->name) == 0 ? "name" : "uuid");
	return names_check(en, cfg->name, e);
}

int life_arrived(struct vm *vm, const struct life_news *n)
{
	return life_finish(vm, n->rc, n->e);
}

struct vm *vm_arriving(struct engine *en, stream_id id)
{
	struct vm *vm = vms_alive(en);

	while (vm && (life_now(vm) != NOW_ARRIVING || vm_life(vm)->create.arrival != id))
		vm = vm_next(vm);
	return vm;
}

int vm_arrival_end(struct engine *en, stream_id id, bool go, struct err *e)
{
	struct err given_up = {0};
	struct life_news n = {.e = go ? e : &given_up};
	struct vm *vm = vm_arriving(en, id);

	int rc;

	if (!go)
		n.rc = err_set(&given_up, ECANCELED, "the source has cancelled the migration");
	rc = vm ? life_event(vm, LIFE_TAKEN, &n)
		: err_set(e, ESRCH, "the VM was destroyed on the target before it ran there");
	restore_arrived(en, id, go && rc == 0);
	return rc;
}
