/* SPDX-License-Identifier: BSD-3-Clause */
/* Checks whether a VM may have a disk: its file, and whether another VM has it. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "split-toolstack/engine/devices/admit.h"
#include "split-toolstack/engine/devices/kind.h"
#include "split-toolstack/engine/devices/reservations.h"
#include "split-toolstack/engine/parts/parts.h"
#include "split-toolstack/engine/vm/parts.h"

/* --- what is no other VM's --- */

/* The identity of a disk, whatever path it has: the device, or the file. False: not known. */
static bool file_id(const struct vbd_config *v, uint64_t id[2])
{
	id[0] = v->dev;
	id[1] = v->ino;
	return v->path && v->dev;
}

/* Compares paths, which may lead to nothing between two domains, and the identities when they
 * were last opened. */
int vbd_admit(struct engine *en, const struct vm *self, const struct device_config *d,
	      struct err *e)
{
	const struct vbd_config *v = &d->u.vbd;
	const struct vm *has = NULL;
	uint64_t id[2];
	char name[16];

	if (v->path)
		has = reservations_holder(en, self, RESERVED_DISK, v->path, strlen(v->path),
					  !v->readonly);
	if (!has && file_id(v, id))
		has = reservations_holder(en, self, RESERVED_FILE, id, sizeof(id), !v->readonly);
	if (!has)
		return 0;
	vdev_name(d->devid, name);
	return err_set(e, EBUSY, "disk %s: %s: is in use by \"%s\"", name, v->path, vm_name(has));
}

int vbd_reserve(struct vm *vm, const struct device_config *d)
{
	const struct vbd_config *v = &d->u.vbd;
	uint64_t id[2];
	int rc = 0;

	if (v->path)
		rc = reservations_add(vm, RESERVED_DISK, v->path, strlen(v->path), !v->readonly);
	return rc == 0 && file_id(v, id)
		       ? reservations_add(vm, RESERVED_FILE, id, sizeof(id), !v->readonly)
		       : rc;
}

/* --- its file --- */

/* A disk of the last daemon may be any kind of file, and have any name. */
static bool may_be(const struct device *d, const struct disk_info *disk)
{
	return d->disk.dev == 0 || (d->disk.dev == disk->dev && d->disk.ino == disk->ino);
}

static bool disk_is_leaving(struct engine *en, const struct disk_info *disk)
{
	struct device *d = NULL;
	struct device *tmp;
	bool leaving = teardown_lately(en);

	HASH_ITER(hh, engine_devices(en)->all, d, tmp)
	{
		if (d->key.kind != DEVICE_VBD || !may_be(d, disk))
			continue;
		if (d->phase < PHASE_CLOSING && d->disk.dev)
			return false;
		leaving = leaving || d->phase >= PHASE_CLOSING;
	}
	return leaving;
}

/* One disk with two names: by a link, or another node of the same device. */
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
			"disk: %s is given twice: it is %s, which is %s, and not read-only in "
			"both",
			v->path ? v->path : "the file", o->path ? o->path : "the file", name);
	}
	return 0;
}

int vbd_is_newer(const struct device_config *d, struct err *e)
{
	char name[16];

	vdev_name(d->devid, name);
	return err_set(e, ESTALE,
		       "disk %s: %s: was written after the VM was saved, so the guest remembers "
		       "other contents; --disk keep uses it anyway",
		       name, d->u.vbd.path ? d->u.vbd.path : "the file");
}

/* A saved guest remembers the size and the contents of its disk. */
static int check_same(struct vm *vm, struct device_config *d, const struct file *file,
		      struct err *e)
{
	struct vbd_config *v = &d->u.vbd;
	const char *path = v->path ? v->path : "the file";
	const struct device_set_ops *owner = vm_devices(vm)->ops;
	bool remembered = owner->remembered && owner->remembered(vm_devices(vm));
	uint64_t was = v->sectors;
	char name[16];

	if (file->rc < 0)
		return 0;
	vdev_name(d->devid, name);
	if (remembered && was && was != file->info.sectors)
		return err_set(e, EINVAL,
			       "disk %s: %s: has %llu bytes, and had %llu when the VM was saved",
			       name, path, (unsigned long long)file->info.sectors * 512,
			       (unsigned long long)was * 512);
	if (remembered && v->same_since_ns && file->info.written_ns > v->same_since_ns)
		return vbd_is_newer(d, e);
	v->sectors = file->info.sectors;
	v->written_ns = file->info.written_ns;
	v->same_since_ns = 0; /* from now on it belongs to the VM, which may be built again */
	return 0;
}

int vbd_admit_file(struct vm *vm, struct device_config *d, const struct device_config *other,
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
		rc = vbd_admit(vm_engine(vm), vm, d, e);
	if (rc == 0)
		rc = check_same(vm, d, file, e);
	if (rc < 0 || file->rc == 0)
		return rc;
	err_copy(e, &file->err);
	rc = file->rc == -EBUSY && disk_is_leaving(vm_engine(vm), &file->info) ? -EAGAIN : file->rc;
	vdev_name(d->devid, name);
	return err_wrap(e, rc, "disk %s: %s", name, v->path ? v->path : "the file");
}
