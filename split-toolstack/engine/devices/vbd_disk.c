/* SPDX-License-Identifier: BSD-3-Clause */
/* The file or block device behind a vbd. */
#include "split-toolstack/engine/devices/backend.h"
#include "split-toolstack/engine/devices/kind.h"
#include "split-toolstack/engine/parts/parts.h"

#include <fcntl.h>
#include <unistd.h>

void vbd_note_disk(struct device *d, const struct disk_info *info)
{
	d->disk.dev = info->dev;
	d->disk.ino = info->ino;
	d->sectors = info->sectors;
	d->sector_size = info->sector_bytes;
	d->can_discard = info->discard;
}

/* Keeps the file of a disk, which is open and locked, and makes a block device for it. */
int vbd_take_file(struct device *d, struct file *file, struct err *e)
{
	struct vbd_config *c = &d->cfg.u.vbd;
	const struct disk_info *info = &file->info;
	char dev[32];
	int rc = file->rc;

	if (rc < 0)
		err_copy(e, &file->err);
	file_close(engine_opener(d->en), FILE_DISK, c->fd);
	c->fd = file_take(file);
	vbd_note_disk(d, info);
	d->major = info->major;
	d->minor = info->minor;
	if (rc == 0 && !info->block && d->backend->loops)
		rc = loop_attach(c->fd, c->readonly, false, dev, &d->major, &d->minor, &d->loop_fd,
				 e);
	if (rc < 0)
		return err_wrap(e, rc, "disk \"%s\"", c->path ? c->path : "(an open file)");
	/* Like the kernel's backend it uses direct I/O, because the guest has its own cache. Not
	 * if the device does not support it, or has larger sectors than the guest was told. */
	if (info->block && !d->backend->loops && c->path && info->sector_bytes == 512)
		(void)fcntl(c->fd, F_SETFL, fcntl(c->fd, F_GETFL) | O_DIRECT);
	if (!info->block && d->backend->loops) { /* the loop device has it, lock and all */
		(void)close(c->fd);
		c->fd = -1;
	}
	return 0;
}

void vbd_close_files(struct device *d)
{
	file_close(engine_opener(d->en), FILE_DISK, d->loop_fd);
	file_close(engine_opener(d->en), FILE_DISK, d->user_fd);
	file_close(engine_opener(d->en), FILE_DISK, d->cfg.u.vbd.fd);
	d->loop_fd = -1;
	d->user_fd = -1;
	d->cfg.u.vbd.fd = -1;
}
