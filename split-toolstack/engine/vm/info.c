/* SPDX-License-Identifier: BSD-3-Clause */
/* A VM for clients. */
#include "split-toolstack/engine/vm/info.h"

#include <string.h>

#include "base/uuid.h"
#include "split-toolstack/engine/parts/parts.h"
#include "split-toolstack/engine/snapshots/snapshots.h"
#include "split-toolstack/engine/vm/vm-t.h"

/* Other toolstacks pause and unpause domains of chaosd, too, which is only seen by reading from
 * Xen. */
static enum vm_state shown_state(const struct vm *vm)
{
	if (vm->state.now == NOW_RUNNING && vm->last.pause == PAUSE_SEEN)
		return VM_PAUSED;
	if (vm->state.now == NOW_PAUSED && vm->last.pause == PAUSE_NONE)
		return VM_RUNNING;
	return vm_state(vm);
}

static const char *snapshot_of(const struct vm *vm)
{
	const struct snapshot *x = snapshots_by_digest(engine_snapshots(vm->en), vm->cfg.snapshot);

	return x ? x->name : vm->cfg.snapshot;
}

/* NULL, a name, or the text of the uuid in `text`. */
static const char *original(const struct vm *vm, char *text)
{
	static const uint8_t none[16];
	const struct vm *of;

	if (memcmp(vm->cfg.copy_of, none, sizeof(none)) == 0)
		return NULL;
	of = engine_find_uuid(vm->en, vm->cfg.copy_of);
	if (of)
		return of->name;
	uuid_print(vm->cfg.copy_of, text);
	return text;
}

void vm_tell(const struct vm *vm, struct vm_info *out)
{
	memset(out, 0, sizeof(*out));
	out->name = vm->name;
	memcpy(out->uuid, vm->uuid, sizeof(out->uuid));
	out->domid = vm->domid;
	out->state = shown_state(vm);
	out->reason = vm->reason;
	out->unknown = vm->state.now == NOW_UNKNOWN ? vm->left.why : NULL;
	out->exit_code = vm->exit_code;
	out->ready = vm->ready;
	out->noxs = vm->noxs;
	out->type = vm->cfg.type;
	out->mem_kib = vm->cfg.mem_kib;
	out->maxmem_kib = vm->cfg.maxmem_kib ? vm->cfg.maxmem_kib : vm->cfg.mem_kib;
	out->vcpus = vm->cfg.vcpus;
	out->maxvcpus = vm_config_vcpus(&vm->cfg);
	out->online = vm->domid ? vm->last.online : 0;
	out->cpus = &vm->cfg.cpus;
	out->kernel = vm->cfg.kernel;
	out->ramdisk = vm->cfg.ramdisk;
	out->cmdline = vm->cfg.cmdline;
	if (vm->cfg.snapshot)
		out->snapshot = snapshot_of(vm);
	out->copy_of = original(vm, out->copy_of_uuid);
	out->on_poweroff = vm->cfg.on_poweroff;
	out->on_reboot = vm->cfg.on_reboot;
	out->on_crash = vm->cfg.on_crash;
	out->created_ns = vm->created_ns;
	out->started_ns = vm->started_ns;
	out->ended_ns = vm->ended_ns;
	out->restarts = vm->restarts;
	out->cpu_ns = vm->domid ? vm->last.cpu_ns : 0;
}
