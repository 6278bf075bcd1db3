/* SPDX-License-Identifier: BSD-3-Clause */
/* hostdev: interfaces and disks of dom0 through noxs' functions, one a call, for hostdev.test. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "dom0/link.h"
#include "dom0/loopdev.h"

static int say(int rc, const struct err *e)
{
	if (rc < 0)
		(void)printf("%s\n", e->code ? err_msg(e) : strerror(-rc));
	return rc < 0 ? 1 : 0;
}

static int find(struct link *l, char **arg)
{
	struct link_info i;
	int rc = link_find(l, arg[0], &i);

	if (rc < 0)
		return say(rc, &(struct err){0});
	(void)printf("name=%s mtu=%u master=%d up=%d bridge=%d mac=%02x:%02x:%02x:%02x:%02x:%02x\n",
		     i.name, i.mtu, i.master != 0, i.up, i.is_bridge, i.mac[0], i.mac[1], i.mac[2],
		     i.mac[3], i.mac[4], i.mac[5]);
	return 0;
}

/* NAME key=value..: all in one request. */
static int set(struct link *l, char **arg)
{
	static const uint8_t mac[6] = {0x00, 0x16, 0x3e, 1, 2, 3};
	struct link_change c = LINK_CHANGE_NONE;
	struct link_info i;
	struct link_info other;
	struct err e = {0};
	int rc = link_find(l, *arg++, &i);

	for (; rc == 0 && *arg; arg++) {
		char *value = strchr(*arg, '=');

		if (!value)
			return 2;
		*value++ = '\0';
		if (strcmp(*arg, "up") == 0)
			c.up = (int)strtol(value, NULL, 10);
		else if (strcmp(*arg, "mtu") == 0)
			c.mtu = (uint32_t)strtoul(value, NULL, 10);
		else if (strcmp(*arg, "name") == 0)
			c.name = value;
		else if (strcmp(*arg, "mac") == 0)
			c.mac = mac;
		else if (*value == '\0')
			c.master = 0;
		else if ((rc = link_find(l, value, &other)) == 0)
			c.master = other.ifindex;
	}
	if (rc == 0)
		rc = link_set(l, i.ifindex, &c, &e);
	return say(rc, &e);
}

static void until_stdin_ends(void)
{
	char c;

	(void)fflush(stdout);
	while (read(0, &c, 1) > 0)
		;
}

static int tap(char **arg)
{
	struct err e = {0};
	int fd;
	int rc = link_tap(arg[0], arg[1] != NULL, &fd, &e);

	if (rc < 0)
		return say(rc, &e);
	(void)printf("tap\n");
	until_stdin_ends();
	(void)close(fd);
	return 0;
}

/* FILE [ro]: what chaosd does with a file before a backend has it. */
static int disk(char **arg, bool loop)
{
	bool readonly = arg[1] != NULL;
	int fd = open(arg[0], (readonly ? O_RDONLY : O_RDWR) | O_CLOEXEC);
	struct disk_info d;
	struct err e = {0};
	char dev[32];
	uint32_t major = 0;
	uint32_t minor = 0;
	int loop_fd;
	int rc;

	if (fd < 0)
		return say(-errno, &e);
	rc = disk_probe(fd, &d, &e);
	if (rc == 0)
		rc = disk_in_use(fd, &d, readonly, &e);
	if (rc == 0)
		rc = disk_lock(fd, readonly, &e);
	if (rc == 0 && loop)
		rc = loop_attach(fd, readonly, true, dev, &major, &minor, &loop_fd, &e);
	if (rc < 0)
		return say(rc, &e);
	if (!loop) {
		(void)printf("block=%d sectors=%llu sector=%u discard=%d\n", d.block,
			     (unsigned long long)d.sectors, d.sector_bytes, d.discard);
		return 0;
	}
	(void)close(fd); /* the loop device has it, and its lock */
	(void)printf("%s %u:%u\n", dev, major, minor);
	until_stdin_ends();
	return 0;
}

int main(int argc, char **argv)
{
	struct link *l = NULL;
	struct err e = {0};
	int rc = 2;

	if (argc < 3)
		return 2;
	if (strcmp(argv[1], "tap") == 0)
		return tap(argv + 2);
	if (strcmp(argv[1], "disk") == 0 || strcmp(argv[1], "loop") == 0)
		return disk(argv + 2, argv[1][0] == 'l');
	if (link_open(&l, &e) < 0)
		return say(-1, &e);
	if (strcmp(argv[1], "find") == 0)
		rc = find(l, argv + 2);
	else if (strcmp(argv[1], "set") == 0)
		rc = set(l, argv + 2);
	link_close(l);
	return rc;
}
