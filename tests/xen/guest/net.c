/* SPDX-License-Identifier: BSD-3-Clause */
/* The test guest's network: addresses by ioctl, a small server, transfers as a client. */
#include "guest.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/ipv6.h>
#include <net/if.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#include "xfer.h"

static int set_v4(int fd, const char *name, const char *address, unsigned int prefix)
{
	struct sockaddr_in in = {.sin_family = AF_INET};
	struct ifreq ifr = {0};

	(void)snprintf(ifr.ifr_name, IFNAMSIZ, "%s", name);
	if (inet_pton(AF_INET, address, &in.sin_addr) != 1 || prefix > 32) {
		errno = EINVAL;
		return -1;
	}
	memcpy(&ifr.ifr_addr, &in, sizeof(in));
	if (ioctl(fd, SIOCSIFADDR, &ifr))
		return -1;
	in.sin_addr.s_addr = prefix ? htonl(~0u << (32 - prefix)) : 0;
	memcpy(&ifr.ifr_netmask, &in, sizeof(in));
	return ioctl(fd, SIOCSIFNETMASK, &ifr);
}

static int set_v6(int fd, const char *name, const char *address, unsigned int prefix)
{
	struct in6_ifreq ifr = {.ifr6_prefixlen = prefix,
				.ifr6_ifindex = (int)if_nametoindex(name)};
	char path[96];
	int off;

	if (inet_pton(AF_INET6, address, &ifr.ifr6_addr) != 1) {
		errno = EINVAL;
		return -1;
	}
	/* usable at once: no one else here has it */
	(void)snprintf(path, sizeof(path), "/proc/sys/net/ipv6/conf/%s/accept_dad", name);
	off = open(path, O_WRONLY | O_CLOEXEC);
	if (off >= 0) {
		(void)!write(off, "0", 1);
		close(off);
	}
	return ioctl(fd, SIOCSIFADDR, &ifr);
}

static int set_up(int fd, const char *name)
{
	struct ifreq ifr = {0};

	(void)snprintf(ifr.ifr_name, IFNAMSIZ, "%s", name);
	if (ioctl(fd, SIOCGIFFLAGS, &ifr))
		return -1;
	ifr.ifr_flags = (short)(ifr.ifr_flags | IFF_UP);
	return ioctl(fd, SIOCSIFFLAGS, &ifr);
}

/* A line of a file below /sys/class/net, without its end; "?" when it cannot be read. */
static void sys_line(const char *name, const char *file, char *text, size_t size)
{
	char path[96];
	FILE *f;

	(void)snprintf(path, sizeof(path), "/sys/class/net/%s/%s", name, file);
	(void)snprintf(text, size, "?");
	f = fopen(path, "re");
	if (!f)
		return;
	if (fgets(text, (int)size, f))
		text[strcspn(text, "\n")] = '\0';
	(void)fclose(f);
}

static void report(const char *name, const char *address)
{
	char mac[32], mtu[16], carrier[8];

	for (unsigned int tries = 0; tries < 600; tries++) {
		sys_line(name, "carrier", carrier, sizeof(carrier));
		if (!strcmp(carrier, "1"))
			break;
		(void)usleep(50000);
	}
	sys_line(name, "address", mac, sizeof(mac));
	sys_line(name, "mtu", mtu, sizeof(mtu));
	say("%s has %s mac %s mtu %s carrier %s", name, address, mac, mtu, carrier);
}

/* Directories rx-N: one a queue. */
static unsigned int queues(const char *name)
{
	unsigned int n = 0;
	char path[96];

	do
		(void)snprintf(path, sizeof(path), "/sys/class/net/%s/queues/rx-%u", name, n);
	while (access(path, F_OK) == 0 && ++n);
	return n;
}

void net_count(unsigned int n)
{
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	unsigned int up = 0, least = ~0u, most = 0;
	char name[IFNAMSIZ], path[64], carrier[8];

	for (unsigned int i = 0; i < n; i++) {
		(void)snprintf(name, sizeof(name), "eth%u", i);
		(void)snprintf(path, sizeof(path), "/sys/class/net/%s", name);
		if (appears(path) && set_up(fd, name))
			say("%s: %s", name, strerror(errno));
	}
	for (unsigned int tries = 0; tries < 600 && up < n; tries++) {
		up = 0;
		for (unsigned int i = 0; i < n; i++) {
			(void)snprintf(name, sizeof(name), "eth%u", i);
			sys_line(name, "carrier", carrier, sizeof(carrier));
			up += !strcmp(carrier, "1");
		}
		(void)usleep(50000);
	}
	for (unsigned int i = 0; i < n; i++) {
		unsigned int q;

		(void)snprintf(name, sizeof(name), "eth%u", i);
		q = queues(name);
		least = q < least ? q : least;
		most = q > most ? q : most;
	}
	say("%u of %u vifs have a carrier, %u to %u queues", up, n, n ? least : 0, most);
	close(fd);
}

bool net_address(unsigned int index, const char *address)
{
	bool v6 = strchr(address, ':') != NULL;
	int fd = socket(v6 ? AF_INET6 : AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	char name[IFNAMSIZ], path[64], plain[64];
	const char *slash = strchr(address, '/');
	unsigned int prefix = slash ? (unsigned int)strtoul(slash + 1, NULL, 10) : v6 ? 64 : 24;
	bool is;

	(void)snprintf(plain, sizeof(plain), "%.*s", (int)strcspn(address, "/"), address);
	(void)snprintf(name, sizeof(name), "eth%u", index);
	(void)snprintf(path, sizeof(path), "/sys/class/net/%s", name);
	if (fd < 0 || !appears(path))
		return false;
	is = !set_up(fd, "lo") && !set_up(fd, name) &&
	     !(v6 ? set_v6(fd, name, plain, prefix) : set_v4(fd, name, plain, prefix));
	if (is)
		report(name, address);
	else
		say("%s %s: %s", name, address, strerror(errno));
	close(fd);
	return is;
}

static void daytime(int fd)
{
	struct timespec up;
	struct utsname un;

	(void)uname(&un);
	(void)clock_gettime(CLOCK_MONOTONIC, &up);
	dprintf(fd, "Linux %s on %s, up %lld s\r\n", un.release, un.machine, (long long)up.tv_sec);
}

/* In a process of its own for each connection: what was read, behind how often it was. */
static void echo(int fd)
{
	char text[256];
	ssize_t n;

	if (fork() != 0)
		return;
	for (unsigned int times = 1; (n = read(fd, text, sizeof(text))) > 0; times++)
		dprintf(fd, "%u %.*s", times, (int)n, text);
	_exit(0);
}

static void serve(unsigned int what, int fd)
{
	if (what == 0 && xfer_serve(fd))
		say("a transfer FAILED");
	else if (what == 1)
		daytime(fd);
	else if (what == 2)
		echo(fd);
	close(fd);
}

#define SERVICES 3u

void net_serve(void)
{
	struct pollfd p[SERVICES] = {{.fd = xfer_listen(XFER_PORT), .events = POLLIN},
				     {.fd = xfer_listen(13), .events = POLLIN},
				     {.fd = xfer_listen(7), .events = POLLIN}};

	if (p[0].fd < 0 || p[1].fd < 0 || p[2].fd < 0)
		say("listen: %s", strerror(errno));
	else if (fork() == 0) {
		for (;;) {
			for (unsigned int i = 0; poll(p, SERVICES, -1) > 0 && i < SERVICES; i++) {
				int fd = p[i].revents ? accept(p[i].fd, NULL, NULL) : -1;

				if (fd >= 0)
					serve(i, fd);
			}
		}
	}
	for (unsigned int i = 0; i < SERVICES; i++)
		close(p[i].fd);
}

void net_transfer(const char *way, char *what)
{
	const char *host = strsep(&what, ":"), *port = strsep(&what, ":");
	unsigned long mib = what ? strtoul(what, NULL, 10) : 1;
	int fd = host && port ? xfer_connect(host, port) : -1;
	int rc = -1;

	if (fd >= 0)
		rc = strcmp(way, "put") ? xfer_get(fd, (uint64_t)mib << 20)
					: xfer_put(fd, (uint64_t)mib << 20);
	say("%s %lu MiB %s", way, mib, rc ? "FAILED" : "verified");
	if (fd >= 0)
		close(fd);
}
