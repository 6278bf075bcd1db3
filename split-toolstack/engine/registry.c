/* SPDX-License-Identifier: BSD-3-Clause */
/* The registry: one LMDB record a VM, keyed by uuid. It lies on a tmpfs and need only survive the
 * daemon, so nothing is ever synced. Records of late wait in registry_recent.c. */
#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/dirs.h"
#include "base/log.h"
#include "split-toolstack/engine/private.h"
#include "split-toolstack/engine/registry_device.h"
#include "split-toolstack/engine/registry_recent.h"

#define RECORD_VERSION 3u
#define RECORD_OLDEST  1u	      /* without devices */
#define MAP_BYTES      (256ull << 20) /* room for 32751 VMs with long command lines */
#define TEXTS	       4	      /* name, kernel, ramdisk, cmdline */
#define CPUMAP_MAX     4096u	      /* bytes of one */
#define NO_TEXT	       UINT32_MAX
#define ROOM_BYTES     (1u << 20) /* that the file has beyond what it uses */

struct record {
	uint32_t version;
	uint32_t state, reason;
	int32_t exit_code;
	uint32_t domid, guest_port;
	uint32_t type, vcpus, weight, cap;
	uint32_t on_poweroff, on_reboot, on_crash;
	uint32_t restarts, noxs;
	uint16_t ready, store_port; /* a new domain's first ports are small */
	uint64_t mem_kib, maxmem_kib, pages;
	uint64_t dev_frame, control_frame;
	uint64_t created_ns, started_ns, ended_ns;
	uint32_t text[TEXTS]; /* lengths of the strings that follow, NO_TEXT for none */
	uint32_t cpumap_bytes;
	uint32_t ndevice; /* that follow the bitmaps */
	/* from version 3 on */
	uint32_t ncpumap; /* bitmaps of cpumap_bytes each; 0: one, of all vCPUs */
	uint32_t maxvcpus;
	struct dom_limits limits;
	uint32_t reserved;
};

/* What versions before 3 wrote. */
#define RECORD_BYTES_2 offsetof(struct record, ncpumap)
_Static_assert(RECORD_BYTES_2 == 152, "as it was");

static int failed(struct err *e, int rc, const char *what)
{
	/* EIO: so LMDB calls a write that came short, as it does in a full folder. */
	int code = rc == EIO || rc == MDB_MAP_FULL ? ENOSPC : rc > 0 ? rc : EIO;

	return err_set(e, code, "registry: %s: %s", what, mdb_strerror(rc));
}

/* The folder of our files; nothing in it may lead elsewhere. */
static int open_folder(const char *path, struct err *e)
{
	int dir = dir_prepare(path, false, e);
	int rc = dir < 0 ? dir : dir_refuse_links(dir, path, e);

	if (dir >= 0)
		(void)close(dir);
	return rc;
}

void registry_keep_room(struct engine *en)
{
	mdb_filehandle_t fd;
	MDB_envinfo info;
	MDB_stat stat;
	uint64_t used;

	if (mdb_env_get_fd(en->db, &fd) != 0 || mdb_env_info(en->db, &info) != 0 ||
	    mdb_env_stat(en->db, &stat) != 0)
		return;
	used = (info.me_last_pgno + 1) * (uint64_t)stat.ms_psize;
	if (used + ROOM_BYTES / 2 <= en->registry_room)
		return;
	en->registry_room = used + ROOM_BYTES;
	if (fallocate(fd, FALLOC_FL_KEEP_SIZE, 0, (off_t)en->registry_room) < 0)
		log_line(LOG_WARN, "registry: no room for changes to come: %s", strerror(errno));
}

/* Neither a writable map nor LMDB's file of locks: both are sparse, and touching a page that a full
 * file system cannot give ends the process by SIGBUS. One process uses it, on one thread. */
int registry_open(struct engine *en, struct err *e)
{
	char path[512];
	MDB_txn *txn;
	int rc;

	(void)snprintf(path, sizeof(path), "%s/registry", en->conf.run_dir);
	rc = open_folder(path, e);
	if (rc < 0)
		return rc;
	rc = mdb_env_create(&en->db);
	if (rc != 0)
		return failed(e, rc, "open");
	rc = mdb_env_set_mapsize(en->db, MAP_BYTES);
	if (rc == 0)
		rc = mdb_env_open(en->db, path,
				  MDB_NOSYNC | MDB_NOMETASYNC | MDB_NOTLS | MDB_NOLOCK, 0600);
	if (rc != 0)
		return failed(e, rc, path);
	rc = mdb_txn_begin(en->db, NULL, 0, &txn);
	if (rc != 0)
		return failed(e, rc, "begin");
	rc = mdb_dbi_open(txn, NULL, 0, &en->dbi);
	if (rc != 0) {
		mdb_txn_abort(txn);
		return failed(e, rc, "open");
	}
	rc = mdb_txn_commit(txn);
	if (rc != 0)
		return failed(e, rc, "open");
	registry_keep_room(en);
	(void)snprintf(path, sizeof(path), "%s/registry/recent", en->conf.run_dir);
	return recent_open(en, path, e);
}

void registry_close(struct engine *en)
{
	recent_close(en);
	if (en->db)
		mdb_env_close(en->db);
	en->db = NULL;
}

/* Of one that is being built the id that its domain will have; a last domain is noted elsewhere. */
static uint32_t domid_of(const struct vm *vm)
{
	if (vm->state == VM_BUILDING)
		return vm->domid && vm->devices_until == 0. ? 0 : vm->slot.domid;
	return vm->state == VM_ENDED ? 0 : vm->domid;
}

static void fill(const struct vm *vm, struct record *r)
{
	const struct vm_config *c = &vm->cfg;
	bool unknown = vm->state == VM_UNKNOWN;

	*r = (struct record){
		.version = RECORD_VERSION,
		.state = unknown ? vm->was : vm->state,
		.reason = vm->reason,
		.exit_code = vm->exit_code,
		.domid = unknown ? vm->recorded : domid_of(vm),
		.guest_port = vm->job ? 0 : vm->guest_port, /* the worker may be writing it */
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
		.store_port = vm->job ? 0 : (uint16_t)vm->view.guest_port,
		.mem_kib = c->mem_kib,
		.maxmem_kib = c->maxmem_kib,
		.pages = vm->pages,
		.dev_frame = vm->dev_frame,
		.control_frame = vm->control_frame,
		.created_ns = vm->created_ns,
		.started_ns = vm->started_ns,
		/* With the end of its past it is of the history if it never gets to run. */
		.ended_ns = vm->state == VM_BUILDING && vm->past_ns ? vm->past_ns : vm->ended_ns,
		.cpumap_bytes = c->cpus.map ? c->cpus.bytes : 0,
		.ncpumap = c->cpus.map ? c->cpus.n : 0,
		.ndevice = c->ndevice,
		.limits = c->limits,
	};
}

struct texts {
	const char *of[TEXTS];
};

/* The record with what follows it, at `to`, where there is room for it. */
static void write_record(uint8_t *to, const struct record *r, const struct texts *text,
			 const struct vm_config *c)
{
	memcpy(to, r, sizeof(*r));
	to += sizeof(*r);
	for (int i = 0; i < TEXTS; i++) {
		if (!text->of[i])
			continue;
		memcpy(to, text->of[i], r->text[i]);
		to += r->text[i];
	}
	if (c->cpus.map)
		memcpy(to, c->cpus.map, dom_cpus_bytes(&c->cpus));
	to += dom_cpus_bytes(&c->cpus);
	for (uint32_t i = 0; i < r->ndevice; i++)
		to = device_record_put(to, &c->device[i]);
}

/* Into the database, when it does not fit elsewhere. */
static int put_now(struct vm *vm, const struct record *r, const struct texts *text, size_t bytes,
		   struct err *e)
{
	struct engine *en = vm->en;
	MDB_val key = {sizeof(vm->uuid), vm->uuid};
	MDB_val value = {bytes, NULL};
	MDB_txn *txn = NULL;
	/* What waits of this VM is older, and must not come after. */
	int rc = recent_settle_one(en, vm->uuid);

	if (rc == 0)
		rc = mdb_txn_begin(en->db, NULL, 0, &txn);
	if (rc != 0)
		return failed(e, rc, "begin");
	rc = mdb_put(txn, en->dbi, &key, &value, MDB_RESERVE);
	if (rc != 0) {
		mdb_txn_abort(txn);
		return failed(e, rc, "write");
	}
	write_record(value.mv_data, r, text, &vm->cfg);
	rc = mdb_txn_commit(txn);
	return rc != 0 ? failed(e, rc, "write") : 0;
}

int registry_put(struct vm *vm, struct err *e)
{
	const struct vm_config *c = &vm->cfg;
	const struct texts text = {{vm->name, c->kernel, c->ramdisk, c->cmdline}};
	struct record r;
	size_t bytes = sizeof(r);
	uint8_t *to;

	fill(vm, &r);
	for (int i = 0; i < TEXTS; i++) {
		r.text[i] = text.of[i] ? (uint32_t)strlen(text.of[i]) : NO_TEXT;
		bytes += text.of[i] ? r.text[i] : 0;
	}
	bytes += dom_cpus_bytes(&c->cpus);
	for (uint32_t i = 0; i < r.ndevice; i++)
		bytes += device_record_bytes(&c->device[i]);
	to = recent_room(vm->en, bytes);
	if (!to)
		return put_now(vm, &r, &text, bytes, e);
	write_record(to, &r, &text, c);
	recent_keep(vm->en, vm->uuid, bytes);
	return 0;
}

void registry_delete(struct engine *en, const uint8_t uuid[16])
{
	MDB_val key = {16, (void *)(uintptr_t)uuid};
	MDB_txn *txn;
	int rc = mdb_txn_begin(en->db, NULL, 0, &txn);

	if (rc == 0) {
		rc = mdb_del(txn, en->dbi, &key, NULL);
		if (rc == 0)
			rc = mdb_txn_commit(txn);
		else
			mdb_txn_abort(txn);
	}
	if (rc != 0 && rc != MDB_NOTFOUND)
		log_line(LOG_WARN, "registry: delete: %s", mdb_strerror(rc));
	recent_forget(en, uuid); /* after the older one */
}

/* --- loading --- */

struct loading {
	struct engine *en;
	struct vm *chain;
	int rc;
};

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

static bool parse(struct vm *vm, const uint8_t *data, size_t size)
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
	vm->state = (enum vm_state)r.state;
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

/* All records into a chain of vms, so that the caller may write while it works through them. */
static int read_all(struct engine *en, struct vm **chain)
{
	MDB_cursor *cursor = NULL;
	MDB_val key;
	MDB_val value;
	MDB_txn *txn;
	int rc = mdb_txn_begin(en->db, NULL, MDB_RDONLY, &txn);

	if (rc != 0)
		return rc;
	rc = mdb_cursor_open(txn, en->dbi, &cursor);
	while (rc == 0 && (rc = mdb_cursor_get(cursor, &key, &value, MDB_NEXT)) == 0) {
		struct vm *vm = vm_new(en);

		if (!vm) {
			rc = ENOMEM;
			break;
		}
		errno = 0; /* allocators set it: what they lack says nothing of the record */
		if (key.mv_size == sizeof(vm->uuid) && parse(vm, value.mv_data, value.mv_size)) {
			memcpy(vm->uuid, key.mv_data, sizeof(vm->uuid));
			memcpy(vm->cfg.uuid, key.mv_data, sizeof(vm->uuid));
			vm->next = *chain;
			*chain = vm;
		} else if (errno == ENOMEM) {
			vm_free(vm);
			rc = ENOMEM;
			break;
		} else {
			log_line(LOG_WARN, "registry: a record of an unknown form is left alone");
			vm_free(vm);
		}
	}
	if (cursor)
		mdb_cursor_close(cursor);
	mdb_txn_abort(txn);
	return rc == MDB_NOTFOUND ? 0 : rc;
}

/* A record that the database could not take yet: it counts, not the older one. */
static void load_recent(void *arg, const uint8_t uuid[16], const uint8_t *record, size_t bytes)
{
	struct loading *l = arg;
	struct vm *vm = vm_new(l->en);

	if (!vm) {
		l->rc = ENOMEM;
		return;
	}
	if (!parse(vm, record, bytes)) {
		log_line(LOG_WARN, "registry: a record of an unknown form is left alone");
		vm_free(vm);
		return;
	}
	memcpy(vm->uuid, uuid, sizeof(vm->uuid));
	memcpy(vm->cfg.uuid, uuid, sizeof(vm->uuid));
	for (struct vm **at = &l->chain; *at; at = &(*at)->next) {
		struct vm *old = *at;

		if (memcmp(old->uuid, uuid, sizeof(old->uuid)) != 0)
			continue;
		*at = old->next;
		old->next = NULL;
		vm_free(old);
		break;
	}
	vm->next = l->chain;
	l->chain = vm;
}

int registry_load(struct engine *en, void (*fn)(struct vm *vm), struct err *e)
{
	struct loading l = {.en = en};
	struct vm *chain;
	int rc = read_all(en, &l.chain);

	if (rc == 0) {
		recent_each(en, load_recent, &l);
		rc = l.rc;
	}
	chain = l.chain;

	while (chain) {
		struct vm *vm = chain;

		chain = vm->next;
		vm->next = NULL;
		if (rc == 0)
			fn(vm);
		else
			vm_free(vm);
	}
	return rc != 0 ? failed(e, rc, "read") : 0;
}
