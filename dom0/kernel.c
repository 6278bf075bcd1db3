/* SPDX-License-Identifier: BSD-3-Clause */
/* The backends that dom0's kernel has now; in a separate file, so that units can replace it. */
#include "dom0/kernel.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "base/dirs.h"

#define BACKENDS "/sys/bus/xen-backend/devices"
#define DRIVERS	 "/sys/bus/xen-backend/drivers"
#define RCU	 "/sys/kernel/rcu_expedited"

bool kernel_has_backend(const char *kind, uint32_t domid, uint32_t devid)
{
	char at[96];

	(void)snprintf(at, sizeof(at), BACKENDS "/%s-%u-%u", kind, domid, devid);
	return access(at, F_OK) == 0;
}

bool kernel_has_driver(const char *kind)
{
	char at[96];

	(void)snprintf(at, sizeof(at), DRIVERS "/%s", kind);
	return access(at, F_OK) == 0;
}

int kernel_rcu_expedited(void)
{
	int fd = open(RCU, O_RDONLY | O_CLOEXEC);
	int rc = fd < 0 ? -errno : 0;
	char is = 0;

	if (fd >= 0 && read(fd, &is, 1) != 1)
		rc = -EIO;
	if (fd >= 0)
		(void)close(fd);
	return rc < 0 ? rc : is != '0';
}

int kernel_set_rcu_expedited(bool on)
{
	int fd = open(RCU, O_WRONLY | O_CLOEXEC);
	int rc = fd < 0 ? -errno : 0;

	if (fd >= 0 && write(fd, on ? "1" : "0", 1) != 1)
		rc = -EIO;
	if (fd >= 0)
		(void)close(fd);
	return rc;
}

int kernel_each_backend(void (*fn)(const char *name, void *arg), void *arg)
{
	DIR *dir = opendir(BACKENDS);
	const struct dirent *entry;
	int rc = dir || errno == ENOENT ? 0 : -errno; /* a kernel without backends */

	while (dir && (entry = dir_next(dir, &rc)) != NULL)
		fn(entry->d_name, arg);
	if (dir)
		(void)closedir(dir);
	return rc;
}
