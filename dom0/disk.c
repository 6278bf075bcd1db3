/* SPDX-License-Identifier: BSD-3-Clause */
/* Examines the file of a disk: its kind, its size, and its other users. */
#include "dom0/loopdev.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <linux/fs.h>
#include <linux/loop.h>

#include "base/dirs.h"

/* --- formats that are not raw --- */

struct format {
	const char *name;
	uint32_t at, len;
	const char *magic;
};

static const struct format formats[] = {
	{"qcow2", 0, 4, "QFI\xfb"},
	{"qed", 0, 4, "QED\0"},
	{"vmdk", 0, 4, "KDMV"},
	{"vmdk", 0, 4, "COWD"},
	{"vmdk", 0, 21, "# Disk DescriptorFile"},
	{"vdi", 64, 4, "\x7f\x10\xda\xbe"},
	{"vhd", 0, 8, "conectix"},
	{"vhdx", 0, 8, "vhdxfile"},
	{"parallels", 0, 16, "WithoutFreeSpace"},
	{"parallels", 0, 16, "WithouFreSpacExt"},
};

static int refuse(struct err *e, const char *name)
{
	return err_set(e, EINVAL,
		       "is a %s image, which a guest would overwrite: only raw images are "
		       "supported; convert it with \"qemu-img convert -O raw\"",
		       name);
}

static int check_format(int fd, const struct disk_info *d, struct err *e)
{
	uint8_t head[512] = {0};
	char foot[8];
	ssize_t n = pread(fd, head, sizeof(head), 0);

	if (n < 0)
		return err_sys(e, errno, "cannot be read");
	for (size_t i = 0; i < sizeof(formats) / sizeof(formats[0]); i++)
		if (memcmp(head + formats[i].at, formats[i].magic, formats[i].len) == 0)
			return refuse(e, formats[i].name);
	/* A VHD of fixed size can only be recognized by its last sector. */
	if (!d->block &&
	    pread(fd, foot, sizeof(foot), (off_t)(d->sectors - 1) * 512) == (ssize_t)sizeof(foot) &&
	    memcmp(foot, "conectix", sizeof(foot)) == 0)
		return refuse(e, "vhd");
	return 0;
}

/* --- what it is --- */

static uint64_t queue_value(const struct disk_info *d, const char *name)
{
	static const char *const where[] = {"queue", "../queue"}; /* a partition has its disk's */
	char path[96];
	char text[32];

	for (int i = 0; i < 2; i++) {
		ssize_t n = -1;
		int fd;

		(void)snprintf(path, sizeof(path), "/sys/dev/block/%u:%u/%s/%s", d->major, d->minor,
			       where[i], name);
		fd = open(path, O_RDONLY | O_CLOEXEC);
		if (fd < 0)
			continue;
		n = read(fd, text, sizeof(text) - 1);
		(void)close(fd);
		if (n <= 0)
			return 0;
		text[n] = '\0';
		return strtoull(text, NULL, 10);
	}
	return 0;
}

static int probe_block(int fd, const struct stat *st, struct disk_info *out, struct err *e)
{
	uint64_t bytes = 0;
	int sector = 512;

	out->block = true;
	out->major = major(st->st_rdev);
	out->minor = minor(st->st_rdev);
	out->dev = st->st_rdev;
	if (ioctl(fd, BLKGETSIZE64, &bytes) < 0 || ioctl(fd, BLKSSZGET, &sector) < 0)
		return err_sys(e, errno, "size of the block device");
	out->sectors = bytes / 512;
	out->sector_bytes = (uint32_t)sector;
	out->discard = queue_value(out, "discard_max_bytes") != 0;
	return 0;
}

int disk_probe(int fd, struct disk_info *out, struct err *e)
{
	struct stat st;
	int rc = 0;

	*out = (struct disk_info){.sector_bytes = 512};
	if (fstat(fd, &st) < 0)
		return err_sys(e, errno, "cannot be examined");
	if (S_ISBLK(st.st_mode)) {
		rc = probe_block(fd, &st, out, e);
	} else if (S_ISREG(st.st_mode)) {
		out->dev = st.st_dev;
		out->ino = st.st_ino;
		out->sectors = (uint64_t)st.st_size / 512;
		out->written_ns =
			(uint64_t)st.st_mtim.tv_sec * 1000000000u + (uint64_t)st.st_mtim.tv_nsec;
		out->discard = true;
	} else {
		return err_set(e, EINVAL, "is %s; a disk is a block device or a file",
			       S_ISDIR(st.st_mode) ? "a folder" : "neither");
	}
	if (rc < 0)
		return rc;
	if (out->sectors == 0)
		return err_set(e, EINVAL, "is empty; a disk has at least one sector of 512 bytes");
	return check_format(fd, out, e);
}

/* --- its users --- */

static int reopen(int fd, int flags)
{
	char path[32];

	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	return open(path, flags | O_CLOEXEC);
}

/* The kernel gives a lease on a file only if no other process has it open in a conflicting way:
 * one call, however many loop devices there are. If a process opens it meanwhile, the kernel
 * sends a signal, which has no effect here. False also if that cannot be found out. */
static bool ours_alone(int fd)
{
	int mode = fcntl(fd, F_GETFL);
	bool alone;

	if (mode < 0 || fcntl(fd, F_SETSIG, SIGURG) < 0)
		return false;
	alone = fcntl(fd, F_SETLEASE, (mode & O_ACCMODE) == O_RDONLY ? F_RDLCK : F_WRLCK) == 0;
	if (alone)
		(void)fcntl(fd, F_SETLEASE, F_UNLCK);
	return alone;
}

/* The device has no file, or has been removed. */
static bool is_absent(int error)
{
	return error == ENOENT || error == ENXIO || error == ENODEV;
}

/* 1: this loop device uses the file; 0: it does not, or has no file; -errno: that cannot be found
 * out, and it may. */
static int loop_has(const char *name, const struct disk_info *d, bool *readonly)
{
	struct loop_info64 i;
	char path[64];
	int fd;
	int rc;

	(void)snprintf(path, sizeof(path), "/dev/%.32s", name);
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0)
		return is_absent(errno) ? 0 : -errno;
	rc = ioctl(fd, LOOP_GET_STATUS64, &i) < 0 ? -errno : 0;
	(void)close(fd);
	if (rc < 0)
		return is_absent(-rc) ? 0 : rc;
	*readonly = i.lo_flags & LO_FLAGS_READ_ONLY;
	return i.lo_device == d->dev && i.lo_inode == d->ino;
}

static int check_loop(const char *name, const struct disk_info *d, bool readonly, struct err *e)
{
	bool other_readonly = false;
	int rc;

	if (strncmp(name, "loop", 4) != 0)
		return 0;
	rc = loop_has(name, d, &other_readonly);
	if (rc < 0)
		return err_sys(e, -rc, "cannot be compared with the file of /dev/%.32s", name);
	if (rc == 0 || (readonly && other_readonly))
		return 0;
	return err_set(e, EBUSY, "is in use by /dev/%.32s", name);
}

static int behind_loop(const struct disk_info *d, bool readonly, struct err *e)
{
	DIR *dir = opendir("/sys/block");
	const struct dirent *at = NULL;
	int rc = dir || errno == ENOENT ? 0 : -errno;

	while (dir && rc == 0 && (at = dir_next(dir, &rc)) != NULL)
		rc = check_loop(at->d_name, d, readonly, e);
	if (rc < 0 && !at)
		(void)err_sys(e, -rc, "cannot be compared with those of loop devices: /sys/block");
	if (dir)
		(void)closedir(dir);
	return rc;
}

int disk_in_use(int fd, const struct disk_info *d, bool readonly, struct err *e)
{
	int other;

	if (!d->block)
		return ours_alone(fd) ? 0 : behind_loop(d, readonly, e);
	other = reopen(fd, O_RDONLY | O_EXCL);
	if (other >= 0) {
		(void)close(other);
		return 0;
	}
	if (errno == EBUSY)
		return err_set(
			e, EBUSY,
			"is in use in dom0: mounted, swap, or part of a volume group or array");
	return err_sys(e, errno, "cannot be opened");
}

int disk_lock(int fd, bool readonly, struct err *e)
{
	struct flock all = {.l_type = (short)(readonly ? F_RDLCK : F_WRLCK), .l_whence = SEEK_SET};

	if (fcntl(fd, F_OFD_SETLK, &all) == 0)
		return 0;
	if (errno == EAGAIN || errno == EACCES)
		return err_set(e, EBUSY, "is locked by another VM or program%s",
			       readonly ? ", which may write to it" : "");
	return err_sys(e, errno, "cannot be locked");
}
