/* SPDX-License-Identifier: BSD-3-Clause */
/* Warm, shell and cold creates over an open connection, each on a pool that has refilled. */
#include <stdio.h>
#include <unistd.h>

#include "bench/conn.h"

#define REFILL_US 30000

static void set_pool(struct client *c, const char *type, const char *more, unsigned int count)
{
	char text[256];

	(void)snprintf(text, sizeof(text), "type=%s memory=4 count=%u%s", type, count, more);
	conn_set_pool(c, text);
}

static void one_way(struct client *c, const char *type, const char *way, unsigned int n)
{
	static struct samples ready;
	static struct samples end;
	int kernel = open_noop();
	char metric[64];

	ready.n = end.n = 0;
	for (unsigned int i = 0; i < n + 2; i++) {
		uint64_t t = conn_create(c, "bench", type, "4", kernel, PROTO_F_READY, way);
		uint64_t d;

		(void)usleep(REFILL_US);
		d = conn_destroy(c, "bench");
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
