/* SPDX-License-Identifier: BSD-3-Clause */
/* The form of a record: a fixed part, texts, bitmaps of CPUs, devices; and what older daemons
 * wrote.
 */
#include "split-toolstack/engine/registry_record.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "split-toolstack/engine/registry_device.h"

#define RECORD_VERSION 3u
#define RECORD_OLDEST  1u    /* without devices */
#define CPUMAP_MAX     4096u /* bytes of one */
#define NO_TEXT	       UINT32_MAX

/* What versions before 3 wrote. */
#define RECORD_BYTES_2 offsetof(struct record, ncpumap)
_Static_assert(RECORD_BYTES_2 == 152, "as it was");

/* Of one that is being built the id that its domain will have; a last domain is noted elsewhere. */
static uint32_t domid_of(const struct vm *vm)
{
	if (vm->life.now == NOW_BUILDING || life_create_waits(&vm->life))
		return vm->slot.domid;
	return life_has_domain(&vm->life) ? vm->domid : 0;
}

static void fill(const struct vm *vm, struct record *r)
{
	const struct vm_config *c = &vm->cfg;
	enum vm_state state = life_state(&vm->life);
	bool unknown = state == VM_UNKNOWN;
	bool threads = life_has_threads(&vm->life);

	*r = (struct record){
		.version = RECORD_VERSION,
		.state = unknown ? vm->was : state,
		.reason = vm->reason,
		.exit_code = vm->exit_code,
		.domid = unknown ? vm->recorded : domid_of(vm),
		.guest_port = threads ? 0 : vm->guest_port, /* which they may be writing */
		.type = c->type,
		.vcpus = c->vcpus,
		.maxvcpus = c->maxvcpus,
		.weight = c->weight,
		.cap = c->cap,
		.on_poweroff = c->on_poweroff,
		.on_reboot = c->on_reboot,
		.on_crash = c->on_crash,
		.restarts = vm->restarts,
		.noxs = vm->noxs,
		.ready = vm->ready,
		.store_port = threads ? 0 : (uint16_t)vm->view.guest_port,
		.mem_kib = c->mem_kib,
		.maxmem_kib = c->maxmem_kib,
		.pages = vm->pages,
		.dev_frame = vm->dev_frame,
		.control_frame = vm->control_frame,
		.created_ns = vm->created_ns,
		.started_ns = vm->started_ns,
		/* With the end of its past it is of the history if it never gets to run. */
		.ended_ns = state == VM_BUILDING && vm->past_ns ? vm->past_ns : vm->ended_ns,
		.cpumap_bytes = c->cpus.map ? c->cpus.bytes : 0,
		.ncpumap = c->cpus.map ? c->cpus.n : 0,
		.ndevice = c->ndevice,
		.limits = c->limits,
	};
}

void record_draft(const struct vm *vm, struct record_draft *d)
{
	const struct vm_config *c = &vm->cfg;
	const char *const text[RECORD_TEXTS] = {vm->name, c->kernel, c->ramdisk, c->cmdline};

	fill(vm, &d->r);
	d->cfg = c;
	d->bytes = sizeof(d->r) + dom_cpus_bytes(&c->cpus);
	for (uint32_t i = 0; i < RECORD_TEXTS; i++) {
		d->text[i] = text[i];
		d->r.text[i] = text[i] ? (uint32_t)strlen(text[i]) : NO_TEXT;
		d->bytes += text[i] ? d->r.text[i] : 0;
	}
	for (uint32_t i = 0; i < d->r.ndevice; i++)
		d->bytes += device_record_bytes(&c->device[i]);
}

void record_write(const struct record_draft *d, uint8_t *to)
{
	const struct vm_config *c = d->cfg;

	memcpy(to, &d->r, sizeof(d->r));
	to += sizeof(d->r);
	for (uint32_t i = 0; i < RECORD_TEXTS; i++) {
		if (!d->text[i])
			continue;
		memcpy(to, d->text[i], d->r.text[i]);
		to += d->r.text[i];
	}
	if (c->cpus.map)
		memcpy(to, c->cpus.map, dom_cpus_bytes(&c->cpus));
	to += dom_cpus_bytes(&c->cpus);
	for (uint32_t i = 0; i < d->r.ndevice; i++)
		to = device_record_put(to, &c->device[i]);
}

/* --- reading --- */

static char *copy_text(const uint8_t **at, const uint8_t *end, uint32_t len, bool *ok)
{
	char *s;

	if (len == NO_TEXT)
		return NULL;
	if (len > (size_t)(end - *at)) {
		*ok = false;
		return NULL;
	}
	s = strndup((const char *)*at, len);
	*at += len;
	*ok = *ok && s;
	return s;
}

/* Records are our own, but a daemon of another version may have written them. */
static bool plausible(const struct record *r)
{
	return r->version >= RECORD_OLDEST && r->version <= RECORD_VERSION &&
	       r->ndevice <= VM_VIFS_MAX + VM_VBDS_MAX && r->state <= VM_ENDED &&
	       r->reason <= VM_REASON_LOST && r->type <= DOM_PVH && r->on_poweroff <= VM_PRESERVE &&
	       r->on_reboot <= VM_PRESERVE && r->on_crash <= VM_PRESERVE &&
	       r->vcpus <= DOM_MAX_VCPUS && r->maxvcpus <= DOM_MAX_VCPUS &&
	       r->ncpumap <= DOM_MAX_VCPUS && r->cpumap_bytes <= CPUMAP_MAX &&
	       r->limits.asked <= DOM_LIMITS;
}

static bool parse_devices(struct vm_config *c, const uint8_t *at, const uint8_t *end, uint32_t n)
{
	if (n == 0)
		return true;
	c->device = calloc(n, sizeof(*c->device));
	for (uint32_t i = 0; c->device && i < n; i++) {
		c->ndevice++; /* vm_config_clear() has it, whole or not */
		if (!device_record_get(&at, end, &c->device[i]) ||
		    device_config_check(&c->device[i], c->device, i, NULL) < 0)
			return false;
	}
	return c->device != NULL;
}

/* The fixed part of any version; what an older one has not is 0. */
static bool read_head(struct record *r, const uint8_t **at, size_t size)
{
	size_t bytes = RECORD_BYTES_2;

	memset(r, 0, sizeof(*r));
	if (size < bytes)
		return false;
	memcpy(r, *at, bytes);
	if (r->version >= 3)
		bytes = sizeof(*r);
	if (size < bytes)
		return false;
	memcpy(r, *at, bytes);
	if (r->version == RECORD_OLDEST) /* what was padding */
		r->ndevice = 0;
	*at += bytes;
	return true;
}

bool record_read(struct vm *vm, const uint8_t *data, size_t size)
{
	struct vm_config *c = &vm->cfg;
	const uint8_t *at = data;
	const uint8_t *end = data + size;
	struct record r;
	bool ok = true;
	char *name;

	if (!read_head(&r, &at, size) || !plausible(&r))
		return false;
	name = copy_text(&at, end, r.text[0], &ok);
	if (name)
		(void)snprintf(vm->name, sizeof(vm->name), "%s", name);
	free(name);
	c->kernel = copy_text(&at, end, r.text[1], &ok);
	c->ramdisk = copy_text(&at, end, r.text[2], &ok);
	c->cmdline = copy_text(&at, end, r.text[3], &ok);
	if (!ok || !cpus_record_get(&at, end, r.cpumap_bytes, r.ncpumap, &c->cpus) ||
	    !parse_devices(c, at, end, r.ndevice))
		return false;
	vm->was = (enum vm_state)r.state;
	vm->life.now = vm->was == VM_ENDED ? NOW_ENDED : NOW_UNKNOWN;
	vm->reason = (enum vm_reason)r.reason;
	vm->exit_code = r.exit_code;
	vm->domid = r.domid; /* not in the table: adopt.c decides */
	vm->guest_port = r.guest_port;
	vm->restarts = r.restarts;
	vm->noxs = r.noxs;
	vm->ready = r.ready;
	vm->view.guest_port = r.store_port;
	vm->pages = r.pages;
	vm->dev_frame = r.dev_frame;
	vm->control_frame = r.control_frame;
	vm->created_ns = r.created_ns;
	vm->started_ns = r.started_ns;
	vm->ended_ns = r.ended_ns;
	c->type = (enum dom_type)r.type;
	c->mem_kib = r.mem_kib;
	c->maxmem_kib = r.maxmem_kib;
	c->vcpus = r.vcpus;
	c->maxvcpus = r.maxvcpus;
	c->limits = r.limits;
	c->weight = r.weight;
	c->cap = r.cap;
	c->on_poweroff = (enum vm_action)r.on_poweroff;
	c->on_reboot = (enum vm_action)r.on_reboot;
	c->on_crash = (enum vm_action)r.on_crash;
	memcpy(c->name, vm->name, sizeof(c->name));
	return true;
}
