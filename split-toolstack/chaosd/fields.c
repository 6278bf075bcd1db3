/* SPDX-License-Identifier: BSD-3-Clause */
/* VMs, foreign domains and flavors as fields. */
#include "split-toolstack/chaosd/fields.h"

#include <stdio.h>

#include "libdom/save.h"
#include "split-toolstack/engine/life/save.h"
#include "split-toolstack/engine/snapshots/snapshots.h"
#include "split-toolstack/vmcfg/devices.h"
#include "split-toolstack/vmcfg/vmcfg.h"

void fields_vm(struct wire_out *w, struct vm *vm)
{
	struct vm_info i;

	vm_get_info(vm, &i);
	fields_vm_info(w, &i);
}

static void fields_cpus(struct wire_out *w, const struct dom_cpus *c)
{
	char text[2048];

	vmcfg_cpus_text(c, text, sizeof(text));
	wire_text(w, PROTO_PINNED, text);
}

void fields_vm_info(struct wire_out *w, const struct vm_info *i)
{
	uint32_t mark = wire_open(w, PROTO_VM);

	wire_text(w, PROTO_NAME, i->name);
	wire_bytes(w, PROTO_UUID, i->uuid, sizeof(i->uuid));
	wire_u32(w, PROTO_DOMID, i->domid);
	wire_text(w, PROTO_STATE, vm_state_name(i->state));
	wire_text(w, PROTO_REASON, i->unknown ? i->unknown : vm_reason_name(i->reason));
	if (i->exit_code >= 0)
		wire_u32(w, PROTO_EXIT_CODE, (uint32_t)i->exit_code);
	wire_u32(w, PROTO_READY, i->ready);
	wire_u32(w, PROTO_NOXS, i->noxs);
	wire_text(w, PROTO_TYPE, dom_type_name(i->type));
	wire_u64(w, PROTO_MEM_KIB, i->mem_kib);
	wire_u64(w, PROTO_MAXMEM_KIB, i->maxmem_kib);
	wire_u32(w, PROTO_VCPUS, i->vcpus);
	if (i->maxvcpus != i->vcpus)
		wire_u32(w, PROTO_MAXVCPUS, i->maxvcpus);
	if (i->online && i->online != i->vcpus)
		wire_u32(w, PROTO_ONLINE, i->online);
	if (i->cpus->map)
		fields_cpus(w, i->cpus);
	wire_text(w, PROTO_KERNEL, i->kernel);
	wire_text(w, PROTO_RAMDISK, i->ramdisk);
	wire_text(w, PROTO_CMDLINE, i->cmdline);
	wire_text(w, PROTO_PARENT_NAME, i->snapshot);
	wire_text(w, PROTO_PARENT, i->copy_of);
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

void fields_foreign(struct wire_out *w, const struct xen_domain_info *d, const char *name)
{
	uint32_t mark = wire_open(w, PROTO_VM);

	wire_text(w, PROTO_NAME, name);
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
	if (f->from)
		wire_text(w, PROTO_FROM, f->from);
	if (f->from) {
		wire_text(w, PROTO_READY_WHEN, f->ready_when);
		wire_text(w, PROTO_MAC, f->macs);
		wire_text(w, PROTO_IP, f->ips);
		wire_text(w, PROTO_DISKS, pool_disks_name(f->disks));
	}
	wire_u32(w, PROTO_VIFS, f->vifs);
	wire_u32(w, PROTO_VBDS, f->vbds);
	wire_text(w, PROTO_BRIDGE, f->bridge);
	wire_text(w, PROTO_BACKEND, device_backend_name(f->backend));
	wire_u32(w, PROTO_LOW, f->low);
	wire_u32(w, PROTO_HIGH, f->high);
	wire_u64(w, PROTO_MISSES, f->misses);
	wire_u32(w, PROTO_TARGET, f->target);
	wire_u32(w, PROTO_READY, f->ready);
	wire_u64(w, PROTO_HITS, f->hits);
	wire_close(w, mark);
}

void fields_device(struct wire_out *w, const struct device_info *d)
{
	uint32_t mark = wire_open(w, PROTO_DEVICE);

	wire_text(w, PROTO_KIND, device_kind_name(d->config->kind));
	wire_text(w, PROTO_STATE, device_state_name(d->state));
	wire_text(w, PROTO_REASON, d->reason);
	wire_text(w, PROTO_BACKEND, device_backend_name(d->config->backend));
	vmcfg_device_fields(w, d);
	wire_close(w, mark);
}

void fields_needs(struct wire_out *w, const struct save_needs *n)
{
	uint32_t words[1 + SAVE_NEEDS_MAX];

	words[0] = n->vendor;
	memcpy(words + 1, n->feature, n->words * sizeof(words[0]));
	wire_bytes(w, PROTO_NEEDS, words, (1 + n->words) * (uint32_t)sizeof(words[0]));
}

void fields_stream(struct wire_out *w, const struct stream_stats *s)
{
	if (s->bytes)
		wire_u64(w, PROTO_BYTES, s->bytes);
	wire_u64(w, PROTO_PAGES, s->pages);
	wire_u64(w, PROTO_PRESENT, s->present);
	if (s->stopped_ns)
		wire_u64(w, PROTO_STOPPED_NS, s->stopped_ns);
	wire_u64(w, PROTO_TOTAL_NS, s->total_ns);
}

void fields_snapshot(struct wire_out *w, const struct snapshots *all, const struct snapshot *x)
{
	const struct snapshot *parent = x->parent[0] ? snapshots_by_digest(all, x->parent) : NULL;
	uint32_t mark = wire_open(w, PROTO_SNAPSHOT);

	wire_text(w, PROTO_NAME, x->name);
	wire_text(w, PROTO_DIGEST, x->digest);
	if (x->parent[0])
		wire_text(w, PROTO_PARENT, x->parent);
	if (parent)
		wire_text(w, PROTO_PARENT_NAME, parent->name);
	wire_text(w, PROTO_WHAT, x->vm);
	wire_text(w, PROTO_TYPE, x->type == DOM_PVH ? "pvh" : "pv");
	wire_u32(w, PROTO_VCPUS, x->vcpus);
	wire_u64(w, PROTO_MEM_KIB, x->mem_kib);
	wire_u64(w, PROTO_PAGES, x->pages);
	wire_u64(w, PROTO_PRESENT, x->present);
	wire_u64(w, PROTO_BYTES, x->bytes);
	wire_u64(w, PROTO_CREATED, x->created_ns);
	wire_close(w, mark);
}
