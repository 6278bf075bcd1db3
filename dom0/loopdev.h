/* SPDX-License-Identifier: BSD-3-Clause */
/* What a disk of a VM lies on: probing it, keeping others off it, loop devices for files. */
#ifndef NOXS_LOOPDEV_H
#define NOXS_LOOPDEV_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

struct disk_info {
	bool block;	       /* a block device, else a regular file */
	uint32_t major, minor; /* of the block device */
	uint64_t dev,
		ino; /* its identity: a block device's number and 0, or a file's device and inode */
	uint64_t sectors;      /* of 512 bytes; a last part of a sector does not count */
	uint32_t sector_bytes; /* logical: 512 or 4096 */
	bool discard;	       /* may be possible: what lies below has the last word */
	uint64_t written_ns;   /* a file: when it was written last, since 1970; 0: not known */
};

/*
 * What `fd` (open for reading) is. -EINVAL names what cannot be a disk: directories, empty files,
 * and files whose contents have a structure of their own (qcow, qcow2, qed, vmdk, vdi, vhd, vhdx),
 * which a guest that is handed the bytes would destroy. Nothing is said of its users.
 */
int disk_probe(int fd, struct disk_info *out, struct err *e);

/*
 * -EBUSY when something else uses it: it is mounted, swapped to, part of a volume group or an array
 * (which the kernel knows of block devices), or behind a loop device; loop devices are only looked
 * through when the file is open elsewhere. Readers alone do not matter when `readonly`. Does not
 * know of other VMs' block devices: disk_lock() does, and the engine.
 */
int disk_in_use(int fd, const struct disk_info *d, bool readonly, struct err *e);

/*
 * Locks all of it (F_OFD_SETLK): shared for read-only use, else exclusive; QEMU's locks are seen
 * and see this one. -EBUSY when another open file has it. `fd` must be open for writing for an
 * exclusive lock. The lock goes with the last copy of the open file, and a loop device made of `fd`
 * holds one: so for files it outlives a daemon that dies. For block devices the daemon takes it
 * again.
 */
int disk_lock(int fd, bool readonly, struct err *e);

/*
 * Puts a free loop device over the file `fd`, which it holds from now on. It is detached by the
 * kernel when the last one closes it (LO_FLAGS_AUTOCLEAR). The kernel's blkback opens block devices
 * by number some time after the backend's `physical-device` is set, which can be later than
 * InitWait: keep *loop_fd until the backend is Connected (4) and close it then; whatever happens to
 * the daemon before or after that, nothing is left when the device's last user is gone.
 * `direct_io`: past dom0's page cache, where the file system can. A read-only one also comes from
 * an fd that cannot write. dev: "/dev/loop7".
 */
int loop_attach(int fd, bool readonly, bool direct_io, char dev[32], uint32_t *major,
		uint32_t *minor, int *loop_fd, struct err *e);

/*
 * Opens the loop device of these numbers, which holds it, and says what it is over: dev, ino and
 * sectors of the file. Returns the fd, -ENXIO when there is no such loop device or it is over
 * nothing, or another -errno.
 */
int loop_find(uint32_t major, uint32_t minor, struct disk_info *file);

#endif
