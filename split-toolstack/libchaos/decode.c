/* SPDX-License-Identifier: BSD-3-Clause */
/* From fields to structures: a table for each structure says where a field goes, so that a frame is
 * walked once. */
#include "split-toolstack/libchaos/decode.h"

#include <stdio.h>
#include <string.h>

#include "base/uuid.h"

enum kind { NONE, TEXT, U32, U64, FLAG };

/* Where the field of an id goes: the id is the index. */
struct place {
	uint8_t kind; /* enum kind */
	uint16_t size;
	uint16_t offset;
};

#define PLACE(kind, type, member)                                                                  \
	{                                                                                          \
		kind, sizeof(((struct type *)0)->member), offsetof(struct type, member)            \
	}

static const struct place vm_places[PROTO_ID_END] = {
	[PROTO_NAME] = PLACE(TEXT, chaos_vm, name),
	[PROTO_STATE] = PLACE(TEXT, chaos_vm, state),
	[PROTO_REASON] = PLACE(TEXT, chaos_vm, reason),
	[PROTO_TYPE] = PLACE(TEXT, chaos_vm, type),
	[PROTO_KERNEL] = PLACE(TEXT, chaos_vm, kernel),
	[PROTO_RAMDISK] = PLACE(TEXT, chaos_vm, ramdisk),
	[PROTO_CMDLINE] = PLACE(TEXT, chaos_vm, cmdline),
	[PROTO_PINNED] = PLACE(TEXT, chaos_vm, cpus),
	[PROTO_PARENT_NAME] = PLACE(TEXT, chaos_vm, snapshot),
	[PROTO_PARENT] = PLACE(TEXT, chaos_vm, copy_of),
	[PROTO_ON_POWEROFF] = PLACE(TEXT, chaos_vm, on_poweroff),
	[PROTO_ON_REBOOT] = PLACE(TEXT, chaos_vm, on_reboot),
	[PROTO_ON_CRASH] = PLACE(TEXT, chaos_vm, on_crash),
	[PROTO_DOMID] = PLACE(U32, chaos_vm, domid),
	[PROTO_VCPUS] = PLACE(U32, chaos_vm, vcpus),
	[PROTO_MAXVCPUS] = PLACE(U32, chaos_vm, maxvcpus),
	[PROTO_ONLINE] = PLACE(U32, chaos_vm, online),
	[PROTO_RESTARTS] = PLACE(U32, chaos_vm, restarts),
	[PROTO_EXIT_CODE] = PLACE(U32, chaos_vm, exit_code),
	[PROTO_READY] = PLACE(FLAG, chaos_vm, ready),
	[PROTO_NOXS] = PLACE(FLAG, chaos_vm, noxs),
	[PROTO_MEM_KIB] = PLACE(U64, chaos_vm, mem_kib),
	[PROTO_MAXMEM_KIB] = PLACE(U64, chaos_vm, maxmem_kib),
	[PROTO_CREATED] = PLACE(U64, chaos_vm, created_ns),
	[PROTO_STARTED] = PLACE(U64, chaos_vm, started_ns),
	[PROTO_ENDED] = PLACE(U64, chaos_vm, ended_ns),
	[PROTO_CPU_NS] = PLACE(U64, chaos_vm, cpu_ns),
	[PROTO_CONSOLE_BYTES] = PLACE(U64, chaos_vm, console_bytes),
};

static const struct place flavor_places[PROTO_ID_END] = {
	[PROTO_TYPE] = PLACE(TEXT, chaos_flavor, type),
	[PROTO_KERNEL] = PLACE(TEXT, chaos_flavor, image),
	[PROTO_RAMDISK] = PLACE(TEXT, chaos_flavor, ramdisk),
	[PROTO_BRIDGE] = PLACE(TEXT, chaos_flavor, bridge),
	[PROTO_FROM] = PLACE(TEXT, chaos_flavor, from),
	[PROTO_READY_WHEN] = PLACE(TEXT, chaos_flavor, ready_when),
	[PROTO_MAC] = PLACE(TEXT, chaos_flavor, macs),
	[PROTO_IP] = PLACE(TEXT, chaos_flavor, ips),
	[PROTO_DISKS] = PLACE(TEXT, chaos_flavor, disks),
	[PROTO_BACKEND] = PLACE(TEXT, chaos_flavor, backend),
	[PROTO_LINUX] = PLACE(FLAG, chaos_flavor, for_linux),
	[PROTO_VIFS] = PLACE(U32, chaos_flavor, vifs),
	[PROTO_VBDS] = PLACE(U32, chaos_flavor, vbds),
	[PROTO_VCPUS] = PLACE(U32, chaos_flavor, vcpus),
	[PROTO_LOW] = PLACE(U32, chaos_flavor, low),
	[PROTO_HIGH] = PLACE(U32, chaos_flavor, high),
	[PROTO_TARGET] = PLACE(U32, chaos_flavor, target),
	[PROTO_READY] = PLACE(U32, chaos_flavor, ready),
	[PROTO_MEM_KIB] = PLACE(U64, chaos_flavor, mem_kib),
	[PROTO_HITS] = PLACE(U64, chaos_flavor, hits),
	[PROTO_MISSES] = PLACE(U64, chaos_flavor, misses),
};

static const struct place image_places[PROTO_ID_END] = {
	[PROTO_NAME] = PLACE(TEXT, chaos_image, name),
	[PROTO_DIGEST] = PLACE(TEXT, chaos_image, digest),
	[PROTO_TYPE] = PLACE(TEXT, chaos_image, types),
	[PROTO_TEXT] = PLACE(TEXT, chaos_image, guest_os),
	[PROTO_NOXS] = PLACE(FLAG, chaos_image, noxs),
	[PROTO_LINUX] = PLACE(FLAG, chaos_image, linux_kernel),
	[PROTO_BYTES] = PLACE(U64, chaos_image, bytes),
	[PROTO_MEM_KIB] = PLACE(U64, chaos_image, min_kib),
	[PROTO_WHEN] = PLACE(U64, chaos_image, used_ns),
};

static const struct place snapshot_places[PROTO_ID_END] = {
	[PROTO_NAME] = PLACE(TEXT, chaos_snapshot, name),
	[PROTO_DIGEST] = PLACE(TEXT, chaos_snapshot, digest),
	[PROTO_WHAT] = PLACE(TEXT, chaos_snapshot, vm),
	[PROTO_TYPE] = PLACE(TEXT, chaos_snapshot, type),
	[PROTO_PARENT] = PLACE(TEXT, chaos_snapshot, parent),
	[PROTO_PARENT_NAME] = PLACE(TEXT, chaos_snapshot, parent_name),
	[PROTO_VCPUS] = PLACE(U32, chaos_snapshot, vcpus),
	[PROTO_MEM_KIB] = PLACE(U64, chaos_snapshot, mem_kib),
	[PROTO_BYTES] = PLACE(U64, chaos_snapshot, bytes),
	[PROTO_CREATED] = PLACE(U64, chaos_snapshot, created_ns),
	[PROTO_PAGES] = PLACE(U64, chaos_snapshot, pages),
	[PROTO_PRESENT] = PLACE(U64, chaos_snapshot, pages_in_file),
};

static const struct place device_places[PROTO_ID_END] = {
	[PROTO_KIND] = PLACE(TEXT, chaos_device, kind),
	[PROTO_ID] = PLACE(TEXT, chaos_device, id),
	[PROTO_STATE] = PLACE(TEXT, chaos_device, state),
	[PROTO_REASON] = PLACE(TEXT, chaos_device, reason),
	[PROTO_BACKEND] = PLACE(TEXT, chaos_device, backend),
	[PROTO_MAC] = PLACE(TEXT, chaos_device, mac),
	[PROTO_BRIDGE] = PLACE(TEXT, chaos_device, bridge),
	[PROTO_IFNAME] = PLACE(TEXT, chaos_device, ifname),
	[PROTO_NETNS] = PLACE(TEXT, chaos_device, netns),
	[PROTO_PEER] = PLACE(TEXT, chaos_device, peer),
	[PROTO_IP] = PLACE(TEXT, chaos_device, ip),
	[PROTO_PATH] = PLACE(TEXT, chaos_device, path),
	[PROTO_DEVID] = PLACE(U32, chaos_device, devid),
	[PROTO_MTU] = PLACE(U32, chaos_device, mtu),
	[PROTO_RATE_US] = PLACE(U32, chaos_device, rate_us),
	[PROTO_RATE_BYTES] = PLACE(U64, chaos_device, rate_bytes),
	[PROTO_READONLY] = PLACE(FLAG, chaos_device, readonly),
	[PROTO_CDROM] = PLACE(FLAG, chaos_device, cdrom),
	[PROTO_SECTORS] = PLACE(U64, chaos_device, sectors),
};

static const struct place host_places[PROTO_ID_END] = {
	[PROTO_VERSION_TEXT] = PLACE(TEXT, chaos_host, chaos),
	[PROTO_XEN] = PLACE(TEXT, chaos_host, xen),
	[PROTO_STORE] = PLACE(TEXT, chaos_host, store),
	[PROTO_ROOM] = PLACE(TEXT, chaos_host, store_room),
	[PROTO_CPUS] = PLACE(U32, chaos_host, cpus),
	[PROTO_SLOTS] = PLACE(U32, chaos_host, slots),
	[PROTO_VMS] = PLACE(U32, chaos_host, vms),
	[PROTO_PVH] = PLACE(FLAG, chaos_host, pvh),
	[PROTO_MEM_KIB] = PLACE(U64, chaos_host, mem_kib),
	[PROTO_FREE_KIB] = PLACE(U64, chaos_host, free_kib),
	[PROTO_POOL_KIB] = PLACE(U64, chaos_host, pool_kib),
	[PROTO_TAIL] = PLACE(TEXT, chaos_host, tail_guard),
};

static const struct place reply_places[PROTO_ID_END] = {
	[PROTO_WARNING] = PLACE(TEXT, chaos_reply, warning),
	[PROTO_WAY] = PLACE(TEXT, chaos_reply, way),
	[PROTO_WHY] = PLACE(TEXT, chaos_reply, why),
	[PROTO_EVENT_ID] = PLACE(U64, chaos_reply, event_id),
	[PROTO_WHEN] = PLACE(U64, chaos_reply, when_ns),
	[PROTO_LOST] = PLACE(U64, chaos_reply, lost),
	[PROTO_BYTES] = PLACE(U64, chaos_reply, saved.bytes),
	[PROTO_PAGES] = PLACE(U64, chaos_reply, saved.pages),
	[PROTO_PRESENT] = PLACE(U64, chaos_reply, saved.pages_in_file),
	[PROTO_STOPPED_NS] = PLACE(U64, chaos_reply, saved.stopped_ns),
	[PROTO_TOTAL_NS] = PLACE(U64, chaos_reply, saved.total_ns),
	[PROTO_ROUND] = PLACE(U32, chaos_reply, round),
};

/* A field of another size or without a place is passed over; a text ends at its first zero byte. */
static inline void put(const struct wire_field *f, const struct place *places, void *to)
{
	const struct place *p = &places[f->id];
	uint8_t *at = (uint8_t *)to + p->offset;
	uint32_t v;

	switch ((enum kind)p->kind) {
	case NONE:
		break;
	case TEXT:
		if (f->len < p->size) {
			memcpy(at, f->data, f->len);
			at[f->len] = '\0';
		}
		break;
	case U32:
		if (f->len == sizeof(uint32_t))
			memcpy(at, f->data, sizeof(uint32_t));
		break;
	case U64:
		if (f->len == sizeof(uint64_t))
			memcpy(at, f->data, sizeof(uint64_t));
		break;
	case FLAG:
		if (f->len == sizeof(v)) {
			memcpy(&v, f->data, sizeof(v));
			*(bool *)at = v != 0;
		}
		break;
	}
}

/* The next field of a frame whose outline wire_parse() or wire_nested() has checked. */
static inline bool next(const struct wire_in *in, uint32_t *at, struct wire_field *out)
{
	struct proto_field f;

	if (*at >= in->bytes)
		return false;
	memcpy(&f, in->fields + *at, sizeof(f));
	out->id = (enum proto_id)f.id;
	out->data = in->fields + *at + sizeof(f);
	out->len = f.bytes;
	*at += (uint32_t)sizeof(f) + f.bytes;
	return true;
}

static void put_all(const struct wire_in *in, const struct place *places, void *to)
{
	struct wire_field f;
	uint32_t at = 0;

	while (next(in, &at, &f))
		put(&f, places, to);
}

static bool open_nested(const struct wire_in *in, enum proto_id id, struct wire_in *out)
{
	struct wire_field f;

	return wire_find(in, id, &f) && wire_nested(out, &f) == 0;
}

static void empty_vm(struct chaos_vm *v)
{
	memset(v, 0, offsetof(struct chaos_vm, cmdline)); /* the rest is long, and text */
	v->cmdline[0] = v->kernel[0] = v->ramdisk[0] = v->cpus[0] = v->snapshot[0] = '\0';
	v->copy_of[0] = '\0';
	v->exit_code = -1;
}

/* *v is empty. */
static bool fill_vm(const struct wire_field *field, struct chaos_vm *v)
{
	struct wire_field f;
	struct wire_in vm;
	uint32_t at = 0;

	if (wire_nested(&vm, field) < 0)
		return false;
	while (next(&vm, &at, &f)) {
		if (f.id == PROTO_UUID && f.len == 16)
			uuid_print(f.data, v->uuid);
		else
			put(&f, vm_places, v);
	}
	if (strcmp(v->state, "foreign") == 0 && v->domid == 0)
		(void)snprintf(v->name, sizeof(v->name), "Domain-0");
	return true;
}

bool decode_vm(const struct wire_in *in, struct chaos_vm *v)
{
	struct wire_field f;

	empty_vm(v);
	return wire_find(in, PROTO_VM, &f) && fill_vm(&f, v);
}

bool decode_flavor(const struct wire_in *in, struct chaos_flavor *f)
{
	struct wire_in v;

	memset(f, 0, sizeof(*f));
	if (!open_nested(in, PROTO_FLAVOR, &v))
		return false;
	put_all(&v, flavor_places, f);
	f->held_kib = f->mem_kib * f->ready;
	return true;
}

bool decode_image(const struct wire_in *in, struct chaos_image *i)
{
	struct wire_in v;

	memset(i, 0, sizeof(*i));
	if (!open_nested(in, PROTO_IMAGE, &v))
		return false;
	put_all(&v, image_places, i);
	return true;
}

bool decode_snapshot(const struct wire_in *in, struct chaos_snapshot *s)
{
	struct wire_in v;

	memset(s, 0, sizeof(*s));
	if (!open_nested(in, PROTO_SNAPSHOT, &v))
		return false;
	put_all(&v, snapshot_places, s);
	return true;
}

bool decode_device(const struct wire_in *in, uint32_t i, struct chaos_device *d)
{
	struct wire_field f;
	struct wire_in v;
	uint32_t at = 0;

	memset(d, 0, offsetof(struct chaos_device, path));
	d->path[0] = '\0';
	d->readonly = d->cdrom = false;
	d->sectors = 0;
	do {
		if (!next(in, &at, &f))
			return false;
	} while (f.id != PROTO_DEVICE || i-- > 0);
	if (wire_nested(&v, &f) < 0)
		return false;
	put_all(&v, device_places, d);
	return true;
}

void decode_host(const struct wire_in *in, struct chaos_host *h)
{
	memset(h, 0, sizeof(*h));
	put_all(in, host_places, h);
}

void decode_reply(const struct wire_in *in, struct chaos_reply *r)
{
	struct wire_field f;
	uint32_t at = 0;

	memset(r, 0, offsetof(struct chaos_reply, vm));
	r->warning[0] = r->way[0] = r->why[0] = r->event[0] = '\0';
	r->event_id = r->when_ns = r->lost = 0;
	r->round = 0;
	r->data = NULL;
	r->len = 0;
	r->has_saved = r->has_snapshot = false;
	memset(&r->saved, 0, sizeof(r->saved));
	r->ndevice = 0;
	r->tag = in->h.tag;
	r->last = in->h.op != PROTO_ITEM;
	r->frame = in->fields;
	r->frame_len = in->bytes;
	empty_vm(&r->vm);
	while (next(in, &at, &f)) {
		if (f.id == PROTO_VM) {
			empty_vm(&r->vm);
			r->has_vm = fill_vm(&f, &r->vm);
		} else if (f.id == PROTO_NAME && !r->has_vm) { /* what the request was about */
			r->has_vm = wire_field_text(&f, r->vm.name, sizeof(r->vm.name));
		} else if (f.id == PROTO_FLAVOR) {
			r->has_flavor = decode_flavor(in, &r->flavor);
		} else if (f.id == PROTO_IMAGE) {
			r->has_image = decode_image(in, &r->image);
		} else if (f.id == PROTO_SNAPSHOT) {
			r->has_snapshot = decode_snapshot(in, &r->snapshot);
		} else if (f.id == PROTO_DEVICE) {
			r->ndevice++;
		} else if (f.id == PROTO_DATA) {
			r->data = f.data;
			r->len = f.len;
		} else if (f.id == PROTO_EVENT) {
			r->has_event = wire_field_text(&f, r->event, sizeof(r->event));
		} else {
			r->has_host |= f.id == PROTO_XEN;
			r->has_saved |= f.id == PROTO_PAGES;
			put(&f, reply_places, r);
		}
	}
	if (r->has_host)
		decode_host(in, &r->host);
}
