/* SPDX-License-Identifier: BSD-3-Clause */
/* Guests with devices: checks whether they can be saved, and flushes their disks. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "split-toolstack/engine/guest/control.h"
#include "split-toolstack/engine/life/restoring.h"
#include "split-toolstack/engine/life/saving.h"
#include "split-toolstack/engine/vm/parts.h"

/* --- on the loop --- */

bool save_has_disks(const struct vm *vm)
{
	bool any = false;

	for (uint32_t i = 0; i < vm_cfg(vm)->ndevice; i++)
		any = any || device_file(&vm_cfg(vm)->device[i]);
	return any;
}

int save_check_paths(const struct vm *vm, struct err *e)
{
	const struct vm_config *c = vm_cfg(vm);
	char name[16];

	for (uint32_t i = 0; i < c->ndevice; i++) {
		const struct vbd_config *file = device_file(&c->device[i]);

		if (!file || file->path)
			continue;
		vdev_name(c->device[i].devid, name);
		return err_set(e, EOPNOTSUPP,
			       "\"%s\" cannot be saved: its disk %s was given as an open file, "
			       "without a path",
			       vm_name(vm), name);
	}
	return 0;
}

int save_check_devices(const struct vm *vm, bool bare, struct err *e)
{
	int rc;

	if (vm_cfg(vm)->ndevice == 0)
		return 0;
	if (!control_can_devices(vm))
		return err_set(e, EOPNOTSUPP,
			       "\"%s\" cannot be %s its devices: its image does not say that it "
			       "%s (noxs(7))",
			       vm_name(vm), bare ? "copied without" : "saved with",
			       bare ? "continues without them" : "connects to them again");
	if (bare)
		return 0;
	rc = save_check_paths(vm, e);
	if (rc < 0 || !save_has_disks(vm))
		return rc;
	if (!control_can_suspend(vm))
		return err_set(e, EOPNOTSUPP,
			       "\"%s\" cannot be saved with its disks: its image does not say that "
			       "it suspends itself on request (noxs(7))",
			       vm_name(vm));
	return 0;
}

/* The disks that the guest can write. */
int save_note_disks(const struct vm *vm, struct vm_save *s, struct err *e)
{
	for (uint32_t i = 0; i < vm_cfg(vm)->ndevice; i++) {
		const struct vbd_config *file = device_file(&vm_cfg(vm)->device[i]);
		struct save_disk *to = &s->disk[s->ndisk];

		if (!file || file->readonly || s->ndisk == VM_VBDS_MAX)
			continue;
		*to = (struct save_disk){
			.path = strdup(file->path), .dev = file->dev, .ino = file->ino};
		if (!to->path)
			return err_set(e, ENOMEM, "out of memory");
		s->ndisk++;
	}
	return 0;
}

void save_forget_disks(struct vm_save *s)
{
	while (s->ndisk)
		free(s->disk[--s->ndisk].path);
}

/* --- on a thread --- */

static bool is_it(const struct save_disk *d, int fd)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return false;
	if (S_ISBLK(st.st_mode))
		return !d->dev || (d->dev == st.st_rdev && !d->ino);
	return S_ISREG(st.st_mode) && (!d->dev || (d->dev == st.st_dev && d->ino == st.st_ino));
}

/* Its guest is stopped, and all of its requests are answered. */
static int take_disk(struct vm_save *s, const struct save_disk *d, int fd, struct err *e)
{
	struct taken_disks *to = s->disks;
	int rc;

	to->disk[to->n].path = strdup(d->path);
	if (!to->disk[to->n].path)
		return err_set(e, ENOMEM, "out of memory");
	rc = disk_copy_unnamed(d->path, fd, &s->file, e);
	to->disk[to->n++].fd = rc;
	return rc < 0 ? rc : 0;
}

static int sync_disk(struct vm_save *s, const struct save_disk *d, struct err *e)
{
	int fd = open(d->path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	int rc = 0;

	if (fd < 0)
		return err_sys(e, errno, "disk %s: open it", d->path);
	if (!is_it(d, fd))
		rc = err_set(e, ENOENT, "disk %s: another file has this name now", d->path);
	else if (fsync(fd) < 0)
		rc = err_sys(e, errno, "disk %s: flush", d->path);
	else if (s->disks)
		rc = take_disk(s, d, fd, e);
	(void)close(fd);
	return rc;
}

int save_sync_disks(struct vm_save *s, struct err *e)
{
	int rc = 0;

	for (uint32_t i = 0; rc == 0 && i < s->ndisk; i++)
		rc = sync_disk(s, &s->disk[i], e);
	return rc;
}
