/* SPDX-License-Identifier: BSD-3-Clause */
/* Gives a VM another name. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "split-toolstack/engine/guest/guest_store.h"
#include "split-toolstack/engine/guest/names.h"
#include "split-toolstack/engine/life/life-t.h"
#include "split-toolstack/engine/life/verbs.h"
#include "split-toolstack/engine/vm/parts.h"
#include "split-toolstack/engine/vm/record.h"
#include "split-toolstack/engine/vm/state.h"
#include "split-toolstack/engine/vm/vm.h"
#include "split-toolstack/engine/vm/vms.h"
#include <xen/sched.h> /* behind xenctrl.h */

int vm_rename(struct vm *vm, const char *name, struct err *e)
{
	struct engine *en = vm_engine(vm);
	struct vm_config probe = *vm_cfg(vm);
	const struct vm *other;
	int rc;

	if (life_is_over(vm))
		return err_set(e, ESRCH, "\"%s\" has ended", vm_name(vm));
	if (life_now(vm) == NOW_SAVING) /* the file that is written has its name */
		return life_refuse_saving(vm, &(struct life_news){.e = e});
	if (vm_state(vm) == VM_ASLEEP) /* likewise */
		return life_refuse_asleep(vm, &(struct life_news){.e = e});
	if (vm_known_life(vm)->unread) /* its name is in its file */
		return life_refuse_unknown(vm, &(struct life_news){.e = e});
	if (life_now(vm) == NOW_MOVING)
		return life_refuse_moving(vm, &(struct life_news){.e = e});
	if (*name == '\0' || strlen(name) > VM_NAME_MAX)
		return err_set(e, EINVAL, "name: must have 1 to %d characters", VM_NAME_MAX);
	(void)snprintf(probe.name, sizeof(probe.name), "%s", name);
	rc = vm_config_check_built(&probe, e);
	if (rc < 0)
		return rc;
	other = vm_by_name(en, name);
	if (other == vm)
		return 0;
	if (other)
		return err_set(e, EEXIST, "name \"%s\": taken by domain %u", name, vm_domid(other));
	rc = names_check(en, name, e);
	if (rc < 0)
		return rc;
	vm_set_name(vm, probe.name);
	life_record(vm);
	guest_store_renamed(vm);
	names_changed(vm);
	vm_announce(vm, VM_EV_RENAMED);
	return 0;
}
