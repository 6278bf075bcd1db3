/* SPDX-License-Identifier: BSD-3-Clause */
/* What process 1 does first. */
#include "guests/linux/agent/agent.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

void boot_mount_own(void)
{
	(void)mkdir("/dev", 0755);
	(void)mkdir("/proc", 0755);
	(void)mkdir("/sys", 0755);
	(void)mkdir("/root", 0755);
	(void)mount("dev", "/dev", "devtmpfs", 0, NULL);
	(void)mount("proc", "/proc", "proc", 0, NULL);
	(void)mount("sys", "/sys", "sysfs", 0, NULL);
}

void boot_load_modules(void)
{
	char name[128];
	char path[160];
	FILE *f = fopen("/modules/order", "re");

	while (f && fscanf(f, "%127s", name) == 1) {
		int fd;

		(void)snprintf(path, sizeof(path), "/modules/%s", name);
		fd = open(path, O_RDONLY | O_CLOEXEC);
		if (fd < 0 || syscall(SYS_finit_module, fd, "", 0) < 0)
			(void)fprintf(stderr, "agent: module %s: %s\n", name, strerror(errno));
		if (fd >= 0)
			(void)close(fd);
	}
	if (f)
		(void)fclose(f);
}

/* Of Xen's protocol of the store. */
#define WRITE 11u
#define NODE  "data/agent"

/* The answer is not waited for: chaosd, which has made this copy of a VM, reads the node. */
void boot_tell_ready(void)
{
	static const struct {
		uint32_t type, number, transaction, len;
		char body[sizeof(NODE "\0001") - 1];
	} __attribute__((packed)) m = {WRITE, 0, 0, sizeof(NODE "\0001") - 1, NODE "\0001"};
	int fd = open("/dev/xen/xenbus", O_RDWR | O_CLOEXEC);

	if (fd < 0)
		return;
	(void)!write(fd, &m, sizeof(m));
	(void)close(fd);
}
