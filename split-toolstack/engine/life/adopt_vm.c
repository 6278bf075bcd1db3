/* SPDX-License-Identifier: BSD-3-Clause */
/* After a restart of the daemon: adopts one VM of the registry, or moves it into the history. */
#include <stdlib.h>
#include "base/log.h"
#include "split-toolstack/engine/devices/admit.h"
#include "split-toolstack/engine/devices/reservations.h"
#include "split-toolstack/engine/devices/set.h"
#include "split-toolstack/engine/domain/drop.h"
#include "split-toolstack/engine/guest/console_log.h"
#include "split-toolstack/engine/guest/control.h"
#include "split-toolstack/engine/guest/names.h"
#include "split-toolstack/engine/life/adoption.h"
#include "split-toolstack/engine/life/half_made.h"
#include "split-toolstack/engine/life/life.h"
#include "split-toolstack/engine/life/sleepers.h"
#include "split-toolstack/engine/life/verbs.h"
#include "split-toolstack/engine/parts/parts.h"
#include "split-toolstack/engine/services/domains.h"
#include "split-toolstack/engine/services/slots.h"
#include "split-toolstack/engine/vm/adopt_later.h"
#include "split-toolstack/engine/vm/changes.h"
#include "split-toolstack/engine/vm/parts.h"
#include "split-toolstack/engine/vm/record.h"
#include "split-toolstack/engine/vm/state.h"
#include "split-toolstack/engine/vm/vm.h"
#include "split-toolstack/engine/vm/vms.h"
#include <xen/sched.h> /* behind xenctrl.h */

/* --- what has ended --- */

static void archive_ended(struct vm *vm)
{
	console_log_recall(vm);
	vm_archive(vm);
}

/* An unknown VM is found by its domain id, too, unless another VM has that id. */
static void take_domid(struct vm *vm, bool proven)
{
	struct vm *other = vm_by_domid(vm_engine(vm), vm_was_domid(vm));

	if (vm_was_domid(vm) == 0 || other == vm || (other && !proven))
		return;
	if (other) /* its record of the same id is older */
		vm_set_domid(other, 0);
	vm_set_domid(vm, vm_was_domid(vm));
}

/* The id belongs to chaosd, and becomes a slot again when the domain has been removed. */
static void adopt_slot(struct vm *vm, uint32_t domid)
{
	slot_adopt(engine_slots(vm_engine(vm)), domid, vm_slot(vm));
}

/* Searches its domain in Xen's list: 1 if it exists, 0 if not, or -errno. */
static int find_domain(const struct vm *vm, struct xen_domain_info *info, struct err *e)
{
	struct engine *en = vm_engine(vm);
	int rc = census_find(engine_adoption(en)->census, engine_xen(en), vm_was_domid(vm),
			     vm_uuid_bytes(vm), info);

	return rc < 0 ? err_sys(e, -rc, "read the state of domain %u from Xen", vm_was_domid(vm))
		      : rc;
}

/* Its domain ended while no daemon ran, or is being destroyed. */
static void end_lost(struct vm *vm, bool dying)
{
	if (dying) { /* its destruction has begun, and is continued */
		take_domid(vm, true);
		adopt_slot(vm, vm_domid(vm));
	} else {
		vm_set_domid(vm, 0);
	}
	vm_drop_domain(vm);
	if (vm_was(vm) != VM_ENDED_PRESERVED)
		vm_has_reason(vm, VM_REASON_LOST, -1);
	life_go(vm, NOW_ENDED);
	vm_ends(vm);
	log_line(LOG_INFO, "op=adopt name=%s: its domain does not exist any more", vm_name(vm));
	(void)vm_record(vm, NULL);
	archive_ended(vm);
	vm_announce(vm, VM_EV_DESTROYED);
}

/* --- domains that exist --- */

/* Continues with the ring position and port that the last daemon had. */
static int connect_old(struct vm *vm, struct err *e)
{
	struct engine *en = vm_engine(vm);
	int rc = console_log_open_old(vm);

	if (adopt_later(rc))
		return err_sys(e, -rc, "open the console log of \"%s\"", vm_name(vm));
	if (!vm_map(vm)) {
		rc = vm_connect_again(vm, e);
		if (rc < 0)
			return rc;
		adopt_slot(vm, vm_domid(vm));
		console_log_adopt(vm);
	}
	if (!control_is_unheard(vm) ||
	    (vm_has_noxs(vm) && engine_adoption(en)->heard >= LISTEN_FIRST))
		return 0;
	rc = vm_listen(vm, e);
	if (rc == 0)
		engine_adoption(en)->heard++;
	return rc;
}

static enum vm_now state_of_record(const struct vm *vm)
{
	if (vm_was(vm) == VM_SAVING) /* it goes on as before: what was written of it is lost */
		return life_want(vm) == WANT_PAUSED ? NOW_PAUSED : NOW_RUNNING;
	if (vm_was(vm) == VM_MOVING) /* maybe it runs elsewhere */
		return NOW_MOVING;
	return vm_was(vm) == VM_RUNNING	 ? NOW_RUNNING
	       : vm_was(vm) == VM_PAUSED ? NOW_PAUSED
					 : NOW_PRESERVED;
}

static int adopt_domain(struct vm *vm, struct err *e)
{
	struct xen_domain_info info;
	int rc = find_domain(vm, &info, e);

	if (rc < 0)
		return rc;
	if (rc == 0 || info.dying) {
		end_lost(vm, rc == 1);
		return 0;
	}
	take_domid(vm, true);
	slots_adopt(engine_slots(vm_engine(vm)), vm_domid(vm));
	if (vm_was(vm) == VM_SAVING)
		control_expect_suspend(vm);
	rc = reservations_take(vm, e);
	if (rc == 0)
		rc = connect_old(vm, e);
	if (rc == 0)
		rc = devices_adopt(vm, e);
	if (rc == 0)
		rc = save_end_left(vm, &info, e);
	if (rc == 0 && state_of_record(vm) == NOW_RUNNING &&
	    info.paused) { /* recorded, but not started yet; or a save was under way */
		if (devices_are_written(vm_cfg(vm))) /* perhaps by a wake */
			(void)sleepers_forget_first(vm);
		rc = vm_let_run(vm);
		if (rc < 0)
			(void)err_sys(e, -rc, "unpause domain %u", vm_domid(vm));
	}
	if (rc < 0)
		return rc;
	if (life_now(vm) == NOW_UNKNOWN) /* otherwise its gate is closed, or it was unpaused */
		life_go(vm, state_of_record(vm));
	if (vm_was(vm) == VM_SAVING)
		life_record(vm);
	names_changed(vm);
	log_line(LOG_INFO, "op=adopt dom=%u name=%s", vm_domid(vm), vm_name(vm));
	if (!control_is_unheard(vm))
		vm_look(vm);
	return 0;
}

/* Removes a domain of the VM that must not exist. */
static int drop_left(struct vm *vm, struct err *e)
{
	struct xen_domain_info info;
	int rc = find_domain(vm, &info, e);

	if (rc < 0)
		return rc;
	vm_set_domid(vm, 0);
	if (rc == 1) { /* it exists */
		adopt_slot(vm, vm_was_domid(vm));
		domain_drop(vm_engine(vm), vm_was_domid(vm), vm_uuid_bytes(vm), info.pages,
			    vm_slot(vm), NULL, false);
		vm_is_left_as(vm, vm_was(vm), 0);
	}
	return 0;
}

/* The last daemon was about to restart it. */
static int start_again(struct vm *vm, struct err *e)
{
	int rc = drop_left(vm, e);

	if (rc == 0)
		rc = reservations_take(vm, e);
	if (rc < 0)
		return rc;
	life_go(vm, NOW_WAITING);
	(void)console_log_open_old(vm);
	log_line(LOG_INFO, "op=adopt name=%s: it will be restarted", vm_name(vm));
	life_restart_in(vm, RESTART_MIN_S);
	return 0;
}

/* The last daemon had not yet destroyed the domain in which the VM was put to sleep, or was waking
 * the VM. */
static int stay_asleep(struct vm *vm, struct err *e)
{
	int rc = drop_left(vm, e);

	if (rc == 0)
		rc = reservations_take(vm, e);
	if (rc < 0)
		return rc;
	console_log_recall(vm);
	life_go(vm, NOW_ASLEEP);
	vm_set_ready(vm, false);
	return 0;
}

static void stay_unknown(struct vm *vm, const struct err *e)
{
	life_go(vm, NOW_UNKNOWN);
	if (vm_is_left_for(vm, err_msg(e)))
		log_line(LOG_ERROR, "op=adopt dom=%u name=%s: %s; chaosd tries again",
			 vm_was_domid(vm), vm_name(vm), err_msg(e));
	adopt_try_later(vm_engine(vm));
}

/* One try. Afterwards the VM has the state of its record, is in the history, or is still unknown.
 */
int life_adopt(struct vm *vm, const struct life_news *n)
{
	struct err e = {0};
	int rc = vm_was(vm) == VM_BUILDING ? start_again(vm, &e)
		 : vm_was(vm) == VM_ASLEEP ? stay_asleep(vm, &e)
					   : adopt_domain(vm, &e);

	(void)n;
	if (rc < 0)
		stay_unknown(vm, &e);
	else
		engine_adoption(vm_engine(vm))->changed = true;
	return 0;
}

int life_still_unknown(struct vm *vm, const struct life_news *n)
{
	stay_unknown(vm, n->e);
	return 0;
}

int life_unheard(struct vm *vm, const struct life_news *n)
{
	life_timer_stop(vm);
	vm_is_left_as(vm, vm_state(vm), vm_domid(vm));
	stay_unknown(vm, n->e);
	return 0;
}

void adopt_try(struct vm *vm)
{
	const struct life_news n = {0};

	(void)life_event(vm, LIFE_TIMER, &n);
}

void adopt_recorded(struct vm *vm)
{
	struct adoption *a = engine_adoption(vm_engine(vm));

	if (life_now(vm) == NOW_ENDED) {
		archive_ended(vm);
		return;
	}
	if (vm_was(vm) == VM_BUILDING && life_want(vm) == WANT_GONE) {
		half_made_clean(vm, &a->half_made, a->census);
		if (!vm_ended_ns(vm)) {
			vm_free(vm);
			return;
		}
		life_go(vm, NOW_ENDED); /* it was in the history before, and its record says so */
		archive_ended(vm);
		return;
	}
	vm_link_alive(vm);
	take_domid(vm, false);
	adopt_try(vm);
}
