/* SPDX-License-Identifier: BSD-3-Clause */
/* Determines whether every mount of the host is of a file system that contacts no server. */
#include "split-toolstack/engine/files/local.h"

#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

/* File systems whose open() uses data in memory. overlay is not one of them, because its lower
 * layers may be anything. */
static const char *const in_memory[] = {
	"autofs",   "bdev",    "binfmt_misc", "bpf",	   "btrfs",	 "cgroup",    "cgroup2",
	"configfs", "debugfs", "devpts",      "devtmpfs",  "efivarfs",	 "ext2",      "ext3",
	"ext4",	    "f2fs",    "fusectl",     "hugetlbfs", "iso9660",	 "mqueue",    "nsfs",
	"proc",	    "pstore",  "ramfs",	      "rootfs",	   "rpc_pipefs", "selinuxfs", "securityfs",
	"squashfs", "sysfs",   "tmpfs",	      "tracefs",   "udf",	 "vfat",      "xenfs",
	"xfs",	    "zfs",
};

#define MOUNTS_MAX 65536u /* maximal size of mountinfo; a larger one counts as not local */

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

/* For the life of the process. */
static struct {
	int fd;	     /* mountinfo; 0: not open yet */
	int changes; /* becomes readable after each change; 0: changes are not noticed */
	bool good;
} mounts;

static void open_mounts(void)
{
	struct epoll_event ev = {.events = EPOLLPRI | EPOLLET};

	mounts.fd = open("/proc/self/mountinfo", O_RDONLY | O_CLOEXEC);
	if (mounts.fd < 0)
		return;
	/* mountinfo is always readable, which a level-triggered loop takes for a change; so the
	 * loop watches an epoll fd. */
	mounts.changes = epoll_create1(EPOLL_CLOEXEC);
	if (mounts.changes >= 0 && epoll_ctl(mounts.changes, EPOLL_CTL_ADD, mounts.fd, &ev) < 0) {
		(void)close(mounts.changes);
		mounts.changes = -1;
	}
	mounts.good = read_mounts(mounts.fd);
}

static bool poll_mounts(void)
{
	struct pollfd p = {.events = POLLPRI};

	if (mounts.fd <= 0)
		open_mounts();
	if (mounts.fd < 0)
		return false;
	p.fd = mounts.fd;
	/* Polled first, so that later changes are reported the next time. */
	if (poll(&p, 1, 0) < 0)
		return false;
	if (p.revents & (POLLPRI | POLLERR))
		mounts.good = read_mounts(mounts.fd);
	return mounts.good;
}

bool mounts_are_local(void)
{
	return mounts.changes > 0 ? mounts.good : poll_mounts();
}

static void on_change(struct ev_loop *loop, ev_io *io, int revents)
{
	struct epoll_event ev;

	(void)loop;
	(void)revents;
	(void)epoll_wait(io->fd, &ev, 1, 0);
	mounts.good = read_mounts(mounts.fd);
}

void mounts_watch(struct ev_loop *loop, ev_io *io)
{
	(void)poll_mounts(); /* opens them */
	ev_io_init(io, on_change, mounts.changes, EV_READ);
	ev_set_priority(io, EV_MAXPRI); /* before the requests of the same turn */
	if (mounts.changes > 0)
		ev_io_start(loop, io);
}
