/* SPDX-License-Identifier: BSD-3-Clause */
/* After a restart of the daemon: adopts devices of VMs that run, and removes those without a VM. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "split-toolstack/engine/devices/backend.h"
#include "split-toolstack/engine/devices/kind.h"
#include "split-toolstack/engine/devices/set-t.h"
#include "split-toolstack/engine/domain/drop.h"
#include "split-toolstack/engine/parts/parts.h"
#include "split-toolstack/engine/vm/adopt_later.h"
#include "split-toolstack/engine/vm/parts.h"
#include "split-toolstack/engine/vm/vms.h"

/* Removes it from this process; the device itself continues. */
static void release_unused(struct device *d)
{
	struct engine *en = d->en;

	store_unhook(engine_devices(en)->host.store, &d->back);
	store_unhook(engine_devices(en)->host.store, &d->front);
	devices_forget(d);
	HASH_DELETE(hh, engine_devices(en)->all, d);
	device_close_files(d);
	device_config_clear(&d->cfg);
	free(d);
}

/* Opening and closing what all devices share. */
int devices_open(struct engine *en, const struct devices_host *host, struct err *e)
{
	int rc;

	engine_devices(en)->host = *host;
	rows_choose(en);
	rc = link_open(&engine_devices(en)->link, e);

	if (rc == 0)
		rc = teardown_wait_open(en, e);
	if (rc == 0)
		rc = teardown_open(en, e);
	if (rc == 0)
		rc = uevent_open(en, e);
	for (uint32_t i = 0; rc == 0 && i < DEVICE_BACKENDS; i++)
		if (engine_devices(en)->backends[i]->setup)
			rc = engine_devices(en)->backends[i]->setup(en, e);
	return rc;
}

void devices_close(struct engine *en)
{
	struct device *d = NULL;
	struct device *tmp = NULL;
	struct device_domain *dom = NULL;
	struct device_domain *tmp_dom = NULL;

	if (!engine_devices(en))
		return;
	uevent_close(en);
	teardown_close(en);
	for (uint32_t i = 0; i < DEVICE_BACKENDS; i++)
		if (engine_devices(en)->backends[i] && engine_devices(en)->backends[i]->close)
			engine_devices(en)->backends[i]->close(en);
	attaches_close(en);
	teardown_wait_close(en);
	HASH_ITER(hh, engine_devices(en)->all, d, tmp)
	{
		release_unused(d);
	}
	HASH_ITER(hh, engine_devices(en)->domains, dom, tmp_dom)
	{
		HASH_DELETE(hh, engine_devices(en)->domains,
			    dom); /* NOLINT(clang-analyzer-unix.Malloc) */
		free(dom);
	}
	link_close(engine_devices(en)->link);
	engine_devices(en)->link = NULL;
}

/* --- VMs that live on --- */

/* The device was not made yet: a device of a guest without noxs is made now. */
static int make_missing(struct device *d)
{
	struct err e = {0};
	int rc;

	if (d->noxs) {
		device_broken(d, "its nodes are gone");
		return 0;
	}
	if (device_file(&d->cfg) && d->cfg.u.vbd.path)
		return device_open_later(d, FILE_DISK, device_start_now, NULL);
	rc = device_start(d, NULL, &e);
	if (adopt_later(rc) && d->phase == PHASE_MADE)
		return rc;
	if (rc < 0)
		device_broken(d, "%s", err_msg(&e));
	return 0;
}

/* Continues where the last daemon was. On failure nothing was changed. */
static int adopt(struct device *d)
{
	char at[DEVTREE_PATH_MAX];
	uint32_t len;
	int rc;

	devtree_back(&d->id, "frontend", at);
	if (!store_get(engine_devices(d->en)->host.store, at, &len))
		return make_missing(d);
	d->phase = PHASE_STARTED;
	rc = d->kind->adopt(d);
	if (rc == 0)
		rc = device_watch(d);
	if (rc < 0)
		return rc;
	rc = d->backend->adopt ? d->backend->adopt(d) : 0;
	if (adopt_later(rc))
		return rc;
	if (d->noxs)
		device_wait(d, CONNECT_S);
	device_look(d);
	return 0;
}

/* Devices that are in the configuration and in the store are adopted; missing ones are made. */
int devices_adopt(struct vm *vm, struct err *e)
{
	struct engine *en = vm_engine(vm);

	for (uint32_t i = 0; i < vm_cfg(vm)->ndevice; i++) {
		const struct device_config *c = &vm_cfg(vm)->device[i];
		struct device *d = device_find(en, vm_domid(vm), c->kind, c->devid);
		int rc;

		if (d) /* by the try before */
			continue;
		d = device_new(en, c, vm_domid(vm), e);
		if (!d)
			return -ENOMEM;
		d->vm = vm;
		d->noxs = vm_has_noxs(vm);
		device_set_add(vm_devices(vm), d);
		rc = adopt(d);
		if (rc < 0) {
			struct device_domain *dom = d->dom;

			rc = err_sys(e, -rc, "adopt %s %u", d->id.kind, c->devid);
			release_unused(d);
			if (--dom->n == 0) { /* the VM has its slot, and its nodes stay */
				HASH_DELETE(hh, engine_devices(en)->domains, dom);
				free(dom);
			}
			return rc;
		}
	}
	return 0;
}

bool device_id_is_others(struct engine *en, uint32_t domid)
{
	struct xen_domain_info info;
	struct vm *vm = NULL;

	vm = vm_by_domid(en, domid);
	return !vm && !domain_is_dropped(en, domid) &&
	       xen_domain_info(engine_xen(en), domid, &info) != -ESRCH;
}

/* Devices of shells, and of VMs that ended while no daemon ran. */
static void drop_orphan(struct engine *en, enum device_kind kind, uint32_t domid, uint32_t devid)
{
	struct device_config c;
	struct vm *vm = NULL;
	struct device *d;

	vm = vm_by_domid(en, domid);
	if (device_find(en, domid, kind, devid) || (vm && vm_state(vm) == VM_UNKNOWN))
		return;
	if (engine_devices(en)->mirror && device_id_is_others(en, domid)) {
		devtree_remove(engine_devices(en)->host.store,
			       &(struct devtree_id){device_kind_name(kind), domid, devid});
		return;
	}
	device_config_init(&c, kind);
	c.devid = devid;
	d = device_new(en, &c, domid, NULL);
	if (!d)
		return;
	log_line(LOG_INFO, "op=clean dom=%u %s=%u: its VM does not exist any more", domid,
		 d->id.kind, devid);
	d->phase = PHASE_STARTED;
	d->mirrored = engine_devices(en)->mirror != NULL;
	if (user_backend_client(en) && device_seen(d) && !device_in_kernel(d))
		device_user_orphan(d);
	device_remove(d);
}

/* Children of a node by number. */
struct numbers {
	uint32_t *id; /* malloced */
	uint32_t n, room;
};

static void note_child(const char *name, void *arg)
{
	struct numbers *l = arg;
	char *end = NULL;
	unsigned long id = strtoul(name, &end, 10);

	if (*name < '0' || *name > '9' || *end != '\0' || id > UINT32_MAX)
		return;
	if (l->n == l->room) {
		uint32_t room = l->room ? l->room * 2 : 16;
		uint32_t *grown = realloc(l->id, room * sizeof(*grown));

		if (!grown)
			return;
		l->id = grown;
		l->room = room;
	}
	l->id[l->n++] = (uint32_t)id;
}

static void children(struct engine *en, struct numbers *l, const char *kind, uint32_t domid)
{
	char at[DEVTREE_PATH_MAX];

	*l = (struct numbers){0};
	if (domid)
		(void)snprintf(at, sizeof(at), "/local/domain/0/backend/%s/%u", kind, domid);
	else
		(void)snprintf(at, sizeof(at), "/local/domain/0/backend/%s", kind);
	(void)store_children(engine_devices(en)->host.store, at, note_child, l);
}

/* In chaosd's own store all of them are chaosd's. */
static void drop_known(struct engine *en, enum device_kind kind)
{
	const char *name = device_kind_name(kind);
	struct numbers domains;

	children(en, &domains, name, 0);
	for (uint32_t i = 0; i < domains.n; i++) {
		struct numbers devices;

		children(en, &devices, name, domains.id[i]);
		for (uint32_t j = 0; j < devices.n; j++)
			drop_orphan(en, kind, domains.id[i], devices.id[j]);
		free(devices.id);
	}
	free(domains.id);
}

static void drop_named(struct engine *en, const char *name, bool of_vms)
{
	enum device_kind kind;
	uint32_t domid;
	uint32_t devid;
	bool ours;

	if (!device_parse_name(name, "-", '-', &kind, &domid, &devid))
		return;
	ours = vm_by_domid(en, domid) ? of_vms : domain_is_dropped(en, domid);
	if (ours || engine_store_mode(en) == STORE_OWN)
		drop_orphan(en, kind, domid, devid);
}

/* Backends whose nodes were removed already, but which the kernel had not released, or whose
 * removal xenstored does not have yet. Beside xenstored, others belong to other toolstacks. */
static void drop_unknown(const char *name, void *arg)
{
	drop_named(arg, name, true);
}

void devices_stray(struct engine *en, const char *name)
{
	drop_named(en, name, false); /* an admin may have given a VM one, by another toolstack */
}

void devices_adopted(struct engine *en)
{
	int rc;

	(void)user_backend_find(en); /* of shells, too, it may have some */
	for (uint32_t kind = 0; kind < DEVICE_KINDS; kind++)
		drop_known(en, (enum device_kind)kind);
	rc = engine_store_mode(en) == STORE_NOBODY ? 0 : kernel_each_backend(drop_unknown, en);
	if (rc < 0)
		log_line(LOG_WARN, "op=adopt: backends without a VM may be left: %s",
			 strerror(-rc));
}
