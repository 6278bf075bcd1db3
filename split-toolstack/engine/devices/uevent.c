/* SPDX-License-Identifier: BSD-3-Clause */
/* The kernel's uevents about backends: new interfaces, removed devices (in Documentation/ABI:
 * KOBJECT_UEVENT). */
#include "split-toolstack/engine/devices/device.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <linux/filter.h>
#include <linux/netlink.h>

#include "base/log.h"
#include "split-toolstack/engine/devices/backend.h"
#include "split-toolstack/engine/devices/kind.h"
#include "split-toolstack/engine/parts/parts.h"

#define BATCH	     64
#define KERNEL_GROUP 1u
#define BUFFER	     (4 << 20)

struct uevent {
	const char *action, *devpath, *subsystem, *interface, *ifindex, *type;
};

/* The value when the field is `name=`, else NULL. */
static const char *value_of(const char *field, const char *name)
{
	size_t n = strlen(name);

	return strncmp(field, name, n) == 0 && field[n] == '=' ? field + n + 1 : NULL;
}

/* "action@path", then fields, each with its NUL. The kernel's own are well formed. */
static bool parse(const char *buf, size_t len, struct uevent *u)
{
	const char *end = buf + len;

	*u = (struct uevent){0};
	for (const char *p = buf + strlen(buf) + 1; p < end; p += strlen(p) + 1) {
		const char *v;

		if ((v = value_of(p, "ACTION")) != NULL)
			u->action = v;
		else if ((v = value_of(p, "DEVPATH")) != NULL)
			u->devpath = v;
		else if ((v = value_of(p, "SUBSYSTEM")) != NULL)
			u->subsystem = v;
		else if ((v = value_of(p, "INTERFACE")) != NULL)
			u->interface = v;
		else if ((v = value_of(p, "IFINDEX")) != NULL)
			u->ifindex = v;
		else if ((v = value_of(p, "DEVTYPE")) != NULL)
			u->type = v;
	}
	return u->action && u->devpath && u->subsystem;
}

static struct device *find(struct engine *en, const char *name, const char *first, char second)
{
	enum device_kind kind;
	uint32_t domid;
	uint32_t devid;

	if (!device_parse_name(name, first, second, &kind, &domid, &devid))
		return NULL;
	return device_find(en, domid, kind, devid);
}

static void handle(struct engine *en, const struct uevent *u)
{
	const char *leaf = strrchr(u->devpath, '/');
	struct device *d;

	if (strcmp(u->subsystem, "net") == 0 && strcmp(u->action, "add") != 0) {
		engine_devices(en)->nbridge = 0; /* removed or renamed */
		if (strcmp(u->action, "remove") == 0 && u->type && u->ifindex &&
		    strcmp(u->type, "bridge") == 0)
			devices_bridge_gone(en, (int)strtol(u->ifindex, NULL, 10));
	} else if (strcmp(u->subsystem, "net") == 0) {
		if (!u->interface || !u->ifindex)
			return;
		d = find(en, u->interface, "", '.');
		if (d && d->kind->netdev)
			d->kind->netdev(d, (int)strtol(u->ifindex, NULL, 10), u->interface);
	} else if (strcmp(u->subsystem, "xen-backend") == 0 && leaf) {
		d = find(en, leaf + 1, "-", '-');
		if (d && strcmp(u->action, "remove") == 0)
			device_unbound(d);
		else if (!d && strcmp(u->action, "add") == 0)
			devices_stray(en, leaf + 1);
	}
}

void uevent_take(struct engine *en, const char *buf, size_t len)
{
	struct uevent u;

	if (parse(buf, len, &u))
		handle(en, &u);
}

/* Events were lost: reads the state from /sys. */
static void look_again(struct engine *en)
{
	struct device *d = NULL;
	struct device *tmp;

	log_line(LOG_WARN, "uevents were lost: checking all devices");
	engine_devices(en)->nbridge = 0;
	teardown_hold(en); /* no other one goes inside the walk */
	HASH_ITER(hh, engine_devices(en)->all, d, tmp)
	{
		if (d->phase == PHASE_REMOVING && !d->backend->has(d)) {
			device_gone(d);
			continue;
		}
		if (d->kind->look_again)
			d->kind->look_again(d);
	}
	teardown_release(en);
}

static void on_uevent(struct ev_loop *loop, ev_io *io, int revents)
{
	struct engine *en = io->data;

	(void)loop;
	(void)revents;
	for (int i = 0; i < BATCH; i++) {
		struct sockaddr_nl from = {0};
		socklen_t len = sizeof(from);
		char buf[4096];
		ssize_t n = recvfrom(io->fd, buf, sizeof(buf) - 1, MSG_DONTWAIT,
				     (struct sockaddr *)&from, &len);

		if (n < 0 && errno == ENOBUFS) {
			look_again(en);
			continue;
		}
		if (n <= 0)
			return;
		buf[n] = '\0';
		if (from.nl_pid == 0)
			uevent_take(en, buf, (size_t)n);
	}
}

/* Half of the kernel's events are not needed: a filter only lets add@, remove@ and move@
 * through. */
static void filter(int fd)
{
	static const uint32_t wanted[] = {0x61646440u, 0x72656d6fu,
					  0x6d6f7665u}; /* add@ remo move */
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, wanted[0], 3, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, wanted[1], 2, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, wanted[2], 1, 0),
		BPF_STMT(BPF_RET | BPF_K, 0),
		BPF_STMT(BPF_RET | BPF_K, UINT32_MAX),
	};
	const struct sock_fprog prog = {sizeof(code) / sizeof(code[0]), code};

	/* Without the filter they are read and ignored. */
	(void)setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &prog, sizeof(prog));
}

int uevent_open(struct engine *en, struct err *e)
{
	struct sockaddr_nl a = {.nl_family = AF_NETLINK, .nl_groups = KERNEL_GROUP};
	int bytes = BUFFER;
	int fd = socket(AF_NETLINK, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK,
			NETLINK_KOBJECT_UEVENT);

	if (fd < 0)
		return err_sys(e, errno, "listen to the kernel's device events");
	filter(fd);
	(void)setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &bytes, sizeof(bytes));
	if (bind(fd, (struct sockaddr *)&a, sizeof(a)) < 0) {
		int rc = err_sys(e, errno, "listen to the kernel's device events");

		(void)close(fd);
		return rc;
	}
	ev_io_init(&engine_devices(en)->uevents, on_uevent, fd, EV_READ);
	engine_devices(en)->uevents.data = en;
	ev_io_start(engine_loop(en), &engine_devices(en)->uevents);
	return 0;
}

void uevent_close(struct engine *en)
{
	if (!ev_is_active(&engine_devices(en)->uevents))
		return;
	ev_io_stop(engine_loop(en), &engine_devices(en)->uevents);
	(void)close(engine_devices(en)->uevents.fd);
}
