/* SPDX-License-Identifier: BSD-3-Clause */
/* What configurations of vifs can say wrong, alone and beside each other. */
#include "split-toolstack/engine/config/device_config_ops.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/mac.h"
#include "dom0/link.h"

bool vif_has_mac(const struct vif_config *v)
{
	static const uint8_t none[6];

	return memcmp(v->mac, none, 6) != 0;
}

struct vif_config *device_first_vif(struct device_config *d, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		if (d[i].kind == DEVICE_VIF)
			return &d[i].u.vif;
	return NULL;
}

static void init(struct device_config *d)
{
	d->devid = DEVICE_ANY;
}

/* Also of what does not come out of a text: a record, another program's request. */
static int check(const struct device_config *d, struct err *e)
{
	const struct vif_config *v = &d->u.vif;
	char mac[18];

	if (v->mac[0] & 1) {
		mac_print(v->mac, mac);
		return err_set(e, EINVAL, "vif: mac %s is a multicast address", mac);
	}
	if (v->mtu && (v->mtu < LINK_MTU_MIN || v->mtu > LINK_MTU_MAX))
		return err_set(e, EINVAL, "vif: mtu %u: %u to %u are possible", v->mtu,
			       LINK_MTU_MIN, LINK_MTU_MAX);
	if (v->bridge[0] && !link_name_valid(v->bridge))
		return err_set(e, EINVAL, "vif: bridge \"%s\": not a name for an interface",
			       v->bridge);
	if (v->ifname[0] && !link_name_valid(v->ifname))
		return err_set(e, EINVAL, "vif: vifname \"%s\": not a name for an interface",
			       v->ifname);
	if (d->devid != DEVICE_ANY && d->devid > VIF_DEVID_MAX)
		return err_set(e, EINVAL, "vif: devid %u: 0 to %u are possible", d->devid,
			       VIF_DEVID_MAX);
	return 0;
}

static int check_beside(const struct device_config *d, const struct device_config *other,
			struct err *e)
{
	const struct vif_config *v = &d->u.vif;
	const struct vif_config *o = &other->u.vif;
	char mac[18];

	if (vif_has_mac(v) && memcmp(v->mac, o->mac, 6) == 0) {
		mac_print(v->mac, mac);
		return err_set(e, EEXIST, "vif: mac %s is given twice; leave it out of one", mac);
	}
	if (v->ifname[0] && strcmp(v->ifname, o->ifname) == 0)
		return err_set(e, EEXIST, "vif: vifname \"%s\" is given twice", v->ifname);
	if (d->devid != DEVICE_ANY && d->devid == other->devid)
		return err_set(e, EEXIST, "vif: devid %u is taken", d->devid);
	return 0;
}

/* By its number, MAC address, or interface. */
static bool is_named(const struct device_config *d, const char *ifname, const char *name)
{
	uint8_t mac[6];
	char number[16];

	(void)snprintf(number, sizeof(number), "%u", d->devid);
	return strcmp(name, number) == 0 || strcmp(name, ifname) == 0 ||
	       (mac_read(name, mac) == 0 && memcmp(mac, d->u.vif.mac, sizeof(mac)) == 0);
}

const struct device_config_ops vif_config_ops = {.name = "vif",
						 .word = "vif",
						 .list = "network-list",
						 .most = VM_VIFS_MAX,
						 .rings = 2,
						 .init = init,
						 .check = check,
						 .check_beside = check_beside,
						 .is_named = is_named};
