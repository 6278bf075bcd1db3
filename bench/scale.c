/* SPDX-License-Identifier: BSD-3-Clause */
/* Flatness: creates up to the thousandth VM that lives at the same time, each timed. */
#include <stdio.h>
#include <unistd.h>

#include "bench/conn.h"

#define VMS	  1000u
#define EDGE	  50u /* the first and the last so many are compared */
#define REFILL_US 10000

static void destroy_all(struct chaos *c)
{
	for (unsigned int i = 0; i < VMS; i++) {
		char name[32];

		(void)snprintf(name, sizeof(name), "scale%u", i);
		(void)conn_destroy(c, name);
	}
}

static void grow(struct chaos *c, const char *way)
{
	static struct samples first;
	static struct samples last;
	static struct samples some;
	int kernel = open_noop();
	char metric[64];

	first.n = last.n = some.n = 0;
	for (unsigned int i = 0; i < VMS; i++) {
		char name[32];
		uint64_t t;

		(void)snprintf(name, sizeof(name), "scale%u", i);
		t = conn_create(c, name, "pv", "256K", kernel, CHAOS_READY, way);
		(void)usleep(REFILL_US);
		if (i >= 2 && i < 2 + EDGE)
			samples_add(&first, t);
		if (i >= VMS - EDGE)
			samples_add(&last, t);
		samples_add(&some, t);
		if (some.n == 20) {
			series_print(&some, way, i + 1);
			some.n = 0;
		}
	}
	destroy_all(c);
	(void)close(kernel);
	(void)snprintf(metric, sizeof(metric), "%s_1st_pv_256k", way);
	samples_print(&first, "scale", metric);
	(void)snprintf(metric, sizeof(metric), "%s_1000th_pv_256k", way);
	samples_print(&last, "scale", metric);
}

void bench_scale(unsigned int n)
{
	struct chaos *c = conn_open();

	(void)n; /* each VM is a sample */
	grow(c, "cold");
	conn_set_pool(c, "type=pv memory=256K count=4");
	(void)usleep(REFILL_US * 10);
	grow(c, "shell");
	conn_set_pool(c, "type=pv memory=256K count=0");
	conn_set_pool(c, "type=pv memory=256K count=4 gate=no image=" CHAOS_GUEST_DIR "/noop");
	(void)usleep(REFILL_US * 10);
	grow(c, "warm");
	chaos_close(c);
}
