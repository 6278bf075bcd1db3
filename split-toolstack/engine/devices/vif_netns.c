/* SPDX-License-Identifier: BSD-3-Clause */
/* vifs in network namespaces: moves them there, and connects them with the peer that their guest
 * replaces. */
#include "split-toolstack/engine/devices/kind.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "dom0/netns.h"
#include "split-toolstack/engine/config/device_config_ops.h"
#include "split-toolstack/engine/parts/parts.h"
#include "split-toolstack/engine/vm/adopt_later.h"

/* The namespace may end before the VM. Then the kernel moves the interface back to dom0's
 * namespace, under its current name. No open file keeps the namespace in existence, so after a
 * restart of the daemon only the path leads to it; if nothing is at the path any more, packets
 * may still flow. The backend's node `netns` records that the interface was moved: "<made>
 * <peer> <path>". */

#define ENDED "its network namespace has ended"

static void default_name(const struct device *d, char name[DEVICE_NAME])
{
	(void)snprintf(name, DEVICE_NAME, "vif%u.%u", d->key.domid, d->key.devid);
}

static int find_peer(const struct netns *n, const struct vif_config *v, struct link_info *peer,
		     struct err *e)
{
	int rc = link_find(n->link, v->peer, peer);

	if (rc == -ENODEV)
		return err_set(e, ENODEV, "network namespace \"%s\" has no interface \"%s\"",
			       v->netns, v->peer);
	return rc < 0 ? err_sys(e, -rc, "network namespace \"%s\": interface \"%s\"", v->netns,
				v->peer)
		      : 0;
}

void vif_netns_foresee(struct vif_config *v)
{
	struct link_info peer;
	struct netns n;

	if ((v->mtu && vif_has_mac(v)) || netns_open(&n, v->netns, NULL) < 0)
		return; /* vif_netns_admit() reports the reason */
	if (find_peer(&n, v, &peer, NULL) == 0) {
		if (!vif_has_mac(v) && !(peer.mac[0] & 1))
			memcpy(v->mac, peer.mac, sizeof(v->mac));
		if (!v->mtu && peer.mtu >= LINK_MTU_MIN)
			v->mtu = peer.mtu < LINK_MTU_MAX ? peer.mtu : LINK_MTU_MAX;
	}
	netns_close(&n);
}

/* Whether another device has this peer, by whatever path. */
static const struct device *holder(struct engine *en, const struct vm *vm,
				   const struct device *self, uint64_t netns, const char *peer)
{
	const struct device *has = NULL;
	struct device *d = NULL;
	struct device *tmp;

	HASH_ITER(hh, engine_devices(en)->all, d, tmp)
	{
		if (self && d == self)
			continue;
		if (d->netns == netns && !d->reason[0] && (!vm || d->vm != vm) &&
		    d->phase < PHASE_CLOSING && strcmp(d->cfg.u.vif.peer, peer) == 0)
			has = d;
	}
	return has;
}

int vif_netns_admit(struct engine *en, const struct vm *self, const struct vif_config *v,
		    struct err *e)
{
	const struct device *has;
	struct link_info peer;
	struct netns n;
	int rc = netns_open(&n, v->netns, e);

	if (rc == 0) {
		rc = find_peer(&n, v, &peer, e);
		has = rc == 0 ? holder(en, self, NULL, n.inode, v->peer) : NULL;
		if (has)
			rc = err_set(e, EEXIST,
				     "peer %s of netns \"%s\": is taken by vif %u of domain %u",
				     v->peer, v->netns, has->key.devid, has->key.domid);
		netns_close(&n);
	}
	return rc < 0 ? err_wrap(e, rc, "vif") : 0;
}

/* 1: *own is its index: it was moved now, or by a daemon that was killed. 0: it does not exist
 * yet, or was another interface with this name. */
static int find_own(struct device *d, struct netns *n, struct link_info *own, struct err *e)
{
	struct link *here = engine_devices(d->en)->link;
	char name[DEVICE_NAME];
	int rc;

	default_name(d, name);
	if (link_find(here, name, own) == 0) {
		rc = netns_take(n, here, own->ifindex, e);
		if (rc < 0 && link_find(here, name, own) == 0)
			return rc;
	}
	rc = link_find(n->link, name, own);
	if (rc == -ENODEV)
		return 0;
	return rc < 0 ? err_sys(e, -rc, "find interface %s", name) : 1;
}

static void note(const struct device *d, bool made)
{
	const struct vif_config *v = &d->cfg.u.vif;
	char at[DEVTREE_PATH_MAX];

	devtree_back(&d->id, "netns", at);
	(void)store_putf(engine_devices(d->en)->host.store, at, "%d %s %s", made, v->peer,
			 v->netns);
}

/* "<made> <peer> <path>": false: it was not moved. */
static bool noted(const struct device *d, struct vif_config *v, bool *made)
{
	char at[DEVTREE_PATH_MAX];
	char text[2 + DEVICE_NAME + VIF_NETNS_MAX];
	const char *value;
	uint32_t len;
	size_t n;

	devtree_back(&d->id, "netns", at);
	value = store_get(engine_devices(d->en)->host.store, at, &len);
	if (!value || len < 4 || len >= sizeof(text))
		return false;
	memcpy(text, value, len);
	text[len] = '\0';
	n = strcspn(text + 2, " ");
	if (text[2 + n] != ' ' || n >= sizeof(v->peer) || strlen(text + 3 + n) >= sizeof(v->netns))
		return false;
	*made = text[0] == '1';
	memcpy(v->peer, text + 2, n);
	v->peer[n] = '\0';
	(void)snprintf(v->netns, sizeof(v->netns), "%s", text + 3 + n);
	return true;
}

static int set_up(struct device *d, struct netns *n, struct err *e)
{
	const struct vif_config *v = &d->cfg.u.vif;
	struct link_change change = LINK_CHANGE_NONE;
	struct vif_config was;
	struct link_info peer;
	struct link_info own;
	bool made_before = false;
	bool made = false;
	int rc = find_peer(n, v, &peer, e);

	if (rc == 0 && holder(d->en, NULL, d, n->inode, v->peer))
		rc = err_set(e, EEXIST, "peer %s of netns \"%s\" is another one's", v->peer,
			     v->netns);
	if (rc == 0)
		rc = find_own(d, n, &own, e);
	if (rc < 0)
		return rc;
	if (rc == 0) {
		d->ifindex = 0;
		return 0;
	}
	(void)noted(d, &was, &made_before);
	note(d, made_before);
	change.up = 1;
	change.port = true;
	change.mtu = v->mtu ? v->mtu : peer.mtu < LINK_MTU_MAX ? peer.mtu : LINK_MTU_MAX;
	rc = link_set(n->link, own.ifindex, &change, e);
	if (rc == 0)
		rc = netns_join(n, own.ifindex, peer.ifindex, &made, e);
	if (rc < 0)
		return rc;
	note(d, made || made_before);
	d->netns = n->inode;
	d->ifindex = own.ifindex;
	d->mtu = change.mtu;
	d->master = 0;
	default_name(d, d->ifname);
	vif_plugged(d, change.mtu);
	return 0;
}

int vif_netns_set(struct device *d, struct err *e)
{
	struct netns n;
	int rc = netns_open(&n, d->cfg.u.vif.netns, e);

	if (rc < 0)
		return rc;
	rc = set_up(d, &n, e);
	netns_close(&n);
	return rc;
}

bool vif_netns_came_back(struct device *d)
{
	char name[DEVICE_NAME];
	struct link_info i;

	if (!d->cfg.u.vif.netns[0] || !d->netdev)
		return false;
	default_name(d, name);
	if (link_find(engine_devices(d->en)->link, name, &i) == 0)
		device_broken(d, ENDED);
	return true;
}

/* It was moved. If no path leads there any more, packets may still flow. */
static int find_again(struct device *d, struct err *e)
{
	struct link_info own;
	struct netns n;
	int rc = netns_open(&n, d->cfg.u.vif.netns, e);

	if (adopt_later(rc))
		return rc;
	if (rc == 0) {
		rc = link_find(n.link, d->ifname, &own);
		if (rc == 0) {
			rc = set_up(d, &n, e);
			netns_close(&n);
			return rc;
		}
		(void)err_set(e, -rc, "it is not in \"%s\"", d->cfg.u.vif.netns);
		netns_close(&n);
	}
	log_line(LOG_WARN, "op=adopt dom=%u vif=%u: continues, but cannot be checked: %s",
		 d->key.domid, d->key.devid, err_msg(e));
	d->mtu = d->cfg.u.vif.mtu;
	d->netdev = true;
	return 0;
}

int vif_netns_adopt(struct device *d)
{
	struct vif_config was;
	struct link_info i;
	struct err e = {0};
	bool moved;
	bool made = false;
	int rc;

	default_name(d, d->ifname);
	moved = noted(d, &was, &made);
	rc = link_find(engine_devices(d->en)->link, d->ifname, &i);
	if (adopt_later(rc))
		return rc;
	if (rc == 0 && moved) {
		d->ifindex = i.ifindex;
		device_broken(d, ENDED);
		return 0;
	}
	rc = moved ? find_again(d, &e) : device_link_try(d, &e);
	if (adopt_later(rc))
		return rc;
	if (rc < 0)
		device_broken(d, "%s", err_msg(&e));
	else if (!d->netdev)
		d->ifname[0] = '\0';
	return 0;
}

/* Also of a device whose VM is not known any more. */
void vif_netns_leave(struct device *d)
{
	struct vif_config was = {0};
	struct link_info peer;
	struct link_info own;
	char name[DEVICE_NAME];
	struct netns n;
	bool made = false;

	if (!noted(d, &was, &made) || netns_open(&n, was.netns, NULL) < 0)
		return;
	default_name(d, name);
	if (link_find(n.link, name, &own) == 0 && find_peer(&n, &was, &peer, NULL) == 0)
		netns_part(&n, peer.ifindex, made);
	netns_close(&n);
	d->netns = 0;
}
