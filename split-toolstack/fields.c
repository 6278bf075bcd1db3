/* SPDX-License-Identifier: BSD-3-Clause */
/* VMs, foreign domains and flavors as fields. */
#include "split-toolstack/fields.h"

void fields_vm(struct wire_out *w, struct vm *vm)
{
	struct vm_info i;

	vm_get_info(vm, &i);
	fields_vm_info(w, &i);
}

void fields_vm_info(struct wire_out *w, const struct vm_info *i)
{
	uint32_t mark = wire_open(w, PROTO_VM);

	wire_text(w, PROTO_NAME, i->name);
	wire_bytes(w, PROTO_UUID, i->uuid, sizeof(i->uuid));
	wire_u32(w, PROTO_DOMID, i->domid);
	wire_text(w, PROTO_STATE, vm_state_name(i->state));
	wire_text(w, PROTO_REASON, vm_reason_name(i->reason));
	if (i->exit_code >= 0)
		wire_u32(w, PROTO_EXIT_CODE, (uint32_t)i->exit_code);
	wire_u32(w, PROTO_READY, i->ready);
	wire_u32(w, PROTO_NOXS, i->noxs);
	wire_text(w, PROTO_TYPE, dom_type_name(i->type));
	wire_u64(w, PROTO_MEM_KIB, i->mem_kib);
	wire_u64(w, PROTO_MAXMEM_KIB, i->maxmem_kib);
	wire_u32(w, PROTO_VCPUS, i->vcpus);
	wire_text(w, PROTO_KERNEL, i->kernel);
	wire_text(w, PROTO_RAMDISK, i->ramdisk);
	wire_text(w, PROTO_CMDLINE, i->cmdline);
	wire_text(w, PROTO_ON_POWEROFF, vm_action_name(i->on_poweroff));
	wire_text(w, PROTO_ON_REBOOT, vm_action_name(i->on_reboot));
	wire_text(w, PROTO_ON_CRASH, vm_action_name(i->on_crash));
	wire_u64(w, PROTO_CREATED, i->created_ns);
	wire_u64(w, PROTO_STARTED, i->started_ns);
	wire_u64(w, PROTO_ENDED, i->ended_ns);
	wire_u32(w, PROTO_RESTARTS, i->restarts);
	wire_u64(w, PROTO_CPU_NS, i->cpu_ns);
	wire_u64(w, PROTO_CONSOLE_BYTES, i->console_bytes);
	wire_close(w, mark);
}

void fields_foreign(struct wire_out *w, const struct xen_domain_info *d)
{
	uint32_t mark = wire_open(w, PROTO_VM);

	wire_bytes(w, PROTO_UUID, d->uuid, sizeof(d->uuid));
	wire_u32(w, PROTO_DOMID, d->domid);
	wire_text(w, PROTO_STATE, "foreign");
	wire_text(w, PROTO_TYPE, d->hvm ? "hvm" : "pv");
	wire_u64(w, PROTO_MEM_KIB, d->pages * 4);
	wire_u32(w, PROTO_VCPUS, d->vcpus);
	wire_u64(w, PROTO_CPU_NS, d->cpu_ns);
	wire_close(w, mark);
}

void fields_flavor(struct wire_out *w, const struct pool_flavor *f)
{
	uint32_t mark = wire_open(w, PROTO_FLAVOR);

	wire_text(w, PROTO_TYPE, dom_type_name(f->type));
	wire_u32(w, PROTO_VCPUS, f->vcpus);
	wire_u64(w, PROTO_MEM_KIB, f->mem_kib);
	wire_text(w, PROTO_KERNEL, f->image);
	wire_text(w, PROTO_RAMDISK, f->ramdisk);
	wire_u32(w, PROTO_LINUX, f->for_linux);
	wire_u32(w, PROTO_LOW, f->low);
	wire_u32(w, PROTO_HIGH, f->high);
	wire_u64(w, PROTO_MISSES, f->misses);
	wire_u32(w, PROTO_TARGET, f->target);
	wire_u32(w, PROTO_READY, f->ready);
	wire_u64(w, PROTO_HITS, f->hits);
	wire_close(w, mark);
}
