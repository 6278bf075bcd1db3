/* SPDX-License-Identifier: BSD-3-Clause */
/* The devices of a VM together: made, shown in its device page, attached and detached. */
#include "split-toolstack/engine/device.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "split-toolstack/engine/config/device_config_ops.h"

/* --- what a configuration leaves open --- */

static uint32_t free_devid(const struct vm_config *c)
{
	for (uint32_t id = 0;; id++) {
		bool taken = false;

		for (uint32_t i = 0; i < c->ndevice; i++)
			taken = taken ||
				(c->device[i].kind == DEVICE_VIF && c->device[i].devid == id);
		if (!taken)
			return id;
	}
}

/* In Xen's own range; the same for every start of the VM, and `more` ones behind that. */
static void make_mac(uint8_t mac[6], const uint8_t uuid[16], uint32_t devid, uint32_t more)
{
	uint32_t h = (table_hash(uuid, 16) ^ devid * 0x9e3779b1u) + more;

	mac[0] = 0x00;
	mac[1] = 0x16;
	mac[2] = 0x3e;
	mac[3] = (uint8_t)(h >> 16 & 0x7f);
	mac[4] = (uint8_t)(h >> 8);
	mac[5] = (uint8_t)h;
}

/* Of its own, not claimed yet. */
static bool has_mac(const struct vm *vm, const struct vif_config *v)
{
	bool has = false;

	for (uint32_t i = 0; i < vm->cfg.ndevice; i++) {
		const struct device_config *o = &vm->cfg.device[i];

		has = has || (o->kind == DEVICE_VIF && &o->u.vif != v &&
			      memcmp(o->u.vif.mac, v->mac, sizeof(v->mac)) == 0);
	}
	return has;
}

/* One that no VM of this host has: of 23 bits, two are the same sooner or later. */
static void choose_mac(const struct vm *vm, struct device_config *d)
{
	struct vif_config *v = &d->u.vif;
	uint32_t more = 0;

	do
		make_mac(v->mac, vm->uuid, d->devid, more++);
	while (claims_mac(vm->en, v->mac) || has_mac(vm, v));
}

void device_number(struct vm *vm, struct device_config *d)
{
	static const uint8_t none[6];

	if (d->kind != DEVICE_VIF)
		return;
	if (d->devid == DEVICE_ANY)
		d->devid = free_devid(&vm->cfg);
	if (memcmp(d->u.vif.mac, none, sizeof(none)) == 0)
		choose_mac(vm, d);
}

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
			rc = device_claim(have, vm, c, e);
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
	for (uint32_t i = 0; i < vm->cfg.ndevice; i++)
		device_number(vm, &vm->cfg.device[i]);
	rc = claims_take(vm, e);
	if (rc == 0)
		rc = make_kind(vm, DEVICE_VIF, &ring, e);
	if (rc == 0)
		rc = make_kind(vm, DEVICE_VBD, &ring, e);
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

int devices_start_shell(struct shell *s, const struct pool_flavor *f, struct err *e)
{
	struct engine *en = s->en;
	struct device_config c;
	int rc = 0;

	device_config_init(&c, DEVICE_VIF);
	memcpy(c.u.vif.bridge, f->bridge, sizeof(c.u.vif.bridge));
	c.backend = f->backend;
	for (uint32_t i = 0; i < f->vifs && rc == 0; i++) {
		struct device *d;

		c.devid = i;
		make_mac(c.u.vif.mac, s->uuid, i, 0);
		rc = device_add(en, &s->devices, &c, &s->dom, i * rings_of(DEVICE_VIF), &d, e);
		if (rc < 0)
			break;
		d->shell = s;
		rc = device_start(d, NULL, e);
	}
	return rc;
}

/* --- the device page --- */

static void page_vif(const struct device *d, struct noxs_device *to)
{
	const struct vif_config *c = &d->cfg.u.vif;
	struct noxs_vif *v = &to->u.vif;

	to->type = NOXS_DEV_VIF;
	to->flags = NOXS_VIF_UP | (c->ip.ipv4_prefix ? NOXS_VIF_IPV4 : 0) |
		    (c->ip.ipv6_prefix ? NOXS_VIF_IPV6 : 0) | (c->ip.dhcp ? NOXS_VIF_DHCP : 0);
	memcpy(v->mac, c->mac, sizeof(v->mac));
	v->mtu = (uint16_t)(c->mtu ? c->mtu : d->mtu ? d->mtu : LINK_MTU_DEFAULT);
	memcpy(v->ipv4, c->ip.ipv4, sizeof(v->ipv4));
	memcpy(v->ipv4_gateway, c->ip.ipv4_gateway, sizeof(v->ipv4_gateway));
	memcpy(v->ipv6, c->ip.ipv6, sizeof(v->ipv6));
	memcpy(v->ipv6_gateway, c->ip.ipv6_gateway, sizeof(v->ipv6_gateway));
	v->ipv4_prefix = c->ip.ipv4_prefix;
	v->ipv6_prefix = c->ip.ipv6_prefix;
}

static void page_vbd(const struct device *d, struct noxs_device *to)
{
	const struct vbd_config *c = &d->cfg.u.vbd;

	to->type = NOXS_DEV_VBD;
	to->flags = NOXS_VBD_FLUSH | (c->readonly ? NOXS_VBD_READONLY : 0) |
		    (c->discard && d->can_discard ? NOXS_VBD_DISCARD : 0);
	to->u.vbd.sectors = d->sectors;
	to->u.vbd.sector_size = d->sector_size;
	to->u.vbd.vdev = d->key.devid;
}

uint32_t devices_page(const struct device *list, struct noxs_device *to)
{
	uint32_t index[2] = {0};
	uint32_t n = 0;

	for (const struct device *d = list; d && n < NOXS_MAX_DEVICES; d = d->next, n++) {
		memset(&to[n], 0, sizeof(to[n]));
		to[n].index = (uint16_t)index[d->key.kind]++;
		to[n].evtchn.local_port = d->rings.port;
		for (uint32_t i = 0; i < rings_of(d->cfg.kind); i++) {
			to[n].ring[i].gfn = d->ring_gfn + i;
			to[n].ring[i].gref = d->rings.ring_ref[i];
		}
		if (d->key.kind == DEVICE_VIF)
			page_vif(d, &to[n]);
		else
			page_vbd(d, &to[n]);
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
