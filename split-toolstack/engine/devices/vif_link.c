/* SPDX-License-Identifier: BSD-3-Clause */
/* The interface of a vif in dom0: sets its name, bridge and state; and handles changes by other
 * programs. */
#include "split-toolstack/engine/devices/kind.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "split-toolstack/engine/parts/parts.h"

/* A pooled vif has another MTU than the kernel's default only because of its bridge. */
static uint32_t mtu_for(const struct device *d, const struct link_info *bridge)
{
	if (d->cfg.u.vif.mtu)
		return d->cfg.u.vif.mtu;
	return bridge->mtu != LINK_MTU_DEFAULT || d->mtu ? bridge->mtu : 0;
}

/* What was left open is shown as it is. */
static void fill_mtu(struct device *d)
{
	if (d->netdev && d->cfg.u.vif.mtu == 0)
		d->cfg.u.vif.mtu = d->mtu ? d->mtu : LINK_MTU_DEFAULT;
}

/* The MTU of its bridge goes into the device page, which is shown before there is an interface. */
void vif_foresee_mtu(struct device *d)
{
	const struct vif_config *c = &d->cfg.u.vif;
	struct link_info bridge;

	if (c->mtu == 0 && c->bridge[0] &&
	    link_find(engine_devices(d->en)->link, c->bridge, &bridge) == 0 &&
	    bridge.mtu != LINK_MTU_DEFAULT)
		d->mtu = bridge.mtu;
}

/* The name can only be changed while the interface is down; a pooled one is up, and taking it
 * down makes the kernel wait for RCU, some 10 ms in which the loop would be blocked. */
static int change_link(struct device *d, const struct link_change *change, struct err *e)
{
	struct link_change down = LINK_CHANGE_NONE;
	struct engine *en = d->en;
	bool hurry = change->name && !teardown_hurried(en);
	int rc = 0;

	down.up = 0;
	if (hurry)
		teardown_hurry(en, true);
	if (change->name && d->netdev)
		rc = link_set(engine_devices(en)->link, d->ifindex, &down, e);
	if (rc == 0)
		rc = link_set(engine_devices(en)->link, d->ifindex, change, e);
	if (hurry)
		teardown_hurry(en, false);
	return rc;
}

void vif_plugged(struct device *d, uint32_t tell_mtu)
{
	char at[DEVTREE_PATH_MAX];

	d->netdev = true;
	fill_mtu(d);
	if (d->noxs)
		return;
	if (tell_mtu) {
		devtree_front(&d->id, "mtu", at);
		(void)store_putf(engine_devices(d->en)->host.store, at, "%u", tell_mtu);
	}
	devtree_back(&d->id, "hotplug-status", at);
	(void)store_putf(engine_devices(d->en)->host.store, at, "connected");
}

void vif_pin(struct device *d)
{
	/* Other switches than Linux' have no such entries. */
	if (d->netdev && d->master)
		(void)link_pin(engine_devices(d->en)->link, d->ifindex, d->cfg.u.vif.mac);
}

int device_link_try(struct device *d, struct err *e)
{
	const struct vif_config *c = &d->cfg.u.vif;
	struct link_info bridge = {.mtu = LINK_MTU_DEFAULT};
	struct link_change change = LINK_CHANGE_NONE;
	struct link_info own;
	int rc = 0;

	if (c->netns[0])
		return vif_netns_set(d, e);
	if (c->bridge[0]) {
		rc = link_find(engine_devices(d->en)->link, c->bridge, &bridge);
		if (rc < 0)
			(void)err_sys(e, -rc, "find bridge \"%s\"", c->bridge);
		change.master = bridge.ifindex;
		change.port = true;
	}
	change.up = 1;
	change.mtu = mtu_for(d, &bridge);
	if (c->ifname[0] && strcmp(c->ifname, d->ifname) != 0)
		change.name = c->ifname;
	if (rc == 0) {
		rc = change_link(d, &change, e);
		if (rc == -ENODEV &&
		    link_find(engine_devices(d->en)->link, d->ifname, &own) == -ENODEV) {
			d->ifindex = 0; /* an earlier interface with this name, which is gone: ours
					   will come */
			return 0;
		}
	}
	if (rc < 0)
		return rc;
	if (change.name)
		memcpy(d->ifname, c->ifname, sizeof(d->ifname));
	if (change.mtu)
		d->mtu = change.mtu;
	d->master = c->bridge[0] ? bridge.ifindex : 0;
	/* Linux does not look, others do */
	vif_plugged(d, !c->bridge[0] ? 0 : change.mtu ? change.mtu : bridge.mtu);
	if (d->set && d->set->pinned)
		vif_pin(d);
	return 0;
}

void device_link_set(struct device *d)
{
	struct err e = {0};

	if (device_link_try(d, &e) < 0)
		device_broken(d, "%s", err_msg(&e));
}

void vif_netdev(struct device *d, int ifindex, const char *name)
{
	if (d->phase < PHASE_STARTED || d->phase >= PHASE_CLOSING || vif_netns_came_back(d) ||
	    d->netdev || d->ifindex == ifindex)
		return;
	d->ifindex = ifindex;
	(void)snprintf(d->ifname, sizeof(d->ifname), "%s", name);
	if (d->vm || d->cfg.u.vif.bridge[0])
		device_link_set(d);
	device_look(d);
}

/* Updates the nodes that readers of the store, and the kernel's rate limit, use. */
static void notify_claim(const struct device *d)
{
	const struct vif_config *c = &d->cfg.u.vif;
	struct devtree_vif v = {.id = d->id,
				.mac = c->mac,
				.bridge = c->bridge,
				.ifname = c->ifname,
				.ip = c->ip_text,
				.rate_bytes = c->rate_bytes,
				.rate_us = c->rate_us};

	devtree_bind_vif(engine_devices(d->en)->host.store, &v);
}

void devices_tell(struct engine *en)
{
	struct device *d;

	while ((d = engine_devices(en)->untold) != NULL) {
		DL_DELETE2(engine_devices(en)->untold, d, tell_prev, tell_next);
		d->tell_prev = NULL;
		if (d->phase < PHASE_CLOSING)
			notify_claim(d);
	}
}

int vif_claim(struct device *d, struct vm *vm, const struct device_config *c, struct err *e)
{
	const struct vif_config *want = &c->u.vif;
	struct vif_config was = d->cfg.u.vif;
	struct device_config mine;

	if (device_config_copy(&mine, c) < 0)
		return err_set(e, ENOMEM, "out of memory");
	device_config_clear(&d->cfg);
	d->cfg = mine;
	d->vm = vm;
	if (want->rate_bytes)
		notify_claim(d);
	else
		DL_APPEND2(engine_devices(d->en)->untold, d, tell_prev, tell_next);
	if (d->ifindex && (!d->netdev || want->ifname[0] || (want->mtu && want->mtu != was.mtu) ||
			   strcmp(want->bridge, was.bridge) != 0))
		device_link_set(d);
	fill_mtu(d);
	return d->reason[0] ? err_set(e, EIO, "vif %u: %s", d->key.devid, d->reason) : 0;
}

void devices_bridge_gone(struct engine *en, int ifindex)
{
	struct device *d = NULL;
	struct device *tmp;

	HASH_ITER(hh, engine_devices(en)->all, d, tmp)
	{
		if (ifindex == 0 || d->master != ifindex)
			continue;
		d->master = 0;
		if (!d->vm)
			d->netdev = false; /* the claim sets it up again */
		else
			log_line(LOG_WARN, "op=device dom=%u vif=%u: its bridge \"%s\" was removed",
				 d->key.domid, d->key.devid, d->cfg.u.vif.bridge);
	}
}
