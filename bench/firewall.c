/* SPDX-License-Identifier: BSD-3-Clause */
/* One firewall (guest fw) a user, all at once, each from a warm shell with two vifs: paced frames
 * through each and back, counted in dom0. The script has made the two bridges; frames go to a
 * bridge's own MAC, so that they reach no other user. */
#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <arpa/inet.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>

#include "base/clock.h"
#include "bench/conn.h"

#define ROUNDS	  20u
#define POOLED	  4u
#define GONE_S	  60u
#define USERS_MAX 1000u
#define PACE_NS	  1000000u    /* from one user's frame to the next user's */
#define LATE_NS	  2000000000u /* a frame that is not there by then is lost */
#define FRAME	  128
#define UDP	  17
#define MARK	  0x66776677u

struct probe { /* behind Ethernet, IPv4 and UDP */
	uint32_t mark;
	uint32_t user;
	uint64_t sent_ns;
};

static const char *const bridge[2] = {"benchin", "benchout"};
static int ifindex[2][USERS_MAX];
static uint8_t mac[2][ETH_ALEN]; /* of the bridges */
static int packets;
static struct samples made, there_and_back;
static uint64_t got[2];

/* Its domain id. */
static uint32_t create(struct chaos *c, const char *type, unsigned int i)
{
	static struct chaos_reply r;
	uint64_t start = clock_ns();
	char set_name[32];
	char set_type[16];
	char vifs[160];
	const char *const set[] = {set_name, "kernel=" CHAOS_GUEST_DIR "/fw", set_type, "memory=2",
				   NULL};
	const char *const override[] = {vifs, NULL};
	struct chaos_error e = {0};
	struct chaos_request rq;

	(void)snprintf(set_name, sizeof(set_name), "name=fw%u", i);
	(void)snprintf(set_type, sizeof(set_type), "type=%s", type);
	(void)snprintf(vifs, sizeof(vifs), "vif=['bridge=%s','bridge=%s']", bridge[0], bridge[1]);
	chaos_request_init(&rq, CHAOS_CREATE);
	rq.flags = CHAOS_READY;
	rq.set = set;
	rq.override = override;
	check(chaos_call(c, &rq, &r, NULL, NULL, &e), &e);
	samples_add(&made, clock_ns() - start);
	conn_expect_way(&r, "warm");
	if (!r.has_vm)
		die("a reply without its VM");
	return r.vm.domid;
}

/* A guest may be ready before its interfaces are. */
static int index_of(const char *name)
{
	uint64_t end = clock_ns() + 10000000000u;
	unsigned int n;

	while ((n = if_nametoindex(name)) == 0) {
		if (clock_ns() > end)
			die("no interface %s", name);
		(void)usleep(10000);
	}
	return (int)n;
}

static void open_packets(void)
{
	int on = 1;
	int room = 4 << 20;

	/* All protocols: others are not shown frames that a bridge takes. */
	packets = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, htons(ETH_P_ALL));
	if (packets < 0 ||
	    setsockopt(packets, SOL_PACKET, PACKET_IGNORE_OUTGOING, &on, sizeof(on)) < 0 ||
	    setsockopt(packets, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof(room)) < 0)
		die("packet socket: %s", strerror(errno));
	for (int i = 0; i < 2; i++) {
		struct ifreq r = {0};

		(void)snprintf(r.ifr_name, sizeof(r.ifr_name), "%s", bridge[i]);
		if (ioctl(packets, SIOCGIFHWADDR, &r) < 0)
			die("%s: %s", bridge[i], strerror(errno));
		memcpy(mac[i], r.ifr_hwaddr.sa_data, ETH_ALEN);
	}
}

/* A port speaks with its bridge alone: else all firewalls together are one loop. */
static void isolate(const char *name)
{
	char path[64];
	FILE *f;
	bool done;

	(void)snprintf(path, sizeof(path), "/sys/class/net/%s/brport/isolated", name);
	f = fopen(path, "w");
	done = f && fputs("1", f) >= 0;
	if ((f && fclose(f) != 0) || !done)
		die("%s: %s", path, strerror(errno));
}

static void find_vif(int side, unsigned int user, uint32_t domid)
{
	char name[IFNAMSIZ];

	(void)snprintf(name, sizeof(name), "vif%u.%d", domid, side);
	ifindex[side][user] = index_of(name);
	isolate(name);
}

/* Into the user's vif at `side`, for the bridge at the other. */
static void send_probe(int side, const struct probe *p)
{
	struct sockaddr_ll to = {.sll_family = AF_PACKET,
				 .sll_ifindex = ifindex[side][p->user],
				 .sll_halen = ETH_ALEN};
	uint8_t f[FRAME] = {0};
	uint32_t sum = 0;

	memcpy(f, mac[!side], ETH_ALEN);
	memcpy(f + ETH_ALEN, mac[side], ETH_ALEN);
	f[12] = 0x08; /* IPv4 */
	f[14] = 0x45;
	f[17] = FRAME - ETH_HLEN;
	f[22] = 64;
	f[23] = UDP;
	memcpy(f + 26, (uint8_t[]){192, 0, 2, 1, 198, 51, 100, 1}, 8);
	for (int i = 14; i < 34; i += 2)
		sum += (uint32_t)f[i] << 8 | f[i + 1];
	sum = ~((sum & 0xffff) + (sum >> 16));
	f[24] = (uint8_t)(sum >> 8);
	f[25] = (uint8_t)sum;
	f[35] = f[37] = 9; /* discard */
	f[39] = FRAME - 34;
	memcpy(f + 42, p, sizeof(*p));
	if (sendto(packets, f, sizeof(f), 0, (struct sockaddr *)&to, sizeof(to)) != FRAME)
		die("send to user %u: %s", p->user, strerror(errno));
}

static void take(unsigned int users)
{
	struct sockaddr_ll from;
	uint8_t f[2048];

	for (;;) {
		socklen_t len = sizeof(from);
		ssize_t n = recvfrom(packets, f, sizeof(f), 0, (struct sockaddr *)&from, &len);
		struct probe p;

		if (n < 0)
			return;
		memcpy(&p, f + 42, sizeof(p));
		if (n < FRAME || p.mark != MARK || p.user >= users)
			continue;
		if (from.sll_ifindex == ifindex[1][p.user]) {
			got[1]++;
			send_probe(1, &p);
		} else if (from.sll_ifindex == ifindex[0][p.user]) {
			got[0]++;
			samples_add(&there_and_back, clock_ns() - p.sent_ns);
		}
	}
}

static void take_until(unsigned int users, uint64_t end, uint64_t want)
{
	struct pollfd p = {.fd = packets, .events = POLLIN};
	uint64_t now;

	while ((now = clock_ns()) < end && got[0] < want) {
		const struct timespec left = {.tv_nsec = (long)((end - now) % 1000000000u),
					      .tv_sec = (long)((end - now) / 1000000000u)};

		if (ppoll(&p, 1, &left, NULL) > 0)
			take(users);
	}
}

static void set_pool(struct chaos *c, const char *type, unsigned int count)
{
	char text[160];

	(void)snprintf(text, sizeof(text),
		       "type=%s memory=2 vifs=2 count=%u gate=no image=" CHAOS_GUEST_DIR "/fw",
		       type, count);
	conn_set_pool(c, text);
}

static void create_all(struct chaos *c, const char *type, unsigned int users)
{
	set_pool(c, type, POOLED);
	for (unsigned int i = 0; i < users; i++) {
		uint32_t domid;

		conn_wait_ready(c, 1);
		domid = create(c, type, i);
		find_vif(0, i, domid);
		find_vif(1, i, domid);
	}
	set_pool(c, type, 0);
}

static void destroy_all(struct chaos *c, unsigned int users)
{
	uint64_t end = clock_ns() + GONE_S * 1000000000ull;
	char name[IFNAMSIZ];

	for (unsigned int i = 0; i < users; i++) {
		(void)snprintf(name, sizeof(name), "fw%u", i);
		(void)conn_destroy(c, name);
	}
	while (vif_backends() > 0) {
		if (clock_ns() > end)
			die("%u vifs were not let go", vif_backends());
		(void)usleep(10000);
	}
}

static void print_number(const char *type, const char *what, const char *unit, uint64_t n)
{
	char metric[64];

	(void)snprintf(metric, sizeof(metric), "fw_%s_%s", what, type);
	number_print("firewall", metric, unit, (double)n);
}

static void print_samples(const char *type, const char *what, struct samples *s)
{
	char metric[64];

	(void)snprintf(metric, sizeof(metric), "fw_%s_%s", what, type);
	samples_print(s, "firewall", metric);
}

static void firewalls(struct chaos *c, const char *type, unsigned int users)
{
	uint64_t all = (uint64_t)users * ROUNDS;

	made.n = there_and_back.n = 0;
	got[0] = got[1] = 0;
	create_all(c, type, users);
	open_packets();
	take_until(users, clock_ns() + LATE_NS, UINT64_MAX); /* what hosts say when they come up */
	for (unsigned int round = 0; round < ROUNDS; round++)
		for (unsigned int i = 0; i < users; i++) {
			struct probe p = {MARK, i, clock_ns()};

			send_probe(0, &p);
			take_until(users, p.sent_ns + PACE_NS, UINT64_MAX);
		}
	take_until(users, clock_ns() + LATE_NS, all);
	print_number(type, "users", "vms", users);
	print_number(type, "frames_sent_each_way", "frames", all);
	print_number(type, "frames_lost", "frames", all - got[1] + (got[1] - got[0]));
	print_samples(type, "round_trip", &there_and_back);
	print_samples(type, "ready_warm", &made);
	(void)close(packets);
	destroy_all(c, users);
}

void bench_firewall(unsigned int users)
{
	struct chaos *c = conn_open();

	if (users > USERS_MAX)
		die("at most %u users: a bridge has 1024 ports", USERS_MAX);
	firewalls(c, "pv", users);
	firewalls(c, "pvh", users);
	chaos_close(c);
}
