/* SPDX-License-Identifier: BSD-3-Clause */
/* Churn: create and destroy as fast as they are answered, with a pool that refills meanwhile. */
#include <stdio.h>
#include <unistd.h>

#include "base/clock.h"
#include "bench/conn.h"

static void one(struct chaos *c, const char *type, const char *memory, const char *size,
		unsigned int n)
{
	int kernel = open_noop();
	char flavor[256];
	char metric[64];
	uint64_t start;

	(void)snprintf(flavor, sizeof(flavor), "type=%s memory=%s low=8 high=8 image=%s/noop", type,
		       memory, CHAOS_GUEST_DIR);
	conn_set_pool(c, flavor);
	(void)usleep(300000);
	start = clock_ns();
	for (unsigned int i = 0; i < n; i++) {
		(void)conn_create(c, "churn", type, memory, kernel, CHAOS_READY, NULL);
		(void)conn_destroy(c, "churn");
	}
	(void)snprintf(metric, sizeof(metric), "per_second_%s_%s", type, size);
	number_print("churn", metric, "1/s", n * 1e9 / (double)(clock_ns() - start));
	(void)snprintf(flavor, sizeof(flavor), "type=%s memory=%s count=0 image=%s/noop", type,
		       memory, CHAOS_GUEST_DIR);
	conn_set_pool(c, flavor);
	(void)usleep(300000);
	(void)close(kernel);
}

void bench_churn(unsigned int n)
{
	struct chaos *c = conn_open();
	one(c, "pv", "256K", "256k", n * 5);
	one(c, "pv", "4", "4m", n * 5);
	one(c, "pvh", "256K", "256k", n * 5);
	one(c, "pvh", "4", "4m", n * 5);
	chaos_close(c);
}
