/* SPDX-License-Identifier: BSD-3-Clause */
/* Decides which devices a VM that is made from a file gets. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "split-toolstack/engine/config/device_config_ops.h"
#include "split-toolstack/engine/devices/reservations.h"
#include "split-toolstack/engine/devices/set.h"
#include "split-toolstack/engine/life/restoring.h"
#include "split-toolstack/engine/vm/parts.h"
#include "split-toolstack/engine/vm/vms.h"

/* Any user may have written the file, and root opens the paths in it. So its disks are used only if
 * this host has the VM with these disks, or if the client allows it. */

static bool same_disk(const struct device_config *a, const struct device_config *b)
{
	const struct vbd_config *f = device_file(a);
	const struct vbd_config *g = device_file(b);

	return f && g && a->kind == b->kind && a->devid == b->devid && f->readonly == g->readonly &&
	       f->path && g->path && strcmp(f->path, g->path) == 0;
}

static bool is_known(const struct vm *vm, const struct device_config *d)
{
	for (uint32_t i = 0; vm && i < vm_cfg(vm)->ndevice; i++)
		if (same_disk(&vm_cfg(vm)->device[i], d))
			return true;
	return false;
}

static int check_disk(struct vm_restore *r, const struct vm_config *c,
		      const struct device_config *d, struct err *e)
{
	const struct vm *vm = engine_find_uuid(r->en, c->uuid);
	const char *path = d->u.vbd.path;
	char name[16];

	vdev_name(d->devid, name);
	if (!path)
		return err_set(e, EPROTO,
			       "the configuration of the VM in the file has parts that this "
			       "version does not know");
	if (r->flags & VM_RESTORE_DISKS)
		return 0;
	if (!r->known && !is_known(vm, d))
		return err_set(e, EPERM,
			       "disk %s: %s: this host does not know the VM of the file with this "
			       "disk: --disk keep uses it, --disk none leaves it out",
			       name, path);
	if (r->copy && !d->u.vbd.readonly)
		return err_set(e, EBUSY,
			       "disk %s: %s: the saved VM has it, and a copy would write to it, "
			       "too: give --disk copy, readonly or none",
			       name, path);
	return 0;
}

/* With a noxs entry the pages of the rings remain reserved, because the guest's memory is laid out
 * around them. */
static void drop_disks(struct vm_config *c, bool noxs)
{
	uint32_t rings = devices_rings(c);
	uint32_t n = 0;

	for (uint32_t i = 0; i < c->ndevice; i++) {
		if (device_file(&c->device[i]))
			device_config_clear(&c->device[i]);
		else
			c->device[n++] = c->device[i];
	}
	c->ndevice = n;
	if (noxs)
		c->spare_rings += rings - devices_rings(c);
}

int restore_check_devices(struct vm_restore *r, struct vm_config *c, struct err *e)
{
	int rc = 0;

	for (uint32_t i = 0; rc == 0 && i < c->ndevice; i++) {
		struct device_config *d = &c->device[i];
		struct vbd_config *file = device_change_file(d);

		if (r->copy)
			device_make_own(d);
		if (!file)
			continue;
		rc = check_disk(r, c, d, e);
		file->readonly |= (r->flags & VM_RESTORE_DISKS_READONLY) != 0;
		if (!(r->flags & VM_RESTORE_DISKS))
			file->same_since_ns = save_info(r->stream)->saved_ns;
	}
	if (rc == 0 && r->flags & VM_RESTORE_DISKS_NONE)
		drop_disks(c, !save_info(r->stream)->linux_guest);
	return rc;
}

int restore_give_vif(const struct vm_restore *r, struct vm_config *c, struct err *e)
{
	struct vif_config *v = device_first_vif(c->device, c->ndevice);

	if (!r->has_vif)
		return 0;
	if (!v)
		return err_set(e, EINVAL, "--vif: the VM of the snapshot has no vif");
	if (r->vif.ip.ipv4_prefix &&
	    reservations_has(r->en, RESERVED_IPV4, r->vif.ip.ipv4, sizeof(r->vif.ip.ipv4)))
		return err_set(e, EEXIST, "--vif: ip %s: another VM has it; give another address",
			       r->vif.ip_text);
	if (vif_has_mac(&r->vif))
		memcpy(v->mac, r->vif.mac, sizeof(v->mac));
	if (r->vif.ip_text[0]) {
		v->ip = r->vif.ip;
		memcpy(v->ip_text, r->vif.ip_text, sizeof(v->ip_text));
	}
	return 0;
}
