/* SPDX-License-Identifier: BSD-3-Clause */
/* Loop devices for raw files, without a helper program. */
#include "dom0/loopdev.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <linux/fs.h>
#include <linux/loop.h>
#include <linux/major.h>

/* Another process may take a free device between finding and configuring it. */
#define TRIES 256

/* 1: another process was faster. */
static int configure(int n, const struct loop_config *c, char dev[32], int *out)
{
	bool readonly = c->info.lo_flags & LO_FLAGS_READ_ONLY;
	int fd;
	int rc;

	(void)snprintf(dev, 32, "/dev/loop%d", n);
	fd = open(dev, (readonly ? O_RDONLY : O_RDWR) | O_CLOEXEC);
	if (fd < 0)
		return errno == ENXIO || errno == ENOENT ? 1 : -errno;
	if (ioctl(fd, LOOP_CONFIGURE, c) == 0) {
		*out = fd;
		return 0;
	}
	rc = errno == EBUSY ? 1 : -errno;
	(void)close(fd);
	return rc;
}

int loop_attach(int fd, bool readonly, bool direct_io, char dev[32], uint32_t *major,
		uint32_t *minor, int *loop_fd, struct err *e)
{
	struct loop_config c = {.fd = (uint32_t)fd};
	struct stat st;
	int control = open("/dev/loop-control", O_RDWR | O_CLOEXEC);
	int rc = 1;

	*loop_fd = -1;
	if (control < 0)
		return err_sys(e, errno, "open /dev/loop-control (is the module loop loaded?)");
	c.info.lo_flags = LO_FLAGS_AUTOCLEAR | (readonly ? LO_FLAGS_READ_ONLY : 0) |
			  (direct_io ? LO_FLAGS_DIRECT_IO : 0);
	for (int i = 0; rc == 1 && i < TRIES; i++) {
		int n = ioctl(control, LOOP_CTL_GET_FREE);

		rc = n < 0 ? -errno : configure(n, &c, dev, loop_fd);
	}
	(void)close(control);
	if (rc != 0)
		return err_sys(e, rc == 1 ? EBUSY : -rc, "set up a loop device");
	if (fstat(*loop_fd, &st) < 0) {
		rc = err_sys(e, errno, "examine %s", dev);
		(void)close(*loop_fd);
		*loop_fd = -1;
		return rc;
	}
	*major = major(st.st_rdev);
	*minor = minor(st.st_rdev);
	return 0;
}

/* If loop devices may have partitions, the number cannot be derived from the name; the kernel
 * has it. */
static int name_of(uint32_t major, uint32_t minor, char dev[64])
{
	char link[64];
	char to[256];
	const char *name;
	ssize_t n;

	(void)snprintf(link, sizeof(link), "/sys/dev/block/%u:%u", major, minor);
	n = readlink(link, to, sizeof(to) - 1);
	if (n < 0)
		return errno == ENOENT ? -ENXIO : -errno;
	to[n] = '\0';
	name = strrchr(to, '/');
	if (!name || snprintf(dev, 64, "/dev%s", name) >= 64)
		return -ENXIO;
	return 0;
}

int loop_find(uint32_t major, uint32_t minor, struct disk_info *file)
{
	struct loop_info64 i;
	uint64_t bytes = 0;
	char dev[64];
	int rc = major == LOOP_MAJOR ? name_of(major, minor, dev) : -ENXIO;
	int fd;

	if (rc < 0)
		return rc;
	fd = open(dev, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return errno == ENOENT ? -ENXIO : -errno;
	if (ioctl(fd, LOOP_GET_STATUS64, &i) < 0 || ioctl(fd, BLKGETSIZE64, &bytes) < 0) {
		rc = -errno;
		(void)close(fd);
		return rc;
	}
	*file = (struct disk_info){
		.dev = i.lo_device, .ino = i.lo_inode, .sectors = bytes / 512, .sector_bytes = 512};
	return fd;
}
