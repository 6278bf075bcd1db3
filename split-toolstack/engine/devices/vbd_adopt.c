/* SPDX-License-Identifier: BSD-3-Clause */
/* After a restart of the daemon: adopts the disks of VMs that run. Their paths are opened on
 * threads; neither the start nor the VM waits for that. */
#include <linux/major.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/log.h"
#include "split-toolstack/engine/devices/backend.h"
#include "split-toolstack/engine/devices/kind.h"
#include "split-toolstack/engine/devices/reservations.h"
#include "split-toolstack/engine/parts/parts.h"
#include "split-toolstack/engine/vm/adopt_later.h"
#include "split-toolstack/engine/vm/parts.h"

/* If dom0 lacked a resource, it is tried again after this time. */
#define AGAIN_S 1.0

/* The size that the guest has read. */
static void read_size(struct device *d)
{
	char at[DEVTREE_PATH_MAX];
	const char *text;
	uint32_t len;

	devtree_back(&d->id, "sectors", at);
	text = store_get(engine_devices(d->en)->host.store, at, &len);
	if (text && strtoull(text, NULL, 10))
		d->sectors = strtoull(text, NULL, 10);
}

/* Reserves it: other VMs cannot have it, under any name. */
static void reserve(struct device *d, uint64_t dev, uint64_t ino)
{
	struct vm_config *c = vm_change_cfg(d->vm);

	for (uint32_t i = 0; i < c->ndevice; i++) {
		struct vbd_config *v = &c->device[i].u.vbd;

		if (c->device[i].kind != DEVICE_VBD || c->device[i].devid != d->key.devid)
			continue;
		v->dev = dev;
		v->ino = ino;
		(void)reservations_take(d->vm, NULL); /* by its path it has it already */
	}
}

/* What its disk is. */
static void note(struct device *d, const struct disk_info *info)
{
	vbd_note_disk(d, info);
	read_size(d);
	reserve(d, info->dev, info->ino);
}

static void open_again(struct device *d, enum file_use use, device_disk_fn *then);

static void on_again(struct ev_loop *loop, ev_timer *t, int revents)
{
	struct device *d = t->data;

	(void)revents;
	ev_timer_stop(loop, t);
	if (d->phase < PHASE_CLOSING)
		open_again(d, d->again_use, d->again_then);
}

static void try_later(struct device *d, enum file_use use, device_disk_fn *then)
{
	d->again_use = use;
	d->again_then = then;
	ev_timer_init(&d->again, on_again, AGAIN_S, 0.);
	d->again.data = d;
	ev_timer_start(engine_loop(d->en), &d->again);
}

/* Also called if there is no memory for it now. */
static void open_again(struct device *d, enum file_use use, device_disk_fn *then)
{
	if (device_open_later(d, use, then, NULL) < 0)
		try_later(d, use, then);
}

/* Replaces a loop device that was removed, or that has another file now. */
static void take_new_loop(struct device *d, struct file *disk)
{
	char at[DEVTREE_PATH_MAX];
	struct err e = {0};
	int rc;

	if (devtree_back_state(engine_devices(d->en)->host.store, &d->id) >= DEVTREE_CONNECTED)
		return; /* blkback has got it after all */
	rc = vbd_take_file(d, disk, &e);
	if (adopt_later(rc)) {
		try_later(d, FILE_DISK, take_new_loop);
		return;
	}
	if (rc < 0) {
		device_broken(d, "its loop device is gone: %s", err_msg(&e));
		return;
	}
	note(d, &disk->info);
	log_line(LOG_INFO, "op=adopt dom=%u disk \"%s\": has a new loop device", d->key.domid,
		 d->cfg.u.vbd.path);
	devtree_back(&d->id, "physical-device", at);
	(void)store_putf(engine_devices(d->en)->host.store, at, "%x:%x", d->major, d->minor);
}

/* The file at the path. A loop device can be a disk that the user has made, used like any block
 * device; or it was made for a file, and holds that file with its lock. */
static void lock_again(struct device *d, struct file *disk)
{
	const struct disk_info *info = &disk->info;

	if (adopt_later(disk->rc)) {
		try_later(d, FILE_DISK_LOCK, lock_again);
		return;
	}
	if (info->block) {
		if (disk->rc < 0)
			log_line(LOG_WARN, "op=adopt dom=%u disk \"%s\": %s", d->key.domid,
				 d->cfg.u.vbd.path, err_msg(&disk->err));
		note(d, info);
		d->cfg.u.vbd.fd = file_take(disk);
	} else if (d->loop_fd >= 0 && info->dev &&
		   (d->disk.dev != info->dev || d->disk.ino != info->ino)) {
		(void)close(d->loop_fd); /* over another file by now */
		d->loop_fd = -1;
		open_again(d, FILE_DISK, take_new_loop);
	} else if (d->major == LOOP_MAJOR) {
		reserve(d, d->disk.dev, d->disk.ino);
	}
}

/* Its loop device exists if blkback has it open. The last daemon kept it until blkback had
 * opened it; if the daemon ended too early, the file gets another loop device, from which
 * blkback reads. */
static int find_loop(struct device *d)
{
	bool early =
		devtree_back_state(engine_devices(d->en)->host.store, &d->id) < DEVTREE_CONNECTED;
	const char *path = d->cfg.u.vbd.path;
	struct disk_info has = {0};
	int fd = loop_find(d->major, d->minor, &has);

	if (adopt_later(fd))
		return fd;
	if (fd < 0 && early && path)
		return device_open_later(d, FILE_DISK, take_new_loop, NULL);
	if (fd < 0) {
		if (early || fd == -ENXIO)
			device_broken(d, "its loop device is gone");
		return 0;
	}
	vbd_note_disk(d, &has);
	read_size(d);
	if (early)
		d->loop_fd = fd;
	else
		(void)close(fd);
	return path ? device_open_later(d, FILE_DISK_LOCK, lock_again, NULL) : 0;
}

static void examine_disk(struct device *d, struct file *disk)
{
	if (adopt_later(disk->rc))
		try_later(d, FILE_DISK_HELD, examine_disk);
	else if (disk->info.dev)
		note(d, &disk->info);
}

/* The last daemon had the lock of a block device; the lock of a file belongs to its loop device,
 * or to chaos-backend. A path is opened on a thread; the device continues meanwhile. */
int vbd_adopt(struct device *d)
{
	const char *path = d->cfg.u.vbd.path;
	char at[DEVTREE_PATH_MAX];
	const char *numbers;
	uint32_t len;

	read_size(d);
	if (d->backend->keeps_file)
		return path ? device_open_later(d, FILE_DISK_HELD, examine_disk, NULL) : 0;
	devtree_back(&d->id, "physical-device", at);
	numbers = store_get(engine_devices(d->en)->host.store, at, &len);
	/* Our own words. NOLINTNEXTLINE(cert-err34-c) */
	if (numbers && sscanf(numbers, "%x:%x", &d->major, &d->minor) == 2) {
		reserve(d, makedev(d->major, d->minor), 0);
		if (d->major == LOOP_MAJOR)
			return find_loop(d);
		return path ? device_open_later(d, FILE_DISK_LOCK, lock_again, NULL) : 0;
	}
	return path ? device_open_later(d, FILE_DISK, take_new_loop, NULL) : 0;
}

void device_start_now(struct device *d, struct file *disk)
{
	struct err e = {0};
	int rc = device_start(d, disk, &e);

	if (adopt_later(rc) && d->phase == PHASE_MADE)
		try_later(d, FILE_DISK, device_start_now);
	else if (rc < 0)
		device_broken(d, "%s", err_msg(&e));
}
