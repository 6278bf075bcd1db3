/* SPDX-License-Identifier: BSD-3-Clause */
/* In place of dom0/link.c, dom0/netns.c, dom0/loopdev.c and dom0/kernel.c. */
#include "tests/fake/kernel.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dom0/loopdev.h"
#include "dom0/netns.h"
#include "dom0/kernel.h"

#define MANY 64u

static struct link_info links[2][MANY]; /* dom0's own, and those of KERNEL_NETNS */
static bool has_netns;
static int joined[2];		/* indexes there; 0: none */
static uint8_t pinned[MANY][6]; /* of dom0's own */
static char backends[MANY][32];
static int next_index;
static int rcu_expedited;
static const char *no_driver;	     /* of which kind; NULL: all are there */
static struct disk_info loops[MANY]; /* by minor: the file; dev 0: none */

void kernel_reset(void)
{
	memset(links, 0, sizeof(links));
	memset(backends, 0, sizeof(backends));
	memset(loops, 0, sizeof(loops));
	next_index = 2;
	no_driver = NULL;
	has_netns = false;
	memset(joined, 0, sizeof(joined));
	rcu_expedited = 0;
}

void kernel_lacks_driver(const char *kind)
{
	no_driver = kind;
}

/* --- interfaces --- */

static struct link_info *by_name(const struct link_info *in, const char *name)
{
	for (uint32_t i = 0; i < MANY; i++)
		if (in[i].ifindex && strcmp(in[i].name, name) == 0)
			return (struct link_info *)(uintptr_t)&in[i];
	return NULL;
}

static struct link_info *by_index(const struct link_info *in, int ifindex)
{
	for (uint32_t i = 0; i < MANY; i++)
		if (in[i].ifindex == ifindex)
			return (struct link_info *)(uintptr_t)&in[i];
	return NULL;
}

static struct link_info *free_place(const struct link_info *in)
{
	struct link_info *l = by_index(in, 0);

	if (!l)
		abort();
	return l;
}

int kernel_add_link(const char *name, bool bridge, uint32_t mtu)
{
	struct link_info *l = free_place(links[0]);

	*l = (struct link_info){.ifindex = next_index++, .is_bridge = bridge, .mtu = mtu};
	memset(pinned[l - links[0]], 0, sizeof(pinned[0]));
	(void)snprintf(l->name, sizeof(l->name), "%s", name);
	return l->ifindex;
}

void kernel_del_link(const char *name)
{
	struct link_info *l = by_name(links[0], name);

	if (l)
		*l = (struct link_info){0};
}

const struct link_info *kernel_link(const char *name)
{
	return by_name(links[0], name);
}

uint32_t kernel_links(void)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < MANY; i++)
		n += links[0][i].ifindex != 0;
	return n;
}

int link_open(struct link **out, struct err *e)
{
	(void)e;
	*out = (struct link *)(void *)links[0];
	return 0;
}

void link_close(struct link *l)
{
	(void)l;
}

bool link_name_valid(const char *name)
{
	return *name && strlen(name) < LINK_NAME && !strchr(name, '/');
}

int link_find(struct link *l, const char *name, struct link_info *out)
{
	const struct link_info *i = by_name((void *)l, name);

	if (!i)
		return -ENODEV;
	*out = *i;
	return 0;
}

int link_set(struct link *l, int ifindex, const struct link_change *c, struct err *e)
{
	struct link_info *in = (void *)l;
	struct link_info *i = by_index(in, ifindex);

	if (!i)
		return err_set(e, ENODEV, "interface %d: gone", ifindex);
	if (c->name && i->up)
		return err_set(e, EBUSY, "interface %s: cannot be renamed while it is up", i->name);
	if (c->name && by_name(in, c->name))
		return err_set(e, EEXIST, "interface %s: the name is taken", i->name);
	if (c->mtu)
		i->mtu = c->mtu;
	if (c->name)
		(void)snprintf(i->name, sizeof(i->name), "%s", c->name);
	if (c->master >= 0)
		i->master = c->master;
	if (c->up >= 0)
		i->up = c->up;
	return 0;
}

int link_pin(struct link *l, int ifindex, const uint8_t mac[6])
{
	const struct link_info *in = (void *)l;
	const struct link_info *i = by_index(in, ifindex);

	if (!i || i->master <= 0)
		return i ? -EOPNOTSUPP : -ENODEV;
	memcpy(pinned[i - in], mac, 6);
	return 0;
}

bool kernel_pinned(int ifindex, const uint8_t mac[6])
{
	const struct link_info *i = by_index(links[0], ifindex);

	return i && memcmp(pinned[i - links[0]], mac, 6) == 0;
}

/* --- a network namespace --- */

void kernel_add_netns(const char *peer, const uint8_t mac[6], uint32_t mtu)
{
	struct link_info *l = free_place(links[1]);

	has_netns = true;
	*l = (struct link_info){.ifindex = next_index++, .mtu = mtu};
	memcpy(l->mac, mac, sizeof(l->mac));
	(void)snprintf(l->name, sizeof(l->name), "%s", peer);
}

void kernel_hide_netns(bool hide)
{
	has_netns = !hide;
}

void kernel_end_netns(void)
{
	for (uint32_t i = 0; i < MANY; i++)
		if (strncmp(links[1][i].name, "vif", 3) == 0)
			*free_place(links[0]) = links[1][i];
	memset(links[1], 0, sizeof(links[1]));
	memset(joined, 0, sizeof(joined));
	has_netns = false;
}

const struct link_info *kernel_netns_link(const char *name)
{
	return by_name(links[1], name);
}

bool kernel_is_joined(const char *a, const char *b)
{
	const struct link_info *i = by_name(links[1], a);
	const struct link_info *j = by_name(links[1], b);

	return i && j && joined[0] == i->ifindex && joined[1] == j->ifindex;
}

int netns_open(struct netns *n, const char *path, struct err *e)
{
	*n = (struct netns){.fd = -1, .inode = 7, .link = (struct link *)(void *)links[1]};
	if (strcmp(path, KERNEL_NETNS) == 0 && has_netns)
		return 0;
	return err_set(e, ENOENT, "network namespace \"%s\": No such file or directory", path);
}

void netns_close(struct netns *n)
{
	(void)n;
}

int netns_take(struct netns *n, struct link *from, int ifindex, struct err *e)
{
	struct link_info *l = by_index((void *)from, ifindex);

	(void)n;
	if (!l)
		return err_set(e, ENODEV, "move into the network namespace: No such device");
	*free_place(links[1]) = *l;
	*l = (struct link_info){0};
	return 0;
}

int netns_join(struct netns *n, int a, int b, bool *made, struct err *e)
{
	(void)n;
	(void)e;
	*made = joined[0] == 0;
	joined[0] = a;
	joined[1] = b;
	return 0;
}

void netns_part(struct netns *n, int ifindex, bool made)
{
	(void)n;
	if (made && joined[1] == ifindex)
		memset(joined, 0, sizeof(joined));
}

/* --- disks --- */

int loop_attach(int fd, bool readonly, bool direct_io, char dev[32], uint32_t *major,
		uint32_t *minor, int *loop_fd, struct err *e)
{
	uint32_t n = 0;

	(void)readonly;
	(void)direct_io;
	while (n < MANY - 1 && loops[n].dev)
		n++;
	(void)disk_probe(fd, &loops[n], NULL);
	(void)snprintf(dev, 32, "/dev/loop%u", n);
	*major = 7;
	*minor = n;
	*loop_fd = fcntl(fd, F_DUPFD_CLOEXEC, 3); /* holds file and lock as the device does */
	return *loop_fd < 0 ? err_sys(e, errno, "loop device") : 0;
}

int loop_find(uint32_t major, uint32_t minor, struct disk_info *file)
{
	if (major != 7 || minor >= MANY || loops[minor].dev == 0)
		return -ENXIO;
	*file = loops[minor];
	return open("/dev/null", O_RDONLY | O_CLOEXEC);
}

void kernel_lose_loops(uint32_t others)
{
	memset(loops, 0, sizeof(loops));
	while (others--)
		loops[others].dev = 1;
}

/* --- backends --- */

static char *find(const char *name)
{
	for (uint32_t i = 0; i < MANY; i++)
		if (strcmp(backends[i], name) == 0)
			return backends[i];
	return NULL;
}

void kernel_add_backend(const char *kind, uint32_t domid, uint32_t devid)
{
	char *at = find("");

	if (!at)
		abort();
	(void)snprintf(at, sizeof(backends[0]), "%s-%u-%u", kind, domid, devid);
}

void kernel_del_backend(const char *kind, uint32_t domid, uint32_t devid)
{
	char name[32];
	char *at;

	(void)snprintf(name, sizeof(name), "%s-%u-%u", kind, domid, devid);
	at = find(name);
	if (at)
		*at = '\0';
}

const char *kernel_backend(uint32_t nth)
{
	for (uint32_t i = 0; i < MANY; i++)
		if (backends[i][0] && nth-- == 0)
			return backends[i];
	return NULL;
}

uint32_t kernel_nbackends(void)
{
	uint32_t n = 0;

	while (kernel_backend(n))
		n++;
	return n;
}

bool kernel_has_backend(const char *kind, uint32_t domid, uint32_t devid)
{
	char name[32];

	(void)snprintf(name, sizeof(name), "%s-%u-%u", kind, domid, devid);
	return find(name) != NULL;
}

int kernel_rcu_expedited(void)
{
	return rcu_expedited;
}

int kernel_set_rcu_expedited(bool on)
{
	rcu_expedited = on;
	return 0;
}

bool kernel_has_driver(const char *kind)
{
	return !no_driver || strcmp(kind, no_driver) != 0;
}

int kernel_each_backend(void (*fn)(const char *name, void *arg), void *arg)
{
	for (uint32_t i = 0; kernel_backend(i); i++)
		fn(kernel_backend(i), arg);
	return 0;
}
