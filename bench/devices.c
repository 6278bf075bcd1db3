/* SPDX-License-Identifier: BSD-3-Clause */
/* VMs with a vif from the pool: until their first frame and first TCP answer is seen in dom0, and
 * how fast vifs are connected and let go. The script has made the bridge. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <arpa/inet.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <netinet/in.h>

#include "base/clock.h"
#include "bench/conn.h"

#define BRIDGE	       "benchbr"
#define FRAME_TYPE     0x88b5 /* of the guest `frame` */
#define GUEST_IP       "10.99.0.2"
#define GUEST_NET      GUEST_IP "/24"
#define DAYTIME	       13
#define ANSWER_S       5
#define REFILL_US      60000
#define DEVICES_STEP   20u
#define DEVICES_ROUNDS 5
#define DEVICES_WAIT_S 60

static void set_pool(struct chaos *c, const char *type, const char *image, unsigned int count)
{
	char text[256];

	(void)snprintf(text, sizeof(text),
		       "type=%s memory=4 count=%u vifs=1 bridge=" BRIDGE
		       " gate=no image=" CHAOS_GUEST_DIR "/%s",
		       type, count, image);
	conn_set_pool(c, text);
}

/* Shells of 256 KiB with a vif, in the bridge or in none. */
static void set_small(struct chaos *c, const char *type, const char *bridge, unsigned int count)
{
	char text[256];

	(void)snprintf(text, sizeof(text), "type=%s memory=256K count=%u vifs=1%s", type, count,
		       bridge);
	conn_set_pool(c, text);
}

static void send_create(struct chaos *c, const char *type, const char *kernel, const char *vif)
{
	char set_kernel[160];
	char set_type[16];
	char set_vif[160];
	const char *const set[] = {"name=bench", set_kernel, set_type, "memory=4", set_vif, NULL};
	struct chaos_error e = {0};
	struct chaos_request rq;

	(void)snprintf(set_kernel, sizeof(set_kernel), "kernel=" CHAOS_GUEST_DIR "/%s", kernel);
	(void)snprintf(set_type, sizeof(set_type), "type=%s", type);
	(void)snprintf(set_vif, sizeof(set_vif), "vif=%s", vif); /* as chaos create --vif */
	chaos_request_init(&rq, CHAOS_CREATE);
	rq.set = set;
	check(chaos_send(c, &rq, NULL, &e), &e);
}

static void expect_way(struct chaos *c, const char *want)
{
	static struct chaos_reply r;
	struct chaos_error e = {0};

	do
		check(chaos_receive(c, &r, -1, &e), &e);
	while (!r.last);
	if (r.error)
		die("%s", r.message);
	conn_expect_way(&r, want);
}

static int listen_frames(void)
{
	struct timeval wait = {.tv_sec = ANSWER_S};
	struct sockaddr_ll a = {.sll_family = AF_PACKET,
				.sll_protocol = htons(FRAME_TYPE),
				.sll_ifindex = (int)if_nametoindex(BRIDGE)};
	int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, htons(FRAME_TYPE));

	if (fd < 0 || a.sll_ifindex == 0 || bind(fd, (struct sockaddr *)&a, sizeof(a)) < 0 ||
	    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof(wait)) < 0)
		die("packet socket on " BRIDGE ": %s", strerror(errno));
	return fd;
}

static void first_frame(struct chaos *c, const char *type, unsigned int n)
{
	static struct samples seen;
	char frame[2048];
	char metric[64];
	int fd = listen_frames();

	seen.n = 0;
	set_pool(c, type, "frame", 4);
	for (unsigned int i = 0; i < n + 2; i++) {
		uint64_t start;
		uint64_t took;
		ssize_t got;

		conn_wait_ready(c, 4);
		(void)usleep(REFILL_US);
		start = clock_ns();
		send_create(c, type, "frame", "bridge=" BRIDGE);
		got = recv(fd, frame, sizeof(frame), 0);
		took = clock_ns() - start;
		expect_way(c, "warm"); /* says why when it failed */
		if (got <= 0)
			die("no frame from the guest: %s", strerror(errno));
		if (i >= 2)
			samples_add(&seen, took);
		(void)conn_destroy(c, "bench");
		while (recv(fd, frame, sizeof(frame), MSG_DONTWAIT) > 0)
			;
	}
	set_pool(c, type, "frame", 0);
	(void)close(fd);
	(void)snprintf(metric, sizeof(metric), "first_frame_%s_4m", type);
	samples_print(&seen, "firstpacket", metric);
}

static void ask_daytime(void)
{
	struct timeval wait = {.tv_sec = ANSWER_S};
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(DAYTIME)};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	char text[128];

	(void)inet_pton(AF_INET, GUEST_IP, &a.sin_addr);
	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof(wait)) < 0 ||
	    connect(fd, (struct sockaddr *)&a, sizeof(a)) < 0 ||
	    recv(fd, text, sizeof(text), 0) <= 0)
		die("daytime does not answer: %s", strerror(errno));
	(void)close(fd);
}

/* All VMs have the same MAC, so that dom0's neighbour table stays right. */
static void first_reply(struct chaos *c, const char *type, unsigned int n)
{
	static struct samples seen;
	char metric[64];

	seen.n = 0;
	set_pool(c, type, "daytime", 4);
	for (unsigned int i = 0; i < n + 2; i++) {
		uint64_t start;

		conn_wait_ready(c, 4);
		(void)usleep(REFILL_US);
		start = clock_ns();
		send_create(c, type, "daytime",
			    "bridge=" BRIDGE ",mac=00:16:3e:11:22:33,ip=" GUEST_NET);
		expect_way(c, "warm");
		ask_daytime();
		if (i >= 2)
			samples_add(&seen, clock_ns() - start);
		(void)conn_destroy(c, "bench");
	}
	set_pool(c, type, "daytime", 0);
	(void)snprintf(metric, sizeof(metric), "daytime_reply_%s_4m", type);
	samples_print(&seen, "firstpacket", metric);
}

void bench_firstpacket(unsigned int n)
{
	static const char *const types[] = {"pv", "pvh"};
	struct chaos *c = conn_open();
	for (size_t i = 0; i < 2; i++) {
		first_frame(c, types[i], n);
		first_reply(c, types[i], n);
	}
	chaos_close(c);
}

/* --- how many, how fast --- */

/* ns until there are `to` of them. */
static uint64_t grow(struct chaos *c, const char *type, const char *bridge, unsigned int to)
{
	uint64_t start = clock_ns();

	set_small(c, type, bridge, to);
	conn_wait_ready(c, to);
	return clock_ns() - start;
}

static uint64_t let_go(struct chaos *c, const char *type, const char *bridge)
{
	uint64_t start = clock_ns();

	set_small(c, type, bridge, 0);
	while (vif_backends() > 0) {
		if (clock_ns() - start > DEVICES_WAIT_S * 1000000000ull)
			die("%u vifs were not let go", vif_backends());
		(void)usleep(2000);
	}
	return clock_ns() - start;
}

/* The last ones beside all others over the first ones alone: medians of rounds, as one step in ten
 * meets a kernel that takes memory for more. */
static void ratio(struct chaos *c, const char *type, const char *bridge, unsigned int n)
{
	static struct samples first;
	static struct samples last;
	const unsigned int middle = DEVICES_ROUNDS / 2;
	const char *more = *bridge ? "_bridged" : "";
	char metric[64];

	first.n = last.n = 0;
	for (int i = 0; i < DEVICES_ROUNDS; i++) {
		(void)grow(c, type, bridge, 1);
		(void)usleep(REFILL_US);
		samples_add(&first, grow(c, type, bridge, DEVICES_STEP + 1));
		(void)grow(c, type, bridge, n - DEVICES_STEP);
		(void)usleep(REFILL_US);
		samples_add(&last, grow(c, type, bridge, n));
		(void)let_go(c, type, bridge);
	}
	(void)snprintf(metric, sizeof(metric), "first_%u_vifs_%s%s", DEVICES_STEP, type, more);
	samples_print(&first, "devscale", metric);
	(void)snprintf(metric, sizeof(metric), "last_%u_of_%u_vifs_%s%s", DEVICES_STEP, n, type,
		       more);
	samples_print(&last, "devscale", metric);
	(void)snprintf(metric, sizeof(metric), "vif_%uth_over_1st_%s%s", n, type, more);
	number_print("devscale", metric, "ratio",
		     (double)last.ns[middle] / (double)first.ns[middle]);
}

static void connect_and_let_go(struct chaos *c, const char *type, const char *bridge,
			       unsigned int n)
{
	const char *more = *bridge ? "_bridged" : "";
	uint64_t made;
	char metric[64];

	(void)grow(c, type, bridge, 1); /* the first one of a host takes longer: drivers, caches */
	(void)usleep(REFILL_US);
	made = grow(c, type, bridge, n + 1);
	(void)snprintf(metric, sizeof(metric), "vifs_made_per_s_%s%s", type, more);
	number_print("devscale", metric, "1/s", n * 1e9 / (double)made);
	(void)snprintf(metric, sizeof(metric), "vifs_let_go_per_s_%s%s", type, more);
	number_print("devscale", metric, "1/s", n * 1e9 / (double)let_go(c, type, bridge));
	ratio(c, type, bridge, n);
}

void bench_devscale(unsigned int n)
{
	struct chaos *c = conn_open();

	if (n < 3 * DEVICES_STEP)
		die("give %u or more", 3 * DEVICES_STEP);
	/* The first so many of a boot make the kernel take memory for its own tables: 60 ms in all,
	 * which it keeps; and for those of a bridge's ports. */
	for (size_t i = 0; i < 2; i++) {
		const char *bridge = i ? " bridge=" BRIDGE : "";

		(void)grow(c, "pv", bridge, n + 1);
		(void)let_go(c, "pv", bridge);
	}
	for (size_t i = 0; i < 2; i++) {
		connect_and_let_go(c, i ? "pvh" : "pv", "", n);
		connect_and_let_go(c, i ? "pvh" : "pv", " bridge=" BRIDGE, n);
	}
	chaos_close(c);
}
