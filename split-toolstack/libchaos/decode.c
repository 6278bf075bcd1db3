/* SPDX-License-Identifier: BSD-3-Clause */
/* From fields to structures. */
#include "split-toolstack/libchaos/decode.h"

#include <stdio.h>
#include <string.h>

static bool open_nested(const struct wire_in *in, enum proto_id id, struct wire_in *out)
{
	struct wire_field f;

	return wire_find(in, id, &f) && wire_nested(out, &f) == 0;
}

#define TEXT(in, id, to) (void)wire_get_text((in), (id), (to), sizeof(to))

bool decode_vm(const struct wire_in *in, struct chaos_vm *v)
{
	struct wire_field f;
	struct wire_in vm;

	memset(v, 0, offsetof(struct chaos_vm, cmdline)); /* the rest is long, and text */
	v->cmdline[0] = v->kernel[0] = v->ramdisk[0] = v->cpus[0] = '\0';
	v->exit_code = -1;
	if (!open_nested(in, PROTO_VM, &vm))
		return false;
	TEXT(&vm, PROTO_NAME, v->name);
	TEXT(&vm, PROTO_STATE, v->state);
	TEXT(&vm, PROTO_REASON, v->reason);
	TEXT(&vm, PROTO_TYPE, v->type);
	TEXT(&vm, PROTO_KERNEL, v->kernel);
	TEXT(&vm, PROTO_RAMDISK, v->ramdisk);
	TEXT(&vm, PROTO_CMDLINE, v->cmdline);
	TEXT(&vm, PROTO_PINNED, v->cpus);
	TEXT(&vm, PROTO_ON_POWEROFF, v->on_poweroff);
	TEXT(&vm, PROTO_ON_REBOOT, v->on_reboot);
	TEXT(&vm, PROTO_ON_CRASH, v->on_crash);
	if (wire_find(&vm, PROTO_UUID, &f) && f.len == 16)
		for (int i = 0, at = 0; i < 16; i++)
			at += snprintf(v->uuid + at, sizeof(v->uuid) - (size_t)at, "%s%02x",
				       i == 4 || i == 6 || i == 8 || i == 10 ? "-" : "", f.data[i]);
	v->domid = wire_get_u32(&vm, PROTO_DOMID, 0);
	v->vcpus = wire_get_u32(&vm, PROTO_VCPUS, 0);
	v->restarts = wire_get_u32(&vm, PROTO_RESTARTS, 0);
	v->exit_code = (int)wire_get_u32(&vm, PROTO_EXIT_CODE, UINT32_MAX);
	v->ready = wire_get_u32(&vm, PROTO_READY, 0);
	v->noxs = wire_get_u32(&vm, PROTO_NOXS, 0);
	v->mem_kib = wire_get_u64(&vm, PROTO_MEM_KIB, 0);
	v->maxmem_kib = wire_get_u64(&vm, PROTO_MAXMEM_KIB, 0);
	v->created_ns = wire_get_u64(&vm, PROTO_CREATED, 0);
	v->started_ns = wire_get_u64(&vm, PROTO_STARTED, 0);
	v->ended_ns = wire_get_u64(&vm, PROTO_ENDED, 0);
	v->cpu_ns = wire_get_u64(&vm, PROTO_CPU_NS, 0);
	v->console_bytes = wire_get_u64(&vm, PROTO_CONSOLE_BYTES, 0);
	if (strcmp(v->state, "foreign") == 0 && v->domid == 0)
		(void)snprintf(v->name, sizeof(v->name), "Domain-0");
	return true;
}

bool decode_flavor(const struct wire_in *in, struct chaos_flavor *f)
{
	struct wire_in v;

	memset(f, 0, sizeof(*f));
	if (!open_nested(in, PROTO_FLAVOR, &v))
		return false;
	TEXT(&v, PROTO_TYPE, f->type);
	TEXT(&v, PROTO_KERNEL, f->image);
	TEXT(&v, PROTO_RAMDISK, f->ramdisk);
	TEXT(&v, PROTO_BRIDGE, f->bridge);
	TEXT(&v, PROTO_BACKEND, f->backend);
	f->for_linux = wire_get_u32(&v, PROTO_LINUX, 0);
	f->vifs = wire_get_u32(&v, PROTO_VIFS, 0);
	f->vbds = wire_get_u32(&v, PROTO_VBDS, 0);
	f->vcpus = wire_get_u32(&v, PROTO_VCPUS, 0);
	f->low = wire_get_u32(&v, PROTO_LOW, 0);
	f->high = wire_get_u32(&v, PROTO_HIGH, 0);
	f->target = wire_get_u32(&v, PROTO_TARGET, 0);
	f->ready = wire_get_u32(&v, PROTO_READY, 0);
	f->mem_kib = wire_get_u64(&v, PROTO_MEM_KIB, 0);
	f->hits = wire_get_u64(&v, PROTO_HITS, 0);
	f->misses = wire_get_u64(&v, PROTO_MISSES, 0);
	f->held_kib = f->mem_kib * f->ready;
	return true;
}

bool decode_image(const struct wire_in *in, struct chaos_image *i)
{
	struct wire_in v;

	memset(i, 0, sizeof(*i));
	if (!open_nested(in, PROTO_IMAGE, &v))
		return false;
	TEXT(&v, PROTO_NAME, i->name);
	TEXT(&v, PROTO_DIGEST, i->digest);
	TEXT(&v, PROTO_TYPE, i->types);
	TEXT(&v, PROTO_TEXT, i->guest_os);
	i->noxs = wire_get_u32(&v, PROTO_NOXS, 0);
	i->linux_kernel = wire_get_u32(&v, PROTO_LINUX, 0);
	i->bytes = wire_get_u64(&v, PROTO_BYTES, 0);
	i->min_kib = wire_get_u64(&v, PROTO_MEM_KIB, 0);
	i->used_ns = wire_get_u64(&v, PROTO_WHEN, 0);
	return true;
}

bool decode_device(const struct wire_in *in, uint32_t i, struct chaos_device *d)
{
	struct wire_field f;
	struct wire_in v;
	uint32_t at = 0;

	memset(d, 0, offsetof(struct chaos_device, path));
	d->path[0] = '\0';
	do {
		if (!wire_next(in, &at, &f))
			return false;
	} while (f.id != PROTO_DEVICE || i-- > 0);
	if (wire_nested(&v, &f) < 0)
		return false;
	TEXT(&v, PROTO_KIND, d->kind);
	TEXT(&v, PROTO_ID, d->id);
	TEXT(&v, PROTO_STATE, d->state);
	TEXT(&v, PROTO_REASON, d->reason);
	TEXT(&v, PROTO_BACKEND, d->backend);
	TEXT(&v, PROTO_MAC, d->mac);
	TEXT(&v, PROTO_BRIDGE, d->bridge);
	TEXT(&v, PROTO_IFNAME, d->ifname);
	TEXT(&v, PROTO_IP, d->ip);
	TEXT(&v, PROTO_PATH, d->path);
	d->devid = wire_get_u32(&v, PROTO_DEVID, 0);
	d->mtu = wire_get_u32(&v, PROTO_MTU, 0);
	d->rate_us = wire_get_u32(&v, PROTO_RATE_US, 0);
	d->rate_bytes = wire_get_u64(&v, PROTO_RATE_BYTES, 0);
	d->readonly = wire_get_u32(&v, PROTO_READONLY, 0);
	d->cdrom = wire_get_u32(&v, PROTO_CDROM, 0);
	d->sectors = wire_get_u64(&v, PROTO_SECTORS, 0);
	return true;
}

void decode_host(const struct wire_in *in, struct chaos_host *h)
{
	memset(h, 0, sizeof(*h));
	TEXT(in, PROTO_VERSION_TEXT, h->chaos);
	TEXT(in, PROTO_XEN, h->xen);
	TEXT(in, PROTO_STORE, h->store);
	h->cpus = wire_get_u32(in, PROTO_CPUS, 0);
	h->slots = wire_get_u32(in, PROTO_SLOTS, 0);
	h->vms = wire_get_u32(in, PROTO_VMS, 0);
	h->pvh = wire_get_u32(in, PROTO_PVH, 0);
	h->mem_kib = wire_get_u64(in, PROTO_MEM_KIB, 0);
	h->free_kib = wire_get_u64(in, PROTO_FREE_KIB, 0);
	h->pool_kib = wire_get_u64(in, PROTO_POOL_KIB, 0);
}
