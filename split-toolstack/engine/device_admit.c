/* SPDX-License-Identifier: BSD-3-Clause */
/* May a VM have this device: what in dom0 must be there, and what must not be another's. */
#include "split-toolstack/engine/device.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "split-toolstack/engine/mirror.h"

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

/* Looked at before it is opened: opening alone can do something to what is no disk. */
static int open_disk(const struct vbd_config *v, struct err *e)
{
	struct stat st;
	int fd;

	if (v->fd >= 0) {
		fd = fcntl(v->fd, F_DUPFD_CLOEXEC, 3);
		return fd < 0 ? err_sys(e, errno, "cannot be used") : fd;
	}
	if (stat(v->path, &st) < 0)
		return err_sys(e, errno, "cannot be opened");
	if (!S_ISREG(st.st_mode) && !S_ISBLK(st.st_mode))
		return err_set(e, EINVAL, "is %s; a disk is a block device or a file",
			       S_ISDIR(st.st_mode) ? "a folder" : "neither");
	fd = open(v->path, (v->readonly ? O_RDONLY : O_RDWR) | O_CLOEXEC | O_NONBLOCK);
	if (fd >= 0)
		return fd;
	if (errno == EROFS)
		return err_set(e, EROFS, "lies on a read-only file system; give it access \"r\"");
	return err_sys(e, errno, "cannot be opened");
}

/* The device opens it again, and looks again: here it is refused early, and nothing kept. */
static int admit_vbd(struct engine *en, const struct vbd_config *v, struct err *e)
{
	struct disk_info info;
	char name[16];
	int fd = open_disk(v, e);
	int rc = fd < 0 ? fd : 0;

	if (rc == 0)
		rc = disk_probe(fd, &info, e);
	if (rc == 0)
		rc = disk_in_use(fd, &info, v->readonly, e);
	if (rc == 0)
		rc = disk_lock(fd, v->readonly, e);
	if (fd >= 0)
		(void)close(fd);
	if (rc == 0)
		return 0;
	if (rc == -EBUSY && disk_is_leaving(en, &info))
		rc = -EAGAIN;
	vdev_name(v->vdev, name);
	return err_wrap(e, rc, "disk %s: %s", name, v->path ? v->path : "the file");
}

static int look(const struct vbd_config *v, struct stat *st)
{
	if (v->fd >= 0)
		return fstat(v->fd, st);
	return v->path ? stat(v->path, st) : -1;
}

static bool same_file(const struct stat *a, const struct stat *b)
{
	if (S_ISBLK(a->st_mode) || S_ISBLK(b->st_mode))
		return S_ISBLK(a->st_mode) && S_ISBLK(b->st_mode) && a->st_rdev == b->st_rdev;
	return a->st_dev == b->st_dev && a->st_ino == b->st_ino;
}

/* One disk under two names: by a link, or as another node of the same device. */
static int given_twice(const struct device_config *d, const struct device_config *other, uint32_t n,
		       struct err *e)
{
	struct stat mine;
	struct stat st;
	char name[16];

	if (d->kind != DEVICE_VBD || n == 0 || look(&d->u.vbd, &mine) < 0)
		return 0;
	for (uint32_t i = 0; i < n; i++) {
		const struct vbd_config *o = &other[i].u.vbd;

		if (other[i].kind != DEVICE_VBD || (o->readonly && d->u.vbd.readonly) ||
		    look(o, &st) < 0 || !same_file(&mine, &st))
			continue;
		vdev_name(o->vdev, name);
		return err_set(
			e, EEXIST,
			"disk: %s is given twice: it is %s, which is %s, and not for reading "
			"alone",
			d->u.vbd.path ? d->u.vbd.path : "the file", o->path ? o->path : "the file",
			name);
	}
	return 0;
}

int device_possible(const struct engine *en, enum device_backend b, struct err *e)
{
	if (b == BACKEND_USER)
		return 0;
	if (en->mirror && mirror_is_dead(en->mirror))
		return err_set(e, ENOTCONN,
			       "xenstored is gone, and dom0's backends hear of nothing: start it "
			       "again and restart chaosd, or give userspace=1");
	if (en->store != STORE_NOBODY)
		return 0;
	return err_set(e, EOPNOTSUPP,
		       "without a store of dom0's (store=none) there are user-space backends only: "
		       "give userspace=1");
}

static int admit(struct engine *en, const struct vm *self, const struct device_config *d,
		 struct err *e)
{
	int rc =
		device_possible(en, d->kind == DEVICE_VIF ? d->u.vif.backend : d->u.vbd.backend, e);

	if (rc < 0)
		return err_wrap(e, rc, "%s", d->kind == DEVICE_VIF ? "vif" : "disk");
	rc = claims_check(en, self, d, e);
	if (rc < 0)
		return rc;
	return d->kind == DEVICE_VIF ? admit_vif(en, &d->u.vif, e) : admit_vbd(en, &d->u.vbd, e);
}

int devices_admit(struct engine *en, const struct vm *self, const struct vm_config *c,
		  struct err *e)
{
	bool leaving = false;
	int rc = c->ndevice ? storehost_check_room(en, e) : 0;

	for (uint32_t i = 0; rc == 0 && i < c->ndevice; i++) {
		struct err why = {0};

		rc = given_twice(&c->device[i], c->device, i, &why);
		if (rc == 0)
			rc = admit(en, self, &c->device[i], &why);
		if (rc < 0 && (rc != -EAGAIN || !leaving))
			*e = why;
		if (rc == -EAGAIN) { /* the others may be refused for good */
			leaving = true;
			rc = 0;
		}
	}
	return rc == 0 && leaving ? -EAGAIN : rc;
}

int device_admit(struct vm *vm, const struct device_config *d, struct err *e)
{
	int rc = given_twice(d, vm->cfg.device, vm->cfg.ndevice, e);

	if (rc == 0)
		rc = storehost_check_room(vm->en, e);
	return rc < 0 ? rc : admit(vm->en, vm, d, e);
}
