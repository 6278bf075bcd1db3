/* SPDX-License-Identifier: BSD-3-Clause */
/* The devices of a VM together: makes them, fills its device page, attaches and detaches. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "split-toolstack/engine/config/device_config_ops.h"
#include "split-toolstack/engine/devices/backend.h"
#include "split-toolstack/engine/devices/kind.h"
#include "split-toolstack/engine/devices/reservations.h"
#include "split-toolstack/engine/devices/set-t.h"
#include "split-toolstack/engine/parts/parts.h"
#include "split-toolstack/engine/vm/parts.h"

static uint32_t rings_of(enum device_kind kind)
{
	return device_config_ops[kind]->rings;
}

uint32_t devices_rings(const struct vm_config *c)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < c->ndevice; i++)
		n += rings_of(c->device[i].kind);
	return n;
}

/* --- what all of them share --- */

int devices_new(struct engine *en, struct err *e)
{
	engine_set_devices(en, calloc(1, sizeof(struct devices)));
	return engine_devices(en) ? 0 : err_set(e, ENOMEM, "out of memory");
}

void devices_free(struct engine *en)
{
	free(engine_devices(en));
	engine_set_devices(en, NULL);
}

struct mirror *engine_mirror(const struct engine *en)
{
	return engine_devices(en)->mirror;
}

bool devices_have_bridge(const struct engine *en, const char *name)
{
	struct link_info i;

	return link_find(engine_devices(en)->link, name, &i) == 0 && i.is_bridge;
}

/* --- making --- */

void device_set_add(struct device_set *set, struct device *d)
{
	struct device **at = &set->first;

	d->set = set;
	while (*at)
		at = &(*at)->next;
	*at = d;
}

/* The rings of device `d` are the pages from `ring` on, of those that libdom has made. */
static void assign_rings(struct device *d, const struct dom *dom, uint32_t ring)
{
	d->noxs = true;
	d->ring_gfn = dom->ring_gfn + ring;
	d->rings.ring_ref[0] = DOM_RING_GREF + ring;
	d->rings.ring_ref[1] = DOM_RING_GREF + ring + 1;
}

int device_add(struct engine *en, struct device_set *set, const struct device_config *cfg,
	       const struct dom *dom, uint32_t ring, struct device **out, struct err *e)
{
	struct device *d = device_new(en, cfg, dom->domid, e);

	*out = d;
	if (!d)
		return -ENOMEM;
	if (dom->ring_pages)
		assign_rings(d, dom, ring);
	device_set_add(set, d);
	return 0;
}

/* vifs come first, so that their places are the same in a shell with as many vifs. */
static int make_kind(struct vm *vm, enum device_kind kind, uint32_t *ring, struct err *e)
{
	struct device *have = vm_devices(vm)->first;

	for (uint32_t i = 0; i < vm_cfg(vm)->ndevice; i++) {
		const struct device_config *c = &vm_cfg(vm)->device[i];
		struct device *d;
		int rc;

		if (c->kind != kind)
			continue;
		while (have && (have->key.kind != (uint32_t)kind || have->vm))
			have = have->next;
		if (have) { /* of the shell it came from */
			rc = have->kind->claim(have, vm, c, e);
		} else {
			rc = device_add(vm_engine(vm), vm_devices(vm), c, vm_dom(vm), *ring, &d, e);
			if (rc < 0)
				return rc;
			d->vm = vm;
			rc = device_start(d, files_disk(*vm_files(vm), d->key.devid), e);
		}
		if (rc < 0)
			return rc;
		*ring += rings_of(kind);
	}
	return 0;
}

int devices_start(struct vm *vm, struct err *e)
{
	uint32_t ring = 0;
	int rc;

	if (vm_cfg(vm)->ndevice == 0)
		return 0;
	if (vm_has_noxs(vm) && vm_dom(vm)->ring_pages == 0)
		return err_set(e, EOPNOTSUPP,
			       "this image has a noxs note but no noxs entry: it can have no "
			       "devices");
	for (uint32_t i = 0; i < vm_cfg(vm)->ndevice; i++) {
		struct device_config *c = &vm_cfg(vm)->device[i];

		if (engine_devices(vm_engine(vm))->kinds[c->kind]->number)
			engine_devices(vm_engine(vm))->kinds[c->kind]->number(vm, c, false);
	}
	rc = reservations_take(vm, e);
	for (uint32_t kind = 0; rc == 0 && kind < DEVICE_KINDS; kind++)
		rc = make_kind(vm, (enum device_kind)kind, &ring, e);
	return rc;
}

void devices_hand_over(struct device_set *from, struct device_set *to)
{
	to->first = from->first;
	from->first = NULL;
	for (struct device *d = to->first; d; d = d->next)
		d->set = to;
}

static uint32_t in_flavor(const struct device_kind_ops *kind, const struct pool_flavor *f)
{
	return kind->in_flavor ? kind->in_flavor(f) : 0;
}

bool devices_fit_flavor(const struct engine *en, const struct pool_flavor *f,
			const struct vm_config *c)
{
	uint32_t n[DEVICE_KINDS] = {0};
	bool fits = true;

	for (uint32_t i = 0; fits && i < c->ndevice; i++) {
		const struct device_config *d = &c->device[i];
		const struct device_kind_ops *kind = engine_devices(en)->kinds[d->kind];
		uint32_t at = n[d->kind]++;

		fits = !kind->fits_shell || kind->fits_shell(f, d, at);
	}
	for (uint32_t i = 0; fits && i < DEVICE_KINDS; i++)
		fits = n[i] == in_flavor(engine_devices(en)->kinds[i], f);
	return fits;
}

struct shell_devices {
	struct engine *en;
	struct device_set *set;
	const struct pool_flavor *f;
	const struct dom *dom;
	uint32_t ring; /* the next one's first */
};

static int start_kind(struct shell_devices *s, const struct device_kind_ops *kind, struct err *e)
{
	int rc = 0;

	for (uint32_t i = 0; rc == 0 && i < in_flavor(kind, s->f); i++) {
		struct device_config c;
		struct device *d;

		kind->of_shell(s->f, s->dom->uuid, i, &c);
		rc = device_add(s->en, s->set, &c, s->dom, s->ring, &d, e);
		if (rc < 0)
			break;
		s->ring += rings_of(c.kind);
		rc = device_start(d, NULL, e);
	}
	return rc;
}

int devices_start_shell(struct engine *en, struct device_set *set, const struct pool_flavor *f,
			const struct dom *dom, struct err *e)
{
	struct shell_devices s = {.en = en, .set = set, .f = f, .dom = dom};
	int rc = 0;

	for (uint32_t i = 0; rc == 0 && i < DEVICE_KINDS; i++)
		if (engine_devices(en)->kinds[i]->of_shell)
			rc = start_kind(&s, engine_devices(en)->kinds[i], e);
	return rc;
}

/* --- the device page --- */

uint32_t devices_page(const struct device_set *set, struct noxs_device *to)
{
	uint32_t index[DEVICE_KINDS] = {0};
	uint32_t n = 0;

	for (const struct device *d = set->first; d && n < NOXS_MAX_DEVICES; d = d->next, n++) {
		memset(&to[n], 0, sizeof(to[n]));
		to[n].index = (uint16_t)index[d->key.kind]++;
		to[n].evtchn.local_port = d->rings.port;
		for (uint32_t i = 0; i < rings_of(d->cfg.kind); i++) {
			to[n].ring[i].gfn = d->ring_gfn + i;
			to[n].ring[i].gref = d->rings.ring_ref[i];
		}
		d->kind->page(d, &to[n]);
	}
	return n;
}

void devices_pin(struct device_set *set)
{
	if (set->pinned)
		return;
	set->pinned = true;
	for (struct device *d = set->first; d; d = d->next)
		if (d->kind->pin)
			d->kind->pin(d);
}

/* --- are they there --- */

/* The guest finds what it needs: a noxs guest has no handshake. */
static bool is_there(const struct device *d)
{
	return d->phase >= (d->noxs ? PHASE_CONNECTED : PHASE_THERE);
}

bool devices_any(const struct device_set *set)
{
	return set->first != NULL;
}

bool vm_has_devices(struct vm *vm)
{
	return vm_cfg(vm)->ndevice || devices_any(vm_devices(vm));
}

bool devices_gate(const struct device_set *set)
{
	for (const struct device *d = set->first; d; d = d->next)
		if (d->noxs && d->backend->gates && !is_there(d) && !d->reason[0])
			return true;
	return false;
}

/* A broken device, or else one that is not connected (NULL: all are); *n: number of devices in
 * the set. */
static const struct device *lacking(const struct device_set *set, uint32_t *n)
{
	const struct device *found = NULL;

	*n = 0;
	for (const struct device *d = set->first; d; d = d->next, (*n)++)
		if (d->reason[0] ? !found || !found->reason[0] : !found && !is_there(d))
			found = d;
	return found;
}

bool devices_lack(const struct device_set *set)
{
	uint32_t n;

	return lacking(set, &n);
}

static int not_come(const struct device *d, struct err *e)
{
	char why[128];

	d->backend->absent(d, why, sizeof(why));
	return err_set(e, ETIMEDOUT,
		       "%s %u: its backend did not come up within %.0f s: %s; "
		       "--no-wait-devices runs the VM without it",
		       d->id.kind, d->key.devid, ATTACH_S, why);
}

int devices_there(const struct device_set *set, uint32_t n, ev_tstamp now, ev_tstamp *until,
		  struct err *e)
{
	uint32_t has;
	const struct device *d = lacking(set, &has);
	ev_tstamp end;

	if (has < n)
		return err_set(e, EIO, "%u of %u devices were removed while the VM waited for them",
			       n - has, n);
	if (!d)
		return 0;
	if (d->reason[0])
		return err_set(e, EIO, "%s %u: %s", d->id.kind, d->key.devid, d->reason);
	/* If there are many creates at once, the last ones wait long: as long as the backend
	 * makes progress, their time does not run. */
	end = d->backend->turn ? d->backend->turn(d) : 0.;
	if (end > *until)
		*until = end;
	return now < *until ? -EAGAIN : not_come(d, e);
}

/* --- at run time --- */

void vm_for_each_device(struct vm *vm, void (*fn)(const struct device_info *d, void *arg),
			void *arg)
{
	struct device_info info;

	for (const struct device *d = vm_devices(vm)->first; d; d = d->next) {
		device_tell(d, &info);
		fn(&info, arg);
	}
	for (uint32_t i = 0; !vm_devices(vm)->first && i < vm_cfg(vm)->ndevice; i++) {
		info = (struct device_info){.config = &vm_cfg(vm)->device[i],
					    .state = vm_state(vm) == VM_ENDED ? DEVICE_ENDED
									      : DEVICE_WAITING,
					    .ifname = "",
					    .reason = ""};
		fn(&info, arg);
	}
}

const char *device_state_name(enum device_state s)
{
	static const char *const name[] = {"waiting", "connected", "detaching", "broken", "ended"};

	return name[s];
}
