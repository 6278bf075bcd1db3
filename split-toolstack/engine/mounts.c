/* SPDX-License-Identifier: BSD-3-Clause */
/* Is every mount of the host of a file system that asks no server? */
#include "split-toolstack/engine/files.h"

#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

/* File systems whose open() takes what lies in memory. overlay is not among them: what lies below
 * may be anything. */
static const char *const in_memory[] = {
	"autofs",   "bdev",    "binfmt_misc", "bpf",	   "btrfs",	 "cgroup",    "cgroup2",
	"configfs", "debugfs", "devpts",      "devtmpfs",  "efivarfs",	 "ext2",      "ext3",
	"ext4",	    "f2fs",    "fusectl",     "hugetlbfs", "iso9660",	 "mqueue",    "nsfs",
	"proc",	    "pstore",  "ramfs",	      "rootfs",	   "rpc_pipefs", "selinuxfs", "securityfs",
	"squashfs", "sysfs",   "tmpfs",	      "tracefs",   "udf",	 "vfat",      "xenfs",
	"xfs",	    "zfs",
};

#define MOUNTS_MAX 65536u /* bytes of mountinfo; more is not looked through */

static bool is_in_memory(const char *type)
{
	size_t len = strcspn(type, " \n");

	for (size_t i = 0; i < sizeof(in_memory) / sizeof(in_memory[0]); i++)
		if (strlen(in_memory[i]) == len && memcmp(in_memory[i], type, len) == 0)
			return true;
	return false;
}

/* A line: "36 35 98:0 / /mnt rw,noatime shared:1 - ext4 /dev/root rw"; blanks in names are \040. */
static bool all_in_memory(char *text)
{
	char *rest;

	for (char *line = strtok_r(text, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
		const char *type = strstr(line, " - ");

		if (!type || !is_in_memory(type + 3))
			return false;
	}
	return true;
}

static bool read_mounts(int fd)
{
	static char text[MOUNTS_MAX]; /* of the loop alone */
	size_t len = 0;
	ssize_t n = 1;

	if (lseek(fd, 0, SEEK_SET) < 0)
		return false;
	while (n > 0 && len < sizeof(text) - 1) {
		n = read(fd, text + len, sizeof(text) - 1 - len);
		if (n > 0)
			len += (size_t)n;
	}
	text[len] = '\0';
	return n == 0 && len && all_in_memory(text);
}

/* The list is read again when the kernel says that a mount has come or gone. */
bool mounts_are_local(void)
{
	static int fd = -1; /* for the life of the process */
	static bool good;
	struct pollfd p = {.events = POLLPRI};
	bool fresh = fd < 0;

	if (fresh)
		fd = open("/proc/self/mountinfo", O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	p.fd = fd;
	/* Asked first: what changes after that is said the next time. */
	if (poll(&p, 1, 0) < 0)
		return false;
	if (fresh || p.revents & (POLLPRI | POLLERR))
		good = read_mounts(fd);
	return good;
}
