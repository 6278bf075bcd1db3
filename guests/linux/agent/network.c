/* SPDX-License-Identifier: BSD-3-Clause */
/* Interfaces, addresses and routes, as the host says them. */
#include "guests/linux/agent/agent.h"

#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define ITEMS_MAX 1040u
#define WAIT_MS	  10000 /* for an interface, and until it is connected */

/* Of <linux/rtnetlink.h>, which musl has not. */
struct message {
	uint32_t len;
	uint16_t type, flags;
	uint32_t seq, port;
	union {
		struct {
			uint8_t family, prefix, flags, scope;
			uint32_t index;
		} address;
		struct {
			uint8_t family, to_len, from_len, tos, table, protocol, scope, type;
			uint32_t flags;
		} route;
	} u;
	uint8_t attributes[128];
};
#define HEAD	      16u
#define NEW_ADDRESS   20u
#define NEW_ROUTE     24u
#define ROUTE_DST     1u
#define ROUTE_OIF     4u
#define ROUTE_GATEWAY 5u
#define ROUTE_PRIO    6u
#define ADDRESS	      1u
#define ADDRESS_LOCAL 2u
#define BROADCAST     4u
#define IS_ERROR      2u
#define F_REQUEST     0x1u
#define F_ACK	      0x4u
#define F_REPLACE     0x100u
#define F_CREATE      0x400u
#define NO_DAD	      0x02u
#define ONLINK	      0x4u

static struct {
	char **text;
	uint32_t n;
} items;

bool network_item(const char *text)
{
	char **more =
		items.n < ITEMS_MAX ? realloc(items.text, (items.n + 1) * sizeof(*more)) : NULL;
	char *copy = more ? strdup(text) : NULL;

	if (more)
		items.text = more;
	if (copy)
		items.text[items.n++] = copy;
	return copy;
}

/* --- requests --- */

static void put(struct message *m, uint16_t type, const void *data, size_t len)
{
	uint16_t head[2] = {(uint16_t)(len + 4), type};
	uint8_t *to = (uint8_t *)m + m->len;

	memcpy(to, head, sizeof(head));
	memcpy(to + 4, data, len);
	m->len += (uint32_t)(len + 4 + 3) & ~3u;
}

static int ask(struct message *m)
{
	static uint32_t seq;
	int s = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, 0);
	struct {
		uint32_t len;
		uint16_t type, flags;
		uint32_t seq, port;
		int32_t error;
		uint8_t rest[512];
	} answer = {0};
	int rc = -EIO;

	if (s < 0)
		return -errno;
	m->flags = F_REQUEST | F_ACK | F_CREATE | F_REPLACE;
	m->seq = ++seq;
	if (send(s, m, m->len, 0) == (ssize_t)m->len && recv(s, &answer, sizeof(answer), 0) > 20 &&
	    answer.type == IS_ERROR)
		rc = answer.error;
	(void)close(s);
	return rc;
}

/* "ADDRESS/PREFIX" */
static bool read_network(char *text, uint8_t *family, uint8_t bytes[16], uint8_t *prefix)
{
	char *slash = strchr(text, '/');

	if (!slash)
		return false;
	*slash = '\0';
	*family = strchr(text, ':') ? AF_INET6 : AF_INET;
	*prefix = (uint8_t)atoi(slash + 1);
	return inet_pton(*family, text, bytes) == 1;
}

static int add_address(const char *name, char *text)
{
	struct message m = {.len = HEAD + sizeof(m.u.address), .type = NEW_ADDRESS};
	uint8_t bytes[16];
	uint32_t size;

	if (!read_network(text, &m.u.address.family, bytes, &m.u.address.prefix))
		return -EINVAL;
	size = m.u.address.family == AF_INET ? 4 : 16;
	m.u.address.index = if_nametoindex(name);
	m.u.address.flags = size == 16 ? NO_DAD : 0; /* it was the namespace's before */
	put(&m, ADDRESS_LOCAL, bytes, size);
	put(&m, ADDRESS, bytes, size);
	if (size == 4 && m.u.address.prefix < 31) {
		uint32_t all = htonl(UINT32_MAX >> m.u.address.prefix);
		uint32_t own;

		memcpy(&own, bytes, 4);
		all |= own;
		put(&m, BROADCAST, &all, 4);
	}
	return ask(&m);
}

static int add_route(const char *name, char *to, const char *by, uint32_t metric, bool onlink)
{
	struct message m = {.len = HEAD + sizeof(m.u.route), .type = NEW_ROUTE};
	uint32_t index = if_nametoindex(name);
	uint8_t bytes[16];
	uint8_t gateway[16];
	uint32_t size;

	if (!read_network(to, &m.u.route.family, bytes, &m.u.route.to_len))
		return -EINVAL;
	size = m.u.route.family == AF_INET ? 4 : 16;
	m.u.route.table = 254;	/* main */
	m.u.route.protocol = 4; /* static */
	m.u.route.type = 1;	/* unicast */
	m.u.route.scope = *by == '-' && size == 4 ? 253 : 0;
	m.u.route.flags = onlink ? ONLINK : 0;
	if (m.u.route.to_len)
		put(&m, ROUTE_DST, bytes, size);
	put(&m, ROUTE_OIF, &index, 4);
	if (*by != '-') {
		if (inet_pton(m.u.route.family, by, gateway) != 1)
			return -EINVAL;
		put(&m, ROUTE_GATEWAY, gateway, size);
	}
	if (metric)
		put(&m, ROUTE_PRIO, &metric, 4);
	return ask(&m);
}

/* --- interfaces --- */

static int64_t now_ms(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static void rest(void)
{
	struct timespec pause = {.tv_nsec = 1000000};

	(void)nanosleep(&pause, NULL);
}

/* The interface with this MAC: its driver may still be at work. */
static bool find(int s, const uint8_t mac[6], struct ifreq *r)
{
	for (int64_t end = now_ms() + WAIT_MS; now_ms() < end; rest()) {
		struct if_nameindex *all = if_nameindex();

		for (struct if_nameindex *f = all; f && f->if_index; f++) {
			memset(r, 0, sizeof(*r));
			(void)snprintf(r->ifr_name, sizeof(r->ifr_name), "%s", f->if_name);
			if (ioctl(s, SIOCGIFHWADDR, r) == 0 &&
			    memcmp(r->ifr_hwaddr.sa_data, mac, 6) == 0) {
				if_freenameindex(all);
				return true;
			}
		}
		if (all)
			if_freenameindex(all);
	}
	return false;
}

/* Another one of that name has its own turn later. */
static int rename_to(int s, struct ifreq *r, const char *name)
{
	struct ifreq other = {0};

	(void)snprintf(r->ifr_newname, sizeof(r->ifr_newname), "%s", name);
	if (ioctl(s, SIOCSIFNAME, r) == 0)
		return 0;
	if (errno != EEXIST)
		return -1;
	(void)snprintf(other.ifr_name, sizeof(other.ifr_name), "%s", name);
	(void)snprintf(other.ifr_newname, sizeof(other.ifr_newname), "other%u",
		       if_nametoindex(name));
	return ioctl(s, SIOCSIFNAME, &other) < 0 ? -1 : ioctl(s, SIOCSIFNAME, r);
}

static int set_up(int s, const uint8_t mac[6], uint32_t mtu, const char *name)
{
	struct ifreq r;

	if (!find(s, mac, &r))
		return -ENODEV;
	if (strcmp(r.ifr_name, name) != 0 && rename_to(s, &r, name) < 0)
		return -errno;
	memset(&r, 0, sizeof(r));
	(void)snprintf(r.ifr_name, sizeof(r.ifr_name), "%s", name);
	r.ifr_mtu = (int)mtu;
	if (ioctl(s, SIOCSIFMTU, &r) < 0)
		(void)fprintf(stderr, "agent: %s: MTU %u: %s\n", name, mtu, strerror(errno));
	if (ioctl(s, SIOCGIFFLAGS, &r) < 0)
		return -errno;
	r.ifr_flags |= IFF_UP;
	if (ioctl(s, SIOCSIFFLAGS, &r) < 0)
		return -errno;
	for (int64_t end = now_ms() + WAIT_MS; now_ms() < end; rest())
		if (ioctl(s, SIOCGIFFLAGS, &r) == 0 && (r.ifr_flags & IFF_RUNNING))
			return 0;
	return -ENETDOWN;
}

static int do_item(int s, char *text)
{
	char *rest_of = text;
	char *what = strsep(&rest_of, " ");
	char *first = strsep(&rest_of, " ");
	char *second = strsep(&rest_of, " ");
	char *third = strsep(&rest_of, " ");
	char *fourth = strsep(&rest_of, " ");
	unsigned int b[6];
	uint8_t mac[6];

	if (!second)
		return -EINVAL;
	if (strcmp(what, "ip") == 0)
		return add_address(first, second);
	if (strcmp(what, "to") == 0)
		return third && fourth ? add_route(first, second, third,
						   (uint32_t)strtoul(fourth, NULL, 10),
						   rest_of && strcmp(rest_of, "onlink") == 0)
				       : -EINVAL;
	if (strcmp(what, "if") != 0 || !third ||
	    sscanf(first, "%x:%x:%x:%x:%x:%x", b, b + 1, b + 2, b + 3, b + 4, b + 5) != 6)
		return -EINVAL;
	for (int i = 0; i < 6; i++)
		mac[i] = (uint8_t)b[i];
	return set_up(s, mac, (uint32_t)strtoul(second, NULL, 10), third);
}

const char *network_setup(void)
{
	int s = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	const char *failed = NULL;

	for (uint32_t i = 0; i < items.n && !failed; i++) {
		char copy[256];
		int rc;

		(void)snprintf(copy, sizeof(copy), "%s", items.text[i]);
		rc = do_item(s, copy);
		/* this kernel has no IPv6 */
		if (strchr(items.text[i], ':') && (rc == -EAFNOSUPPORT || rc == -EOPNOTSUPP))
			rc = 0;
		if (rc < 0)
			failed = say("network: %.200s: %s", items.text[i], strerror(-rc));
	}
	/* it is the VM's: the next container finds it done */
	while (items.n)
		free(items.text[--items.n]);
	if (s >= 0)
		(void)close(s);
	return failed;
}
