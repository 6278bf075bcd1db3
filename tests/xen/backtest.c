/* SPDX-License-Identifier: BSD-3-Clause */
/* chaos-backend with this process, in dom0, as the guest: rings granted by dom0 to itself. Attach
 * and its refusals, hostile rings, clients that come and go. Prints what failed; exit status 0:
 * nothing. */
#include "backend/blkback.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <net/if.h>
#include <linux/if_tun.h>
#include <xenevtchn.h>
#include <xengnttab.h>

#include "backend/client.h"
#include "backend/netback.h"

#define SECTORS 2048u

static xengntshr_handle *shr;
static xenevtchn_handle *evt;
static struct backend_client *client;
static const char *path;
static int failures;

/* The last answer. */
static struct {
	char kind; /* 'a', 'd', 'b', 'l', 0: none */
	uint64_t id;
	int err;
	char text[BACKEND_TEXT];
	int devices;
} last;

/* A device's pages: two rings, and four of data. */
struct front {
	uint8_t *page;
	uint32_t ref[6];
	evtchn_port_t port;
};

__attribute__((noreturn)) static void die(const char *what)
{
	perror(what);
	exit(1);
}

static void expect(int ok, const char *what)
{
	if (ok)
		return;
	(void)printf("FAILED: %s (answer %c id %llu err %d \"%s\" devices %d)\n", what,
		     last.kind ? last.kind : '-', (unsigned long long)last.id, last.err, last.text,
		     last.devices);
	failures++;
}

static void note(char kind, uint64_t id, int err, const char *text)
{
	last.kind = kind;
	last.id = id;
	last.err = err;
	(void)snprintf(last.text, sizeof(last.text), "%s", text);
}

static void attached(void *arg, uint64_t id, int err, const char *text, uint64_t sectors)
{
	(void)arg;
	(void)sectors;
	note('a', id, err, text);
}

static void detached(void *arg, uint64_t id, int err)
{
	(void)arg;
	note('d', id, err, "");
}

static void broken(void *arg, uint64_t id, int err, const char *text)
{
	(void)arg;
	note('b', id, err, text);
}

static void device(void *arg, const struct backend_device *d)
{
	(void)arg;
	(void)d;
	last.devices++;
}

static void listed(void *arg)
{
	(void)arg;
	note('l', 0, 0, "");
}

static const struct backend_calls calls = {attached, detached, broken, device, listed};

/* Waits for the next answer; the process's end is one, too. */
static void answer(void)
{
	struct err e = {0};

	last.kind = 0;
	while (!last.kind) {
		struct pollfd p = {.fd = backend_client_fd(client), .events = POLLIN};

		if (poll(&p, 1, 30000) <= 0) {
			note('t', 0, 0, "nothing came");
			return;
		}
		if (backend_client_read(client, &e) < 0)
			note('e', 0, e.code, err_msg(&e));
	}
}

static void open_client(int want_started)
{
	struct err e = {0};
	bool started;

	if (backend_client_open(&client, path, "/usr/sbin/chaos-backend", "nobody", &calls, NULL,
				&started, &e) < 0) {
		(void)fprintf(stderr, "backtest: %s\n", err_msg(&e));
		exit(1);
	}
	expect(started == want_started, "started or found");
}

static int devices(void)
{
	last.devices = 0;
	(void)backend_client_list(client, NULL);
	answer();
	expect(last.kind == 'l', "list");
	return last.devices;
}

static struct front grant(void)
{
	struct front f = {0};
	xenevtchn_port_or_error_t port = xenevtchn_bind_unbound_port(evt, 0);

	f.page = xengntshr_share_pages(shr, 0, 6, f.ref, 1);
	if (!f.page || port < 0)
		die("grant");
	f.port = (evtchn_port_t)port;
	memset(f.page, 0, (size_t)6 * RING_PAGE);
	return f;
}

static void ungrant(struct front *f)
{
	(void)xengntshr_unshare(shr, f->page, 6);
	(void)xenevtchn_unbind(evt, f->port);
}

static int tap(int flags)
{
	struct ifreq r = {.ifr_flags = (short)flags};
	int header = 10;
	int fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC);

	if (fd < 0 || ioctl(fd, TUNSETIFF, &r) < 0)
		die("tun");
	(void)ioctl(fd, TUNSETVNETHDRSZ, &header);
	return fd;
}

static void attach_vif(const struct front *f, uint64_t id, int fd)
{
	struct backend_vif m = {.head = {.id = id}, .remote_port = f->port};

	m.tx_ref = f->ref[0];
	m.rx_ref = f->ref[1];
	m.features = NET_FEATURES;
	(void)backend_client_attach_vif(client, &m, fd, NULL);
	(void)close(fd);
	answer();
}

static void attach_vbd(const struct front *f, uint64_t id, int fd, uint32_t flags, uint64_t sectors)
{
	struct backend_vbd m = {.head = {.id = id}, .remote_port = f->port, .ring_ref = f->ref[0]};

	m.flags = flags;
	m.sectors = sectors;
	(void)backend_client_attach_vbd(client, &m, fd, NULL);
	(void)close(fd);
	answer();
}

static int disk(void)
{
	int fd = memfd_create("disk", MFD_CLOEXEC);

	if (fd < 0 || ftruncate(fd, SECTORS * BLK_SECTOR) < 0)
		die("disk");
	return fd;
}

static struct ring_header *ring(const struct front *f, int n)
{
	return (struct ring_header *)(void *)(f->page + (size_t)n * RING_PAGE);
}

/* A request and its answer: a page is written or read at a sector. */
static int block(struct front *f, uint8_t op, uint64_t sector, int page)
{
	struct ring_header *r = ring(f, 0);
	uint32_t at = r->req_prod;
	struct blkif_request q = {.operation = op, .nr_segments = 1, .id = at};
	struct blkif_response a;
	uint8_t *entry = f->page + RING_HEADER + (at % BLK_REQUESTS) * sizeof(q);

	q.sector_number = sector;
	q.seg[0].gref = f->ref[page];
	q.seg[0].last_sect = 7;
	memcpy(entry, &q, sizeof(q));
	shared_store_release(&r->req_prod, at + 1);
	(void)xenevtchn_notify(evt, f->port);
	for (int i = 0; shared_load_acquire(&r->rsp_prod) != at + 1; i++) {
		if (i == 30000)
			return -100;
		(void)usleep(1000);
	}
	memcpy(&a, entry, sizeof(a));
	return a.id == at ? a.status : -101;
}

static void healthy(struct front *f, int seed)
{
	memset(f->page + (size_t)2 * RING_PAGE, seed, RING_PAGE);
	memset(f->page + (size_t)3 * RING_PAGE, 0, RING_PAGE);
	expect(block(f, BLKIF_OP_WRITE, 16, 2) == 0, "write");
	expect(block(f, BLKIF_OP_FLUSH_DISKCACHE, 0, 2) == 0, "flush");
	expect(block(f, BLKIF_OP_READ, 16, 3) == 0, "read");
	expect(memcmp(f->page + (size_t)2 * RING_PAGE, f->page + (size_t)3 * RING_PAGE,
		      RING_PAGE) == 0,
	       "what was written is read");
}

static const int TAP = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR;

static void refusals(void)
{
	struct front f = grant();
	struct front wrong = f;

	attach_vif(&f, 10, open("/dev/null", O_RDWR));
	expect(last.err == EINVAL && strstr(last.text, "not a TAP"), "a file that is no TAP");
	attach_vif(&f, 10, tap(IFF_TAP | IFF_NO_PI));
	expect(last.err == EINVAL && strstr(last.text, "IFF_VNET_HDR"), "a TAP without header");
	wrong.ref[1] = 0x7fffff;
	attach_vif(&wrong, 10, tap(TAP));
	expect(last.err != 0 && strstr(last.text, "map grant"), "a grant that is none");
	wrong = f;
	wrong.port = 4000;
	attach_vif(&wrong, 10, tap(TAP));
	expect(last.err != 0 && strstr(last.text, "bind to port"), "a port that is none");
	attach_vbd(&f, 10, disk(), 0, SECTORS + 1);
	expect(last.err == EINVAL && strstr(last.text, "sectors"), "more sectors than there are");
	attach_vbd(&f, 10, open("/dev/zero", O_RDWR), 0, 0);
	expect(last.err == EINVAL && strstr(last.text, "neither"), "a file that is no disk");
	attach_vbd(&f, 10, open("/etc/passwd", O_RDONLY), 0, 0);
	expect(last.err == EINVAL && strstr(last.text, "writing"), "a disk that is read-only");
	attach_vbd(&f, 10, disk(), 1u << 9, 0);
	expect(last.err == EINVAL && strstr(last.text, "flags"), "unknown flags");
	attach_vbd(&f, 0, disk(), 0, 0);
	expect(last.err == EINVAL, "id 0");
	attach_vbd(&f, 1, disk(), 0, 0);
	expect(last.err == EEXIST, "an id in use");
	(void)backend_client_detach(client, 10, NULL);
	answer();
	expect(last.kind == 'd' && last.err == ENOENT, "detach of nothing");
	ungrant(&f);
}

/* Each ends its device with a reason; the healthy one goes on. */
static void hostile(struct front *well)
{
	static const struct {
		int vbd;
		int ring;
		uint32_t prod;
		struct netif_tx_request r;
		const char *why;
	} rows[] = {
		{0, 0, 300, {0}, "impossible index in the tx ring"},
		{0, 0, 0xffffffff, {0}, "impossible index in the tx ring"},
		{0, 0, 1, {.offset = 4000, .size = 200}, "crosses a page"},
		{0, 0, 1, {.size = 100, .flags = NETTXF_more_data}, "without its end"},
		{0, 0, 1, {.size = 100, .flags = NETTXF_extra_info}, "extra info is missing"},
		{1, 0, 33, {0}, "impossible index in the ring"},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct front f = grant();

		if (rows[i].vbd)
			attach_vbd(&f, 20, disk(), 0, 0);
		else
			attach_vif(&f, 20, tap(TAP));
		expect(last.kind == 'a' && last.err == 0, "attach");
		memcpy(f.page + RING_HEADER, &rows[i].r, sizeof(rows[i].r));
		shared_store_release(&ring(&f, rows[i].ring)->req_prod, rows[i].prod);
		(void)xenevtchn_notify(evt, f.port);
		answer();
		expect(last.kind == 'b' && last.id == 20 && last.err == EPROTO &&
			       strstr(last.text, rows[i].why),
		       rows[i].why);
		healthy(well, (int)i);
		ungrant(&f);
	}
	expect(devices() == 1, "only the healthy one is left");
}

static void clients(struct front *well)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	char text[8] = "nonsense";
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

	backend_client_close(client);
	(void)snprintf(a.sun_path, sizeof(a.sun_path), "%s", path);
	if (connect(fd, (struct sockaddr *)(void *)&a, sizeof(a)) < 0)
		die("connect");
	(void)send(fd, text, sizeof(text), 0);
	expect(recv(fd, text, sizeof(text), 0) <= 0, "nonsense ends a connection");
	(void)close(fd);
	open_client(0);
	expect(devices() == 1, "devices live on");
	healthy(well, 99);
}

int main(int argc, char **argv)
{
	struct front well;

	if (argc != 2) {
		(void)fputs("usage: backtest SOCKET\n", stderr);
		return 2;
	}
	path = argv[1];
	shr = xengntshr_open(NULL, 0);
	evt = xenevtchn_open(NULL, 0);
	if (!shr || !evt)
		die("gntalloc, evtchn");
	open_client(1);
	well = grant();
	attach_vbd(&well, 1, disk(), BLK_DISCARD, 0);
	expect(last.kind == 'a' && last.err == 0, "attach");
	healthy(&well, 1);
	expect(block(&well, BLKIF_OP_READ, SECTORS, 3) == BLKIF_RSP_ERROR, "beyond the disk");
	refusals();
	hostile(&well);
	clients(&well);
	(void)backend_client_detach(client, 1, NULL);
	answer();
	expect(last.kind == 'd' && last.err == 0, "detach");
	expect(devices() == 0, "no devices");
	ungrant(&well);
	(void)printf("%d failures\n", failures);
	return failures != 0;
}
