/* SPDX-License-Identifier: BSD-3-Clause */
/* One firewall (guest fw) a user, all at once: paced frames through each and back, counted in dom0.
 * The script has made the two bridges; frames go to a bridge's own MAC, so that they reach no other
 * user. */
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
static struct samples there_and_back;
static uint64_t got[2];

static void create(struct client *c, unsigned int i)
{
	struct err e = {0};
	struct wire_out w;
	struct wire_in in;
	char text[160];

	client_begin(c, &w, PROTO_REQ_CREATE);
	wire_u32(&w, PROTO_FLAGS, PROTO_F_READY);
	(void)snprintf(text, sizeof(text), "name=fw%u", i);
	wire_text(&w, PROTO_SET, text);
	wire_text(&w, PROTO_SET, "kernel=" CHAOS_GUEST_DIR "/fw");
	wire_text(&w, PROTO_SET, "type=pv");
	wire_text(&w, PROTO_SET, "memory=2");
	(void)snprintf(text, sizeof(text),
		       "vif=['bridge=%s,vifname=fwin%u','bridge=%s,vifname=fwout%u']", bridge[0], i,
		       bridge[1], i);
	wire_text(&w, PROTO_OVERRIDE, text);
	check(client_send(c, &w, NULL, 0, &e), &e);
	check(client_finish(c, &in, NULL, NULL, &e), &e);
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

static void find_vif(int side, unsigned int user)
{
	char name[IFNAMSIZ];

	(void)snprintf(name, sizeof(name), "%s%u", side ? "fwout" : "fwin", user);
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

void bench_firewall(unsigned int users)
{
	uint64_t all = (uint64_t)users * ROUNDS;
	struct client c;
	struct err e = {0};
	char name[IFNAMSIZ];

	if (users > USERS_MAX)
		die("at most %u users: a bridge has 1024 ports", USERS_MAX);
	check(client_open(&c, NULL, &e), &e);
	for (unsigned int i = 0; i < users; i++) {
		create(&c, i);
		find_vif(0, i);
		find_vif(1, i);
	}
	open_packets();
	take_until(users, clock_ns() + LATE_NS, UINT64_MAX); /* what hosts say when they come up */
	for (unsigned int round = 0; round < ROUNDS; round++)
		for (unsigned int i = 0; i < users; i++) {
			struct probe p = {MARK, i, clock_ns()};

			send_probe(0, &p);
			take_until(users, p.sent_ns + PACE_NS, UINT64_MAX);
		}
	take_until(users, clock_ns() + LATE_NS, all);
	number_print("firewall", "fw_users", "vms", users);
	number_print("firewall", "fw_frames_sent_each_way", "frames", (double)all);
	number_print("firewall", "fw_frames_lost", "frames",
		     (double)(all - got[1] + (got[1] - got[0])));
	samples_print(&there_and_back, "firewall", "fw_round_trip");
	for (unsigned int i = 0; i < users; i++) {
		(void)snprintf(name, sizeof(name), "fw%u", i);
		(void)conn_destroy(&c, name);
	}
	(void)close(packets);
	client_close(&c);
}
