/* SPDX-License-Identifier: BSD-3-Clause */
/* The row of vifs: network devices. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "split-toolstack/engine/devices/backend.h"
#include "split-toolstack/engine/devices/kind.h"
#include "split-toolstack/engine/parts/parts.h"
#include "split-toolstack/engine/vm/adopt_later.h"

/* --- in shells --- */

static uint32_t in_flavor(const struct pool_flavor *f)
{
	return f->vifs;
}

/* The shell's vifs have numbers; and one that is in a bridge must stay in a bridge. */
static bool fits_shell(const struct pool_flavor *f, const struct device_config *d, uint32_t i)
{
	return d->backend == f->backend && !d->u.vif.netns[0] &&
	       (!f->bridge[0] || d->u.vif.bridge[0]) && (d->devid == DEVICE_ANY || d->devid == i);
}

static void of_shell(const struct pool_flavor *f, const uint8_t uuid[16], uint32_t i,
		     struct device_config *out)
{
	device_config_init(out, DEVICE_VIF);
	memcpy(out->u.vif.bridge, f->bridge, sizeof(out->u.vif.bridge));
	out->backend = f->backend;
	out->devid = i;
	vif_make_mac(out->u.vif.mac, uuid, i, 0);
}

/* --- one of them --- */

static void prepare(struct device *d)
{
	if (d->noxs)
		vif_foresee_mtu(d);
}

static int make_nodes(struct device *d)
{
	const struct vif_config *c = &d->cfg.u.vif;
	struct devtree_vif v = {.id = d->id,
				.mac = c->mac,
				.mtu = c->mtu,
				.bridge = c->bridge,
				.ifname = c->ifname,
				.ip = c->ip_text,
				.rate_bytes = c->rate_bytes,
				.rate_us = c->rate_us,
				.rings = d->noxs ? &d->rings : NULL,
				.user = d->backend->user};

	return devtree_make_vif(engine_devices(d->en)->host.store, &v);
}

/* One that no VM has claimed yet may be in no bridge. */
static bool is_set_up(const struct device *d)
{
	return d->netdev || !d->vm;
}

static void page(const struct device *d, struct noxs_device *to)
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

/* A TAP is removed with its file, now. */
static void close_files(struct device *d)
{
	if (d->user_fd >= 0)
		(void)close(d->user_fd);
	d->user_fd = -1;
}

static void look_again(struct device *d)
{
	struct link_info i;
	char name[DEVICE_NAME];

	if (d->phase >= PHASE_CLOSING)
		return;
	if (vif_netns_came_back(d) || d->ifindex)
		return;
	(void)snprintf(name, sizeof(name), "vif%u.%u", d->key.domid, d->key.devid);
	if (link_find(engine_devices(d->en)->link, name, &i) == 0)
		vif_netdev(d, i.ifindex, name);
}

static int adopt(struct device *d)
{
	const char *name = d->cfg.u.vif.ifname;
	struct err e = {0};
	struct link_info i;
	int rc;

	if (d->cfg.u.vif.netns[0])
		return vif_netns_adopt(d);
	rc = *name ? link_find(engine_devices(d->en)->link, name, &i) : -ENODEV;
	(void)snprintf(d->ifname, sizeof(d->ifname), "vif%u.%u", d->key.domid, d->key.devid);
	if (rc == 0)
		memcpy(d->ifname, name, sizeof(d->ifname));
	if (!adopt_later(rc))
		rc = link_find(engine_devices(d->en)->link, d->ifname, &i);
	if (rc < 0) {
		d->ifname[0] = '\0';
		return adopt_later(rc) ? rc : 0;
	}
	d->ifindex = i.ifindex;
	if (*name && i.up && strcmp(name, d->ifname) != 0)
		d->netdev = true; /* so that it is taken down to be renamed */
	rc = device_link_try(d, &e);
	if (rc < 0 && !adopt_later(rc))
		device_broken(d, "%s", err_msg(&e));
	return adopt_later(rc) ? rc : 0;
}

const struct device_kind_ops vif_ops = {.driver = "xen-netback",
					.number = vif_number,
					.admit = vif_admit,
					.reserve = vif_reserve,
					.in_flavor = in_flavor,
					.fits_shell = fits_shell,
					.of_shell = of_shell,
					.claim = vif_claim,
					.prepare = prepare,
					.make_nodes = make_nodes,
					.is_set_up = is_set_up,
					.hide = vif_netns_leave,
					.page = page,
					.close_files = close_files,
					.netdev = vif_netdev,
					.look_again = look_again,
					.pin = vif_pin,
					.adopt = adopt,
					.user_open = vif_user_open,
					.user_offer = vif_user_offer,
					.user_started = vif_user_started,
					.user_rings = vif_user_rings,
					.user_attach = vif_user_attach,
					.user_reopen = vif_user_reopen};
