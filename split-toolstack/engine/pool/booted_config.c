/* SPDX-License-Identifier: BSD-3-Clause */
/* The configuration of a copy of a booted guest, with addresses from the ranges of its flavor. */
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "split-toolstack/engine/config/device_config_ops.h"
#include "split-toolstack/engine/devices/reservations.h"
#include "split-toolstack/engine/parts/parts.h"
#include "split-toolstack/engine/pool/pool-t.h"

/* The first address of a range that no VM has. False: all are in use. */
static bool free_mac(struct engine *en, const struct booted_plan *p, uint8_t mac[6])
{
	for (uint32_t i = 0; i < p->macs; i++) {
		booted_mac(p, i, mac);
		if (!reservations_has(en, RESERVED_MAC, mac, 6))
			return true;
	}
	return false;
}

static bool free_ip(struct engine *en, const struct booted_plan *p, uint8_t ip[4])
{
	for (uint32_t i = 0; i < p->ips; i++) {
		booted_ip(p, i, ip);
		if (!reservations_has(en, RESERVED_IPV4, ip, 4))
			return true;
	}
	return false;
}

/* The nth of both ranges: an IP address always has the same MAC, so that neighbour tables stay
 * valid. */
static bool free_pair(struct engine *en, const struct booted_plan *p, struct vif_config *v)
{
	for (uint32_t i = 0; i < p->macs && i < p->ips; i++) {
		booted_mac(p, i, v->mac);
		booted_ip(p, i, v->ip.ipv4);
		if (!reservations_has(en, RESERVED_MAC, v->mac, 6) &&
		    !reservations_has(en, RESERVED_IPV4, v->ip.ipv4, 4))
			return true;
	}
	return false;
}

static int give_addresses(struct engine *en, const struct flavor *f, struct vif_config *v,
			  struct err *e)
{
	char text[INET_ADDRSTRLEN];
	bool pair;

	if (f->plan.ips)
		memset(&v->ip, 0, sizeof(v->ip));
	pair = free_pair(en, &f->plan, v);
	if (!pair && f->plan.macs && !free_mac(en, &f->plan, v->mac))
		return err_set(e, EADDRNOTAVAIL, "from=%s: all addresses of mac=%s are taken",
			       f->f.from, f->f.macs);
	if (!f->plan.ips)
		return 0;
	if (!pair && !free_ip(en, &f->plan, v->ip.ipv4))
		return err_set(e, EADDRNOTAVAIL, "from=%s: all addresses of ip=%s are taken",
			       f->f.from, f->f.ips);
	v->ip.ipv4_prefix = f->plan.prefix;
	(void)inet_ntop(AF_INET, v->ip.ipv4, text, sizeof(text));
	(void)snprintf(v->ip_text, sizeof(v->ip_text), "%s/%u", text, f->plan.prefix);
	return 0;
}

int booted_config(struct engine *en, const struct flavor *f, struct vm_config *c, struct err *e)
{
	struct vif_config *vif;
	uint32_t n = 0;

	if (vm_config_copy(c, copies_config(f->copies)) < 0)
		return err_set(e, ENOMEM, "out of memory");
	for (uint32_t i = 0; i < c->ndevice; i++) {
		struct device_config *d = &c->device[i];
		struct vbd_config *file = device_change_file(d);

		if (file && f->f.disks == POOL_DISKS_NONE) {
			device_config_clear(d);
			continue;
		}
		if (file)
			file->readonly |= f->f.disks == POOL_DISKS_READONLY;
		device_make_own(d);
		if (n != i)
			c->device[n] = *d;
		n++;
	}
	c->ndevice = n;
	vif = device_first_vif(c->device, n);
	return vif ? give_addresses(en, f, vif, e) : 0;
}
