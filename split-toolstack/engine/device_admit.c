/* SPDX-License-Identifier: BSD-3-Clause */
/* May a VM have this device: what in dom0 must be there, and what must not be another's. */
#include "split-toolstack/engine/device.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* --- vifs --- */

/* Asking costs 40 us, and nearly all VMs of a host are in the same few. */
static bool is_known(const struct engine *en, const char *bridge)
{
	for (uint32_t i = 0; i < en->nbridge; i++)
		if (strcmp(en->bridge[i], bridge) == 0)
			return true;
	return false;
}

static void know(struct engine *en, const char *bridge)
{
	if (en->nbridge < BRIDGES_KNOWN)
		(void)snprintf(en->bridge[en->nbridge++], sizeof(en->bridge[0]), "%s", bridge);
}

static int check_bridge(struct engine *en, const char *bridge, struct err *e)
{
	struct link_info i;
	int rc;

	if (is_known(en, bridge))
		return 0;
	rc = link_find(en->link, bridge, &i);
	if (rc == -ENODEV)
		return err_set(
			e, ENODEV,
			"vif: there is no bridge \"%s\"; make it, or name another with bridge=",
			bridge);
	if (rc < 0)
		return err_sys(e, -rc, "vif: look for bridge \"%s\"", bridge);
	if (!i.is_bridge)
		return err_set(e, EINVAL, "vif: \"%s\" is an interface, but not a bridge", bridge);
	know(en, bridge);
	return 0;
}

/* vif<domid>.<devid>: what interfaces get when no other name is given. */
static bool is_default_name(const char *name)
{
	size_t first;
	size_t second;

	if (strncmp(name, "vif", 3) != 0)
		return false;
	name += 3;
	first = strspn(name, "0123456789");
	if (first == 0 || name[first] != '.')
		return false;
	name += first + 1;
	second = strspn(name, "0123456789");
	return second > 0 && name[second] == '\0';
}

static int check_ifname(struct engine *en, const char *name, struct err *e)
{
	struct link_info i;

	if (is_default_name(name))
		return err_set(e, EINVAL,
			       "vif: vifname \"%s\": is of the form that domains get by "
			       "themselves; choose another",
			       name);
	if (link_find(en->link, name, &i) < 0)
		return 0;
	(void)err_set(e, EEXIST, "vif: vifname \"%s\": an interface has that name already", name);
	return ifname_is_leaving(en, name) ? -EAGAIN : -EEXIST;
}

static int admit_vif(struct engine *en, const struct vif_config *v, struct err *e)
{
	int rc = v->bridge[0] ? check_bridge(en, v->bridge, e) : 0;

	if (rc == 0 && v->ifname[0])
		rc = check_ifname(en, v->ifname, e);
	return rc;
}

/* --- disks --- */

/* One disk under two names: by a link, or as another node of the same device. */
static int given_twice(const struct vbd_config *v, const struct device_config *other, uint32_t n,
		       struct err *e)
{
	char name[16];

	for (uint32_t i = 0; v->dev && i < n; i++) {
		const struct vbd_config *o = &other[i].u.vbd;

		if (other[i].kind != DEVICE_VBD || (o->readonly && v->readonly) ||
		    o->dev != v->dev || o->ino != v->ino)
			continue;
		vdev_name(other[i].devid, name);
		return err_set(
			e, EEXIST,
			"disk: %s is given twice: it is %s, which is %s, and not for reading "
			"alone",
			v->path ? v->path : "the file", o->path ? o->path : "the file", name);
	}
	return 0;
}

static int admit_disk(struct vm *vm, struct device_config *d, const struct device_config *other,
		      uint32_t n, const struct file *file, struct err *e)
{
	struct vbd_config *v = &d->u.vbd;
	char name[16];
	int rc;

	v->dev = file->info.dev;
	v->ino = file->info.ino;
	if (v->or_path && file->path && !file->or_path) { /* the first one was not there */
		free(v->path);
		v->path = v->or_path;
		v->or_path = NULL;
	} else if (file->rc == 0) {
		free(v->or_path);
		v->or_path = NULL;
	}
	rc = given_twice(v, other, n, e);
	if (rc == 0)
		rc = claims_check(vm->en, vm, d, e);
	if (rc < 0 || file->rc == 0)
		return rc;
	*e = file->err;
	rc = file->rc == -EBUSY && disk_is_leaving(vm->en, &file->info) ? -EAGAIN : file->rc;
	vdev_name(d->devid, name);
	return err_wrap(e, rc, "disk %s: %s", name, v->path ? v->path : "the file");
}

static int admit(struct engine *en, const struct vm *self, const struct device_config *d,
		 struct err *e)
{
	int rc = device_possible(en, d->backend, e);

	if (rc < 0)
		return err_wrap(e, rc, "%s", d->kind == DEVICE_VIF ? "vif" : "disk");
	rc = claims_check(en, self, d, e);
	return rc == 0 && d->kind == DEVICE_VIF ? admit_vif(en, &d->u.vif, e) : rc;
}

/* Of several devices the error that lasts is told rather than one that ends by itself. */
static int worse(int so_far, int rc, const struct err *why, struct err *e)
{
	if (rc == 0 || (rc == -EAGAIN && so_far < 0))
		return so_far;
	*e = *why;
	return rc;
}

int devices_admit(struct engine *en, const struct vm *self, const struct vm_config *c,
		  struct err *e)
{
	int rc = c->ndevice ? storehost_check_room(en, e) : 0;

	for (uint32_t i = 0; (rc == 0 || rc == -EAGAIN) && i < c->ndevice; i++) {
		struct err why = {0};

		rc = worse(rc, admit(en, self, &c->device[i], &why), &why, e);
	}
	return rc;
}

int disks_admit(struct vm *vm, struct files *f, struct err *e)
{
	struct vm_config *c = &vm->cfg;
	int rc = 0;

	for (uint32_t i = 0; (rc == 0 || rc == -EAGAIN) && i < c->ndevice; i++) {
		const struct file *file =
			c->device[i].kind == DEVICE_VBD ? files_disk(f, c->device[i].devid) : NULL;
		struct err why = {0};

		if (file)
			rc = worse(rc, admit_disk(vm, &c->device[i], c->device, i, file, &why),
				   &why, e);
	}
	return rc;
}

int device_admit(struct vm *vm, struct device_config *d, const struct file *file, struct err *e)
{
	int rc = storehost_check_room(vm->en, e);

	if (rc == 0)
		rc = admit(vm->en, vm, d, e);
	if (rc == 0 && file)
		rc = admit_disk(vm, d, vm->cfg.device, vm->cfg.ndevice, file, e);
	return rc;
}
