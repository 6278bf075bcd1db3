/* SPDX-License-Identifier: BSD-3-Clause */
/* Warm, shell and cold creates over an open connection, each on a pool that has refilled. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "bench/bench.h"
#include "split-toolstack/client.h"

#define REFILL_US 30000

static void check(int rc, const struct err *e)
{
	if (rc < 0)
		die("%s", err_msg(e));
}

static void set_pool(struct client *c, const char *type, const char *more, unsigned int count)
{
	struct err e = {0};
	struct wire_out w;
	struct wire_in in;
	char text[256];

	(void)snprintf(text, sizeof(text), "type=%s memory=4 count=%u%s", type, count, more);
	client_begin(c, &w, PROTO_REQ_POOL_SET);
	wire_text(&w, PROTO_TEXT, text);
	check(client_send(c, &w, NULL, 0, &e), &e);
	check(client_finish(c, &in, NULL, NULL, &e), &e);
}

static uint64_t create(struct client *c, const char *type, int kernel, uint32_t flags,
		       const char *way)
{
	uint64_t start = clock_ns();
	uint64_t took;
	struct err e = {0};
	struct wire_out w;
	struct wire_in in;
	char text[64];

	client_begin(c, &w, PROTO_REQ_CREATE);
	wire_u32(&w, PROTO_FLAGS, flags);
	wire_text(&w, PROTO_SET, "name=bench");
	wire_text(&w, PROTO_SET, "kernel=" CHAOS_GUEST_DIR "/noop");
	(void)snprintf(text, sizeof(text), "type=%s", type);
	wire_text(&w, PROTO_SET, text);
	wire_text(&w, PROTO_SET, "memory=4");
	wire_u32(&w, PROTO_KERNEL_FD, 0);
	check(client_send(c, &w, &kernel, 1, &e), &e);
	check(client_finish(c, &in, NULL, NULL, &e), &e);
	took = clock_ns() - start;
	if (!wire_get_text(&in, PROTO_WAY, text, sizeof(text)) || strcmp(text, way) != 0)
		die("a create went the way \"%s\" instead of \"%s\"", text, way);
	return took;
}

static uint64_t destroy(struct client *c)
{
	uint64_t start = clock_ns();
	struct err e = {0};
	struct wire_out w;
	struct wire_in in;

	client_begin(c, &w, PROTO_REQ_DESTROY);
	wire_text(&w, PROTO_WHAT, "bench");
	check(client_send(c, &w, NULL, 0, &e), &e);
	check(client_finish(c, &in, NULL, NULL, &e), &e);
	return clock_ns() - start;
}

static void one_way(struct client *c, const char *type, const char *way, unsigned int n)
{
	static struct samples ready;
	static struct samples end;
	int kernel = open(CHAOS_GUEST_DIR "/noop", O_RDONLY | O_CLOEXEC);
	char metric[64];

	if (kernel < 0)
		die("%s/noop: %s", CHAOS_GUEST_DIR, strerror(errno));
	ready.n = end.n = 0;
	for (unsigned int i = 0; i < n + 2; i++) {
		uint64_t t = create(c, type, kernel, PROTO_F_READY, way);
		uint64_t d;

		(void)usleep(REFILL_US);
		d = destroy(c);
		(void)usleep(REFILL_US);
		if (i < 2)
			continue;
		samples_add(&ready, t);
		samples_add(&end, d);
	}
	(void)close(kernel);
	(void)snprintf(metric, sizeof(metric), "%s_ready_%s_4m", way, type);
	samples_print(&ready, "latency", metric);
	(void)snprintf(metric, sizeof(metric), "%s_destroy_%s_4m", way, type);
	samples_print(&end, "latency", metric);
}

void bench_latency(unsigned int n)
{
	static const char *const types[] = {"pv", "pvh"};
	static const char warm[] = " image=" CHAOS_GUEST_DIR "/noop";
	struct client c;
	struct err e = {0};

	check(client_open(&c, NULL, &e), &e);
	for (size_t i = 0; i < 2; i++) {
		one_way(&c, types[i], "cold", n);
		set_pool(&c, types[i], "", 4);
		(void)usleep(REFILL_US * 10);
		one_way(&c, types[i], "shell", n);
		set_pool(&c, types[i], "", 0);
		set_pool(&c, types[i], warm, 4);
		(void)usleep(REFILL_US * 10);
		one_way(&c, types[i], "warm", n);
		set_pool(&c, types[i], warm, 0);
	}
	client_close(&c);
}
