/* SPDX-License-Identifier: BSD-3-Clause */
/* What configurations of devices can say wrong, alone and beside each other. */
#include "split-toolstack/engine/private.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/mac.h"
#include "dom0/link.h"

static bool has_mac(const struct vif_config *v)
{
	static const uint8_t none[6];

	return memcmp(v->mac, none, 6) != 0;
}

/* Also of what does not come out of a text: a record, another program's request. */
static int check_vif(const struct vif_config *v, struct err *e)
{
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
	if (v->devid != DEVICE_ANY && v->devid > VIF_DEVID_MAX)
		return err_set(e, EINVAL, "vif: devid %u: 0 to %u are possible", v->devid,
			       VIF_DEVID_MAX);
	return 0;
}

static int vif_beside(const struct vif_config *v, const struct vif_config *o, struct err *e)
{
	char mac[18];

	if (has_mac(v) && memcmp(v->mac, o->mac, 6) == 0) {
		mac_print(v->mac, mac);
		return err_set(e, EEXIST, "vif: mac %s is given twice; leave it out of one", mac);
	}
	if (v->ifname[0] && strcmp(v->ifname, o->ifname) == 0)
		return err_set(e, EEXIST, "vif: vifname \"%s\" is given twice", v->ifname);
	if (v->devid != DEVICE_ANY && v->devid == o->devid)
		return err_set(e, EEXIST, "vif: devid %u is taken", v->devid);
	return 0;
}

static int vbd_beside(const struct vbd_config *v, const struct vbd_config *o, struct err *e)
{
	char name[16];

	vdev_name(v->vdev, name);
	if (v->vdev == o->vdev)
		return err_set(e, EEXIST, "disk: vdev %s is taken; choose another", name);
	if (v->path && o->path && strcmp(v->path, o->path) == 0 && (!v->readonly || !o->readonly))
		return err_set(e, EEXIST, "disk: %s is given twice, and not for reading alone",
			       v->path);
	return 0;
}

int device_config_check(const struct device_config *d, const struct device_config *other,
			uint32_t nother, struct err *e)
{
	static const struct {
		const char *name;
		uint32_t most;
	} kind[] = {{"vif", VM_VIFS_MAX}, {"disk", VM_VBDS_MAX}};
	bool vif = d->kind == DEVICE_VIF;
	uint32_t n = 0;
	int rc = vif ? check_vif(&d->u.vif, e) : 0;

	if (!vif && !d->u.vbd.path && d->u.vbd.fd < 0)
		rc = err_set(e, EINVAL, "disk: has no target");
	for (uint32_t i = 0; rc == 0 && i < nother; i++) {
		if (other[i].kind != d->kind)
			continue;
		n++;
		rc = vif ? vif_beside(&d->u.vif, &other[i].u.vif, e)
			 : vbd_beside(&d->u.vbd, &other[i].u.vbd, e);
	}
	if (rc == 0 && n >= kind[d->kind].most)
		rc = err_set(e, E2BIG, "%s: a VM has at most %u", kind[d->kind].name,
			     kind[d->kind].most);
	return rc;
}
