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

static int check_disk(const struct devices_wish *w, const struct vm_config *c,
		      const struct device_config *d, struct err *e)
{
	const struct vm *vm = engine_find_uuid(w->en, c->uuid);
	const char *path = d->u.vbd.path;
	char name[16];

	vdev_name(d->devid, name);
	if (!path)
		return err_set(e, EPROTO,
			       "the configuration of the VM in the file has parts that this "
			       "version does not know");
	if (w->of && !d->u.vbd.readonly &&
	    !(w->flags & (VM_RESTORE_DISKS_NONE | VM_RESTORE_DISKS_COPY)))
		return err_set(e, EBUSY,
			       "disk %s: %s: \"%s\" continues and writes it, so a copy cannot have "
			       "it: give --disk copy or none",
			       name, path, vm_name(w->of));
	if (w->flags & VM_RESTORE_DISKS)
		return 0;
	if (!w->known && !is_known(vm, d))
		return err_set(e, EPERM,
			       "disk %s: %s: this host does not know the VM of the file with this "
			       "disk: --disk keep uses it, --disk none leaves it out",
			       name, path);
	if (w->copy && !d->u.vbd.readonly)
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

/* MAC and IP of the first vif. */
static int give_vif(const struct devices_wish *w, struct vm_config *c, struct err *e)
{
	struct vif_config *v = device_first_vif(c->device, c->ndevice);

	if (!v)
		return err_set(e, EINVAL, "--vif: the VM%s has no vif",
			       w->of ? "" : " of the snapshot");
	if (w->vif->ip.ipv4_prefix &&
	    reservations_has(w->en, RESERVED_IPV4, w->vif->ip.ipv4, sizeof(w->vif->ip.ipv4)))
		return err_set(e, EEXIST, "--vif: ip %s: another VM has it; give another address",
			       w->vif->ip_text);
	if (vif_has_mac(w->vif))
		memcpy(v->mac, w->vif->mac, sizeof(v->mac));
	if (w->vif->ip_text[0]) {
		v->ip = w->vif->ip;
		memcpy(v->ip_text, w->vif->ip_text, sizeof(v->ip_text));
	}
	return 0;
}

int restore_check_devices(const struct devices_wish *w, struct vm_config *c, struct err *e)
{
	struct vm *original = w->copy ? engine_find_uuid(w->en, c->uuid) : NULL;
	int rc = 0;

	for (uint32_t i = 0; rc == 0 && i < c->ndevice; i++) {
		struct device_config *d = &c->device[i];
		struct vbd_config *file = device_change_file(d);

		if (w->copy)
			device_make_own(d);
		if (!file)
			continue;
		rc = check_disk(w, c, d, e);
		file->readonly |= (w->flags & VM_RESTORE_DISKS_READONLY) != 0;
		if (!(w->flags & VM_RESTORE_DISKS))
			file->same_since_ns = w->saved_ns;
	}
	if (rc == 0 && w->flags & VM_RESTORE_DISKS_NONE)
		drop_disks(c, w->noxs);
	if (rc == 0 && w->vif)
		rc = give_vif(w, c, e);
	if (rc == 0 && original)
		devices_pin(vm_devices(original));
	return rc;
}
