/* SPDX-License-Identifier: BSD-3-Clause */
/* VMs that have ended: their record, the history, and its limit; also removes VMs whose create has
 * failed. */
#include "base/log.h"
#include "split-toolstack/engine/devices/reservations.h"
#include "split-toolstack/engine/domain/drop.h"
#include "split-toolstack/engine/guest/console_log.h"
#include "split-toolstack/engine/guest/fork.h"
#include "split-toolstack/engine/life/life-t.h"
#include "split-toolstack/engine/life/life.h"
#include "split-toolstack/engine/life/sleepers.h"
#include "split-toolstack/engine/life/verbs.h"
#include "split-toolstack/engine/parts/parts.h"
#include "split-toolstack/engine/registry/registry.h"
#include "split-toolstack/engine/services/idle.h"
#include "split-toolstack/engine/vm/changes.h"
#include "split-toolstack/engine/vm/parts.h"
#include "split-toolstack/engine/vm/record.h"
#include "split-toolstack/engine/vm/state.h"
#include "split-toolstack/engine/vm/vm.h"
#include "split-toolstack/engine/vm/vms.h"

static struct vm *oldest_ended(struct engine *en)
{
	struct vm *vm = vms_ended(en);

	/* vm_delete() removes the VM from the list before it frees it; the analyzer does not see
	 * that. */
	while (vm && vm_next(vm)) /* NOLINT(clang-analyzer-unix.Malloc) */
		vm = vm_next(vm);
	return vm;
}

bool history_trim(struct engine *en, uint32_t most)
{
	while (vms_ended_count(en) > engine_settings(en)->limits.history_max &&
	       vms_ended_count(en) > 1 && most--)
		vm_delete(oldest_ended(en));
	return vms_ended_count(en) > engine_settings(en)->limits.history_max &&
	       vms_ended_count(en) > 1;
}

static void free_ended(struct vm *vm)
{
	vm_unlink_ended(vm);
	/* otherwise it is freed when the threads have finished */
	if (life_now(vm) != NOW_ABANDONED)
		vm_free(vm);
}

void vm_replace_old(struct vm *vm)
{
	struct vm *old =
		vm_is_of_past(vm) ? vm_ended_by_uuid(vm_engine(vm), vm_uuid_bytes(vm)) : NULL;

	vm_past_is_over(vm);
	if (old)
		free_ended(old);
}

void vm_unmake(struct vm *vm, bool announced)
{
	struct engine *en = vm_engine(vm);
	struct vm *old;

	vm_unhash(vm);
	old = vm_is_of_past(vm) ? vm_ended_by_uuid(en, vm_uuid_bytes(vm)) : NULL;
	if (old)
		(void)vm_record(old, NULL);
	else
		registry_delete(engine_registry(en), vm_uuid_bytes(vm));
	if (!old && announced) {
		vm_announce(vm, VM_EV_REMOVED);
		console_log_delete(vm);
	} else if (announced) {
		vm_announce(old, VM_EV_DESTROYED);
	}
	vm_unlink(vm);
	vm_free(vm);
}

void vm_archive(struct vm *vm)
{
	struct engine *en = vm_engine(vm);

	/* replaces the old VM, also if this one was destroyed before it ran */
	vm_replace_old(vm);
	if (vm_is_listed(vm)) /* otherwise it was just read from its record */
		vm_unhash(vm);
	reservations_drop(vm);
	vm_unlink(vm);
	vm_link_ended(vm);
	console_log_close(vm); /* it is opened again when it is read */
	if (vms_ended_count(en) > engine_settings(en)->limits.history_max + HISTORY_SLACK)
		(void)history_trim(en, HISTORY_SLACK);
	idle_later(engine_idle(en)); /* the rest of the history is trimmed there */
}

void vm_delete(struct vm *vm)
{
	struct engine *en = vm_engine(vm);

	vm_announce(vm, VM_EV_REMOVED);
	/* If a VM that has not ended has the same uuid, the files belong to it. */
	if (!vm_by_uuid(en, vm_uuid_bytes(vm))) {
		registry_delete(engine_registry(en), vm_uuid_bytes(vm));
		console_log_delete(vm);
	}
	free_ended(vm);
}

void life_record(struct vm *vm)
{
	struct err err = {0};

	if (vm_record(vm, &err) < 0)
		log_line(LOG_ERROR, "name=%s: %s", vm_name(vm), err_msg(&err));
}

/* A VM that threads are building is freed when they have finished: life_abandoned(). */
void life_into_history(struct vm *vm)
{
	bool threads = life_has_threads(vm);

	life_go_as(vm, threads ? NOW_ABANDONED : NOW_ENDED, WANT_GONE);
	vm_ends(vm);
	drop_note(vm_engine(vm), threads ? vm_slot_domid(vm) : vm_domid(vm), vm_uuid_bytes(vm));
	fork_tell_end(vm);
	life_record(vm);
	if (vm_life(vm)->has_file)
		sleepers_forget(vm);
	if (!threads)
		vm_drop_domain(vm);
	vm_archive(vm);
	vm_announce(vm, VM_EV_DESTROYED);
}
