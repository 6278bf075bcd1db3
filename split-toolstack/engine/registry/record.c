/* SPDX-License-Identifier: BSD-3-Clause */
/* The form of a record: a fixed part, texts, bitmaps of CPUs, devices; and the forms of older
 * daemons. */
#include "split-toolstack/engine/registry/record.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "split-toolstack/engine/config/device_record.h"

#define RECORD_VERSION 3u
#define RECORD_OLDEST  1u    /* without devices */
#define CPUMAP_MAX     4096u /* bytes of one */
#define NO_TEXT	       UINT32_MAX

/* The bits of `noxs`. Older daemons wrote the first one alone. */
#define RECORD_NOXS   1u
#define RECORD_DIRECT 2u
#define RECORD_OTHER  4u /* not direct */
#define RECORD_AGENT  2u /* in `ready`, which is of noxs guests alone; the bit above it */

/* The form before version 3. */
#define RECORD_BYTES_2 offsetof(struct record, ncpumap)
_Static_assert(RECORD_BYTES_2 == 152, "as it was");

static void fill(const struct vm_record *v, struct record *r)
{
	const struct vm_config *c = v->cfg;

	*r = (struct record){
		.version = RECORD_VERSION,
		.state = v->state,
		.reason = v->reason,
		.exit_code = v->exit_code,
		.domid = v->domid,
		.guest_port = v->guest_port,
		.type = c->type,
		.vcpus = c->vcpus,
		.maxvcpus = c->maxvcpus,
		.weight = c->weight,
		.cap = c->cap,
		.on_poweroff = c->on_poweroff,
		.on_reboot = c->on_reboot,
		.on_crash = c->on_crash,
		.restarts = v->restarts,
		.noxs = v->noxs ? RECORD_NOXS | (v->direct ? RECORD_DIRECT : RECORD_OTHER) : 0,
		.spare_rings = (uint16_t)c->spare_rings,
		.ready = (uint16_t)(v->ready | (c->agent ? RECORD_AGENT : 0)),
		.store_port = v->store_port,
		.mem_kib = c->mem_kib,
		.maxmem_kib = c->maxmem_kib,
		.pages = v->pages,
		.dev_frame = v->dev_frame,
		.control_frame = v->control_frame,
		.created_ns = v->created_ns,
		.started_ns = v->started_ns,
		.ended_ns = v->ended_ns,
		.cpumap_bytes = c->cpus.map ? c->cpus.bytes : 0,
		.ncpumap = c->cpus.map ? c->cpus.n : 0,
		.ndevice = c->ndevice,
		.limits = c->limits,
		.want = v->want,
	};
}

/* At the end, where older daemons do not read: the digest of the VM's snapshot; the settings of
 * a VM that has children or is one; the uuid of the VM that it is a copy of. */
#define SNAPSHOT_MARK  0x50414e53u /* "SNAP" */
#define SNAPSHOT_CHARS 64u

static size_t snapshot_bytes(const struct vm_config *c)
{
	return c->snapshot ? sizeof(uint32_t) + SNAPSHOT_CHARS : 0;
}

static void snapshot_put(uint8_t *to, const struct vm_config *c)
{
	const uint32_t mark = SNAPSHOT_MARK;

	if (!c->snapshot)
		return;
	memcpy(to, &mark, sizeof(mark));
	memcpy(to + sizeof(mark), c->snapshot, SNAPSHOT_CHARS);
}

/* Other bytes are ignored: another version may have other data there. */
static bool snapshot_get(const uint8_t *at, const uint8_t *end, struct vm_config *c)
{
	char digest[SNAPSHOT_CHARS + 1] = "";
	uint32_t mark;

	if ((size_t)(end - at) < sizeof(mark) + SNAPSHOT_CHARS)
		return true;
	memcpy(&mark, at, sizeof(mark));
	memcpy(digest, at + sizeof(mark), SNAPSHOT_CHARS);
	if (mark != SNAPSHOT_MARK || strspn(digest, "0123456789abcdef") != SNAPSHOT_CHARS)
		return true;
	c->snapshot = strdup(digest);
	return c->snapshot != NULL;
}

#define FORK_MARK 0x4b524f46u /* "FORK" */

struct fork_record {
	uint32_t mark;
	uint32_t fork, fork_depth;
	struct vm_child child;
};
_Static_assert(sizeof(struct fork_record) == 48, "no padding");

static size_t fork_bytes(const struct vm_config *c)
{
	return c->fork || c->child.number ? sizeof(struct fork_record) : 0;
}

static void fork_put(uint8_t *to, const struct vm_config *c)
{
	const struct fork_record r = {FORK_MARK, c->fork, c->fork_depth, c->child};

	if (fork_bytes(c))
		memcpy(to, &r, sizeof(r));
}

static void fork_get(const uint8_t *at, const uint8_t *end, struct vm_config *c)
{
	struct fork_record r;

	if (c->snapshot)
		at += snapshot_bytes(c);
	if ((size_t)(end - at) < sizeof(r))
		return;
	memcpy(&r, at, sizeof(r));
	if (r.mark != FORK_MARK || r.fork > NOXS_CHILDREN_MAX || r.fork_depth > VM_FORK_DEPTH_MAX ||
	    r.child.slot >= NOXS_CHILDREN_MAX)
		return;
	c->fork = r.fork;
	c->fork_depth = r.fork_depth;
	c->child = r.child;
}

#define COPY_MARK 0x59504f43u /* "COPY" */

struct copy_record {
	uint32_t mark;
	uint8_t of[16];
};

static size_t copy_bytes(const struct vm_config *c)
{
	static const uint8_t none[sizeof(c->copy_of)];

	return memcmp(c->copy_of, none, sizeof(none)) != 0 ? sizeof(struct copy_record) : 0;
}

static void copy_put(uint8_t *to, const struct vm_config *c)
{
	struct copy_record r = {.mark = COPY_MARK};

	memcpy(r.of, c->copy_of, sizeof(r.of));
	if (copy_bytes(c))
		memcpy(to, &r, sizeof(r));
}

static void copy_get(const uint8_t *at, const uint8_t *end, struct vm_config *c)
{
	const size_t before = snapshot_bytes(c) + fork_bytes(c);
	struct copy_record r;

	if ((size_t)(end - at) < before + sizeof(r))
		return;
	memcpy(&r, at + before, sizeof(r));
	if (r.mark == COPY_MARK)
		memcpy(c->copy_of, r.of, sizeof(r.of));
}

size_t record_write(const struct vm_record *v, uint8_t *to, size_t room)
{
	const struct vm_config *c = v->cfg;
	const char *const text[RECORD_TEXTS] = {v->name, c->kernel, c->ramdisk, c->cmdline};
	struct record r;
	size_t bytes = sizeof(r) + dom_cpus_bytes(&c->cpus) + snapshot_bytes(c) + fork_bytes(c) +
		       copy_bytes(c);

	fill(v, &r);
	for (uint32_t i = 0; i < RECORD_TEXTS; i++) {
		r.text[i] = text[i] ? (uint32_t)strlen(text[i]) : NO_TEXT;
		bytes += text[i] ? r.text[i] : 0;
	}
	for (uint32_t i = 0; i < r.ndevice; i++)
		bytes += device_record_bytes(&c->device[i]);
	if (bytes > room)
		return bytes;
	memcpy(to, &r, sizeof(r));
	to += sizeof(r);
	for (uint32_t i = 0; i < RECORD_TEXTS; i++) {
		if (!text[i])
			continue;
		memcpy(to, text[i], r.text[i]);
		to += r.text[i];
	}
	if (c->cpus.map)
		memcpy(to, c->cpus.map, dom_cpus_bytes(&c->cpus));
	to += dom_cpus_bytes(&c->cpus);
	for (uint32_t i = 0; i < r.ndevice; i++)
		to = device_record_put(to, &c->device[i]);
	snapshot_put(to, c);
	fork_put(to + snapshot_bytes(c), c);
	copy_put(to + snapshot_bytes(c) + fork_bytes(c), c);
	return bytes;
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

/* Only chaosd writes records, but perhaps a daemon of another version. */
static bool plausible(const struct record *r)
{
	return r->version >= RECORD_OLDEST && r->version <= RECORD_VERSION &&
	       r->ndevice <= VM_DEVICES_MAX &&
	       (r->state <= VM_ENDED || r->state == VM_SAVING || r->state == VM_MOVING ||
		r->state == VM_ASLEEP) &&
	       r->reason <= VM_REASON_MIGRATED && r->type <= DOM_PVH &&
	       r->on_poweroff <= VM_PRESERVE && r->on_reboot <= VM_PRESERVE &&
	       r->on_crash <= VM_PRESERVE && r->vcpus <= DOM_MAX_VCPUS &&
	       r->maxvcpus <= DOM_MAX_VCPUS && r->ncpumap <= DOM_MAX_VCPUS &&
	       r->cpumap_bytes <= CPUMAP_MAX && r->limits.asked <= DOM_LIMITS &&
	       r->want <= WANT_PAUSED && r->spare_rings <= DOM_RINGS_MAX;
}

static bool parse_devices(struct vm_config *c, const uint8_t **at, const uint8_t *end, uint32_t n)
{
	if (n == 0)
		return true;
	c->device = calloc(n, sizeof(*c->device));
	for (uint32_t i = 0; c->device && i < n; i++) {
		c->ndevice++; /* vm_config_clear() has it, whole or not */
		if (!device_record_get(at, end, &c->device[i]) ||
		    device_config_check(&c->device[i], c->device, i, NULL) < 0)
			return false;
	}
	return c->device != NULL;
}

/* The fixed part of any version; members that an older version does not have are 0. */
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

static bool is_direct(const struct record *r)
{
	if (r->noxs == RECORD_NOXS) /* of before: those alone had a port allocated */
		return r->guest_port == 0;
	return r->noxs & RECORD_DIRECT;
}

/* The CPUs of a VM: n bitmaps of `bytes` each, or, with n 0, one for all vCPUs. False: not enough
 * bytes. */
static bool get_cpus(const uint8_t **at, const uint8_t *end, uint32_t bytes, uint32_t n,
		     struct dom_cpus *c)
{
	size_t all = (size_t)bytes * (n ? n : 1);

	if (all == 0)
		return true;
	if (all > (size_t)(end - *at))
		return false;
	c->map = malloc(all);
	if (!c->map)
		return false;
	memcpy(c->map, *at, all);
	c->bytes = bytes;
	c->n = n;
	*at += all;
	return true;
}

bool record_read(struct vm_record *v, struct vm_config *c, const uint8_t *data, size_t size)
{
	const uint8_t *at = data;
	const uint8_t *end = data + size;
	struct record r;
	bool ok = true;
	char *name;

	if (!read_head(&r, &at, size) || !plausible(&r))
		return false;
	name = copy_text(&at, end, r.text[0], &ok);
	if (name)
		(void)snprintf(c->name, sizeof(c->name), "%s", name);
	free(name);
	c->kernel = copy_text(&at, end, r.text[1], &ok);
	c->ramdisk = copy_text(&at, end, r.text[2], &ok);
	c->cmdline = copy_text(&at, end, r.text[3], &ok);
	if (!ok || !get_cpus(&at, end, r.cpumap_bytes, r.ncpumap, &c->cpus) ||
	    !parse_devices(c, &at, end, r.ndevice) || !snapshot_get(at, end, c))
		return false;
	fork_get(at, end, c);
	copy_get(at, end, c);
	*v = (struct vm_record){
		.name = c->name,
		.cfg = c,
		.state = (enum vm_state)r.state,
		.reason = (enum vm_reason)r.reason,
		.exit_code = r.exit_code,
		.domid = r.domid,
		.guest_port = r.guest_port,
		.store_port = r.store_port,
		.want = (enum vm_want)r.want,
		.restarts = r.restarts,
		.noxs = r.noxs != 0,
		.direct = is_direct(&r),
		.ready = r.ready & 1,
		.pages = r.pages,
		.dev_frame = r.dev_frame,
		.control_frame = r.control_frame,
		.created_ns = r.created_ns,
		.started_ns = r.started_ns,
		.ended_ns = r.ended_ns,
	};
	c->type = (enum dom_type)r.type;
	c->agent = (r.ready & RECORD_AGENT) != 0;
	c->spare_rings = r.spare_rings;
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
	return true;
}
