/* SPDX-License-Identifier: BSD-3-Clause */
/* The file or block device of a VM's disk: examines it, protects it from other users, makes loop
 * devices for files. */
#ifndef NOXS_LOOPDEV_H
#define NOXS_LOOPDEV_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

struct disk_info {
	bool block;	       /* a block device; otherwise a regular file */
	uint32_t major, minor; /* of the block device */
	uint64_t dev,
		ino; /* identity: number of a block device and 0, or device and inode of a file */
	uint64_t sectors;      /* of 512 bytes; an incomplete last sector does not count */
	uint32_t sector_bytes; /* logical: 512 or 4096 */
	bool discard;	       /* discards may be possible; the layer below decides */
	uint64_t written_ns;   /* a file: time of the last write, since 1970; 0: not known */
};

/* Examines `fd` (open for reading). -EINVAL, with the reason, for what cannot be a disk:
 * directories, empty files, and files in another image format (qcow, qcow2, qed, vmdk, vdi, vhd,
 * vhdx), which a guest would overwrite. Does not check for other users. */
int disk_probe(int fd, struct disk_info *out, struct err *e);

/* -EBUSY if it is in use: mounted, used as swap, part of a volume group or an array (the kernel
 * knows that for block devices), or used by a loop device; loop devices are only examined if the
 * file is open elsewhere. Readers do not matter if `readonly`. Does not check block devices of
 * other VMs: disk_lock() and the engine do. */
int disk_in_use(int fd, const struct disk_info *d, bool readonly, struct err *e);

/* Locks all of it (F_OFD_SETLK): shared if read-only, otherwise exclusive. The lock conflicts
 * with those of QEMU. -EBUSY if another open file has the lock. `fd` must be open for writing
 * for an exclusive lock. The lock ends when the last copy of the open file is closed; a loop
 * device made from `fd` has a copy, so for files the lock is kept when the daemon dies. For
 * block devices the next daemon takes it again. */
int disk_lock(int fd, bool readonly, struct err *e);

/* Makes a loop device for the file `fd`, and holds a copy of it. The kernel detaches the loop
 * device when its last user closes it (LO_FLAGS_AUTOCLEAR). The kernel's blkback opens a block
 * device by number some time after the backend's `physical-device` is set, possibly later than
 * InitWait: keep *loop_fd open until the backend is Connected (4), then close it. So nothing is
 * left after the last user, even if the daemon is killed. `direct_io`: without dom0's page
 * cache, if the file system supports it. A read-only loop device can be made from an fd that
 * cannot write. dev: "/dev/loop7". */
int loop_attach(int fd, bool readonly, bool direct_io, char dev[32], uint32_t *major,
		uint32_t *minor, int *loop_fd, struct err *e);

/* Opens the loop device with these numbers, which keeps it in existence, and returns dev, ino
 * and sectors of its file. Returns the fd; -ENXIO: there is no such loop device, or it has no
 * file; or another -errno. */
int loop_find(uint32_t major, uint32_t minor, struct disk_info *file);

#endif
