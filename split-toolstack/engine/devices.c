/* SPDX-License-Identifier: BSD-3-Clause */
/* The devices of a VM together: made, shown in its device page, attached and detached. */
#include "split-toolstack/engine/device.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "split-toolstack/engine/config/device_config_ops.h"
#include "split-toolstack/engine/devices/kind.h"

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

/* --- making --- */

void device_list_add(struct device **list, struct device *d)
{
	d->list = list;
	while (*list)
		list = &(*list)->next;
	*list = d;
}

/* The rings of device `d` are pages `ring` and on of those that libdom has made. */
static void give_rings(struct device *d, const struct dom *dom, uint32_t ring)
{
	d->noxs = true;
	d->ring_gfn = dom->ring_gfn + ring;
	d->rings.ring_ref[0] = DOM_RING_GREF + ring;
	d->rings.ring_ref[1] = DOM_RING_GREF + ring + 1;
}

int device_add(struct engine *en, struct device **list, const struct device_config *cfg,
	       const struct dom *dom, uint32_t ring, struct device **out, struct err *e)
{
	struct device *d = device_new(en, cfg, dom->domid, e);

	*out = d;
	if (!d)
		return -ENOMEM;
	if (dom->ring_pages)
		give_rings(d, dom, ring);
	device_list_add(list, d);
	return 0;
}

/* vifs come first, so that a shell with so many of them has theirs at the same place. */
static int make_kind(struct vm *vm, enum device_kind kind, uint32_t *ring, struct err *e)
{
	struct device *have = vm->devices;

	for (uint32_t i = 0; i < vm->cfg.ndevice; i++) {
		const struct device_config *c = &vm->cfg.device[i];
		struct device *d;
		int rc;

		if (c->kind != kind)
			continue;
		while (have && (have->key.kind != (uint32_t)kind || have->vm))
			have = have->next;
		if (have) { /* of the shell it came from */
			rc = have->kind->claim(have, vm, c, e);
		} else {
			rc = device_add(vm->en, &vm->devices, c, &vm->dom, *ring, &d, e);
			if (rc < 0)
				return rc;
			d->vm = vm;
			rc = device_start(d, files_disk(vm->files, d->key.devid), e);
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

	if (vm->cfg.ndevice == 0)
		return 0;
	if (vm->noxs && vm->dom.ring_pages == 0)
		return err_set(e, EOPNOTSUPP,
			       "this image has a noxs note but no noxs entry: it can have no "
			       "devices");
	for (uint32_t i = 0; i < vm->cfg.ndevice; i++) {
		struct device_config *c = &vm->cfg.device[i];

		if (vm->en->kinds[c->kind]->number)
			vm->en->kinds[c->kind]->number(vm, c, false);
	}
	rc = claims_take(vm, e);
	for (uint32_t kind = 0; rc == 0 && kind < DEVICE_KINDS; kind++)
		rc = make_kind(vm, (enum device_kind)kind, &ring, e);
	return rc;
}

void devices_hand_over(struct device **from, struct device **to)
{
	*to = *from;
	*from = NULL;
	for (struct device *d = *to; d; d = d->next) {
		d->list = to;
		d->shell = NULL;
	}
}

static int start_kind(struct shell *s, const struct pool_flavor *f,
		      const struct device_kind_ops *kind, uint32_t *ring, struct err *e)
{
	int rc = 0;

	for (uint32_t i = 0; rc == 0 && i < kind->in_flavor(f); i++) {
		struct device_config c;
		struct device *d;

		kind->of_shell(f, s->uuid, i, &c);
		rc = device_add(s->en, &s->devices, &c, &s->dom, *ring, &d, e);
		if (rc < 0)
			break;
		*ring += rings_of(c.kind);
		d->shell = s;
		rc = device_start(d, NULL, e);
	}
	return rc;
}

int devices_start_shell(struct shell *s, const struct pool_flavor *f, struct err *e)
{
	uint32_t ring = 0;
	int rc = 0;

	for (uint32_t i = 0; rc == 0 && i < DEVICE_KINDS; i++)
		if (s->en->kinds[i]->of_shell)
			rc = start_kind(s, f, s->en->kinds[i], &ring, e);
	return rc;
}

/* --- the device page --- */

uint32_t devices_page(const struct device *list, struct noxs_device *to)
{
	uint32_t index[DEVICE_KINDS] = {0};
	uint32_t n = 0;

	for (const struct device *d = list; d && n < NOXS_MAX_DEVICES; d = d->next, n++) {
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

/* --- at run time --- */

void vm_for_each_device(struct vm *vm, void (*fn)(const struct device_info *d, void *arg),
			void *arg)
{
	struct device_info info;

	for (const struct device *d = vm->devices; d; d = d->next) {
		device_tell(d, &info);
		fn(&info, arg);
	}
	for (uint32_t i = 0; !vm->devices && i < vm->cfg.ndevice; i++) {
		info = (struct device_info){.config = &vm->cfg.device[i],
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
