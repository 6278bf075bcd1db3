/* SPDX-License-Identifier: BSD-3-Clause */
/* The least of a toolstack: gives a paused domain of xl's a vif or vbd served by chaos-backend, or
 * by the kernel for comparison. Needs xenstored. */
#include "backend/blkback.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <net/if.h>
#include <linux/if_tun.h>
#include <xenstore.h>

#include "backend/client.h"
#include "backend/netback.h"

#define XVDA 51712

static const char usage[] =
	"usage: backrun SOCKET DOMID DEVICE...   serves until a signal, prints what happens\n"
	"  vif=TAP[,plain]   a vif with a TAP of this name; plain: no offload\n"
	"  vbd=FILE[,ro]     xvda\n"
	"  kvif              a vif of netback (vifDOMID.0)\n"
	"  kvbd=DEVICE       xvda of blkback\n";

static struct xs_handle *xs;
static struct backend_client *client;
static unsigned int domid;
static volatile sig_atomic_t stop;

struct test_device {
	bool used;
	bool kernel;
	bool asked;   /* attach or detach is under way, or done */
	bool limited; /* plain, or read-only */
	int fd;
	int state; /* the frontend's */
	char tap[IFNAMSIZ];
	char front[64];
	char back[64];
};
static struct test_device vif = {.fd = -1};
static struct test_device vbd = {.fd = -1};

__attribute__((noreturn)) static void die(const char *what)
{
	(void)fprintf(stderr, "backrun: %s: %s\n", what, strerror(errno));
	exit(1);
}

static void node(const char *dir, const char *name, const char *value)
{
	char path[256];

	(void)snprintf(path, sizeof(path), "%s/%s", dir, name);
	if (!xs_write(xs, XBT_NULL, path, value, (unsigned int)strlen(value)))
		die(path);
}

static void number(const char *dir, const char *name, unsigned long long value)
{
	char text[32];

	(void)snprintf(text, sizeof(text), "%llu", value);
	node(dir, name, text);
}

static unsigned long value(const char *dir, const char *name)
{
	char path[256];
	unsigned int len;
	char *text;
	unsigned long n;

	(void)snprintf(path, sizeof(path), "%s/%s", dir, name);
	text = xs_read(xs, XBT_NULL, path, &len);
	n = text ? strtoul(text, NULL, 10) : 0;
	free(text);
	return n;
}

static void directory(const char *path, unsigned int owner, unsigned int reader)
{
	struct xs_permissions p[2] = {{owner, XS_PERM_NONE}, {reader, XS_PERM_READ}};

	if (!xs_mkdir(xs, XBT_NULL, path) || !xs_set_permissions(xs, XBT_NULL, path, p, 2))
		die(path);
}

static void open_tap(struct test_device *d, const char *name)
{
	struct ifreq r = {.ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR};
	int header = 10;

	(void)snprintf(d->tap, sizeof(d->tap), "%s", name);
	memcpy(r.ifr_name, d->tap, sizeof(d->tap));
	d->fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
	if (d->fd < 0 || ioctl(d->fd, TUNSETIFF, &r) < 0 ||
	    ioctl(d->fd, TUNSETVNETHDRSZ, &header) < 0)
		die(name);
}

/* Both trees, as a toolstack leaves them before the guest runs. */
static void make(struct test_device *d, const char *type, unsigned int handle)
{
	(void)snprintf(d->front, sizeof(d->front), "/local/domain/%u/device/%s/%u", domid, type,
		       handle);
	(void)snprintf(d->back, sizeof(d->back), "/local/domain/0/backend/%s/%u/%u", type, domid,
		       handle);
	directory(d->front, domid, 0);
	directory(d->back, 0, domid);
	node(d->back, "frontend", d->front);
	number(d->back, "frontend-id", domid);
	number(d->back, "online", 1);
	node(d->front, "backend", d->back);
	number(d->front, "backend-id", 0);
	if (d == &vif) {
		number(d->front, "handle", 0);
		number(d->back, "handle", 0);
		node(d->front, "mac", "00:16:3e:00:00:01");
		node(d->back, "mac", "00:16:3e:00:00:01");
		node(d->back, "script", "none"); /* netback wants one */
	} else {
		number(d->front, "virtual-device", handle);
		node(d->front, "device-type", "disk");
		node(d->back, "device-type", "disk");
		node(d->back, "mode", d->limited ? "r" : "w");
	}
	if (!d->kernel && d == &vif) {
		number(d->back, "feature-rx-copy", 1);
		number(d->back, "feature-sg", 1);
		number(d->back, "feature-gso-tcpv4", d->limited ? 0 : 1);
		number(d->back, "feature-gso-tcpv6", d->limited ? 0 : 1);
		number(d->back, "feature-ipv6-csum-offload", d->limited ? 0 : 1);
	}
	if (!d->kernel && d == &vbd) {
		number(d->back, "feature-flush-cache", 1);
		number(d->back, "feature-discard", 1);
		number(d->back, "feature-max-indirect-segments", 256);
	}
	number(d->front, "state", 1);
	number(d->back, "state", d->kernel ? 1 : 2);
	if (!xs_watch(xs, d->front, "front") || !xs_watch(xs, d->back, "back"))
		die("watch");
}

static void connect_vif(struct test_device *d)
{
	struct backend_vif m = {.head = {.id = 1}, .domid = domid};
	struct err e = {0};
	unsigned int offload = 0;

	m.tx_ref = (uint32_t)value(d->front, "tx-ring-ref");
	m.rx_ref = (uint32_t)value(d->front, "rx-ring-ref");
	m.remote_port = (uint32_t)value(d->front, "event-channel");
	if (value(d->front, "feature-sg"))
		m.features |= NET_RX_SG;
	if (!value(d->front, "feature-no-csum-offload") && !d->limited) {
		m.features |= NET_RX_CSUM;
		offload |= TUN_F_CSUM;
	}
	if (value(d->front, "feature-gso-tcpv4") && !d->limited) {
		m.features |= NET_RX_GSO4;
		offload |= TUN_F_TSO4;
	}
	if (value(d->front, "feature-gso-tcpv6") && !d->limited) {
		m.features |= NET_RX_GSO6;
		offload |= TUN_F_TSO6;
	}
	if (ioctl(d->fd, TUNSETOFFLOAD, offload) < 0)
		die("TUNSETOFFLOAD");
	if (backend_client_attach_vif(client, &m, d->fd, &e) < 0)
		(void)printf("attach: %s\n", err_msg(&e));
}

static void connect_vbd(struct test_device *d)
{
	struct backend_vbd m = {.head = {.id = 2}, .domid = domid};
	struct err e = {0};

	m.ring_ref = (uint32_t)value(d->front, "ring-ref");
	m.remote_port = (uint32_t)value(d->front, "event-channel");
	m.flags = d->limited ? BLK_READ_ONLY : BLK_DISCARD;
	if (backend_client_attach_vbd(client, &m, d->fd, &e) < 0)
		(void)printf("attach: %s\n", err_msg(&e));
}

static void look(struct test_device *d)
{
	int state = (int)value(d->front, "state");
	struct err e = {0};

	if (!d->used)
		return;
	if (d->kernel) {
		/* What its hotplug script would tell; netback makes its interface before. */
		if (value(d->back, "state") == 2 && !d->asked) {
			d->asked = true;
			node(d->back, "hotplug-status", "connected");
		}
		return;
	}
	if (state == d->state)
		return;
	d->state = state;
	if ((d == &vif && state == 4) || (d == &vbd && (state == 3 || state == 4))) {
		if (!d->asked) {
			d->asked = true;
			if (d == &vif)
				connect_vif(d);
			else
				connect_vbd(d);
		}
	} else if (state >= 5 && d->asked) {
		d->asked = false;
		(void)backend_client_detach(client, d == &vif ? 1 : 2, &e);
	}
}

static void attached(void *arg, uint64_t id, int err, const char *text, uint64_t sectors)
{
	struct test_device *d = id == 1 ? &vif : &vbd;

	(void)arg;
	(void)printf("attached %llu err %d %s\n", (unsigned long long)id, err, text);
	if (err)
		return;
	if (d == &vbd) {
		number(d->back, "sectors", sectors);
		number(d->back, "sector-size", 512);
		number(d->back, "info", d->limited ? VDISK_READONLY : 0);
	}
	number(d->back, "state", 4);
}

static void detached(void *arg, uint64_t id, int err)
{
	(void)arg;
	(void)printf("detached %llu err %d\n", (unsigned long long)id, err);
}

static void broken(void *arg, uint64_t id, int err, const char *text)
{
	(void)arg;
	(void)printf("broken %llu err %d %s\n", (unsigned long long)id, err, text);
}

static void device(void *arg, const struct backend_device *d)
{
	(void)arg;
	(void)printf("device %llu dom %u frames %llu %llu bytes %llu %llu failed %llu\n",
		     (unsigned long long)d->head.id, d->domid, (unsigned long long)d->frames[0],
		     (unsigned long long)d->frames[1], (unsigned long long)d->bytes[0],
		     (unsigned long long)d->bytes[1], (unsigned long long)d->failed);
	if (d->domid != domid) /* of a guest that is gone: what is mapped keeps it a zombie */
		(void)backend_client_detach(client, d->head.id, NULL);
	else if (d->head.id == 1)
		vif.asked = true;
	else
		vbd.asked = true;
}

static void listed(void *arg)
{
	(void)arg;
	(void)printf("listed\n");
}

static const struct backend_calls calls = {attached, detached, broken, device, listed};

static void on_signal(int s)
{
	(void)s;
	stop = 1;
}

static void take_device(char *arg)
{
	char *comma = strchr(arg, ',');
	char *file = strchr(arg, '=');
	struct test_device *d =
		strstr(arg, "vif") == arg || strstr(arg, "kvif") == arg ? &vif : &vbd;

	d->used = true;
	d->limited = comma != NULL;
	d->kernel = arg[0] == 'k';
	if (comma)
		*comma = '\0';
	if (!d->kernel && d == &vif && file) {
		open_tap(d, file + 1);
	} else if (d == &vbd && file) {
		struct stat st;
		int flags = (d->limited ? O_RDONLY : O_RDWR) | O_CLOEXEC;

		/* a block device without dom0's page cache between, as blkback uses it */
		if (stat(file + 1, &st) == 0 && S_ISBLK(st.st_mode))
			flags |= O_DIRECT;
		d->fd = open(file + 1, flags);
		if (d->fd < 0)
			die(file + 1);
	}
	make(d, d == &vif ? "vif" : "vbd", d == &vif ? 0 : XVDA);
	if (d->kernel && d == &vbd) {
		struct stat st;
		char text[32];

		if (fstat(d->fd, &st) < 0)
			die("fstat");
		(void)snprintf(text, sizeof(text), "%x:%x", major(st.st_rdev), minor(st.st_rdev));
		node(d->back, "dev", "xvda"); /* blkback names its thread so */
		node(d->back, "params", file + 1);
		node(d->back, "type", "phy");
		node(d->back, "physical-device", text);
	}
}

int main(int argc, char **argv)
{
	const char *exe = getenv("BACKEND") ? getenv("BACKEND") : "/usr/sbin/chaos-backend";
	struct err e = {0};
	bool started;

	if (argc < 3) {
		(void)fputs(usage, stderr);
		return 2;
	}
	(void)setvbuf(stdout, NULL, _IOLBF, 0);
	domid = (unsigned int)strtoul(argv[2], NULL, 10);
	xs = xs_open(0);
	if (!xs)
		die("xenstored");
	(void)signal(SIGTERM, on_signal);
	if (backend_client_open(&client, argv[1], exe, "nobody", &calls, NULL, &started, &e) < 0) {
		(void)fprintf(stderr, "backrun: %s\n", err_msg(&e));
		return 1;
	}
	(void)printf("%s\n", started ? "started" : "found");
	if (backend_client_list(client, &e) < 0)
		return 1;
	for (int i = 3; i < argc; i++)
		take_device(argv[i]);
	while (!stop) {
		struct pollfd p[2] = {{.fd = xs_fileno(xs), .events = POLLIN},
				      {.fd = backend_client_fd(client), .events = POLLIN}};
		char **what;

		if (backend_client_wants_write(client))
			p[1].events |= POLLOUT;
		(void)poll(p, 2, -1);
		if (backend_client_write(client, &e) < 0 || backend_client_read(client, &e) < 0) {
			(void)printf("gone: %s\n", err_msg(&e));
			return 1;
		}
		while ((what = xs_check_watch(xs)) != NULL) {
			free(what);
			look(&vif);
			look(&vbd);
		}
	}
	(void)backend_client_list(client, &e); /* not awaited: it shows that the end is clean */
	backend_client_close(client);
	xs_close(xs);
	return 0;
}
