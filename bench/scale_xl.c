/* SPDX-License-Identifier: BSD-3-Clause */
/* The stock toolstack with a growing number of VMs of its own kind. */
#include <stdio.h>
#include <unistd.h>

#include "bench/bench.h"

#define SETTLE_US 50000
#define EDGE	  10u

void bench_scale_xl(unsigned int n)
{
	static struct samples first;
	static struct samples last;
	static struct samples some;
	char path[64] = "/tmp/chaos-bench-xl.cfg";
	const char *const make[] = {"xl", "create", "-q", path, NULL};
	char metric[64];

	for (unsigned int i = 0; i < n; i++) {
		FILE *f = fopen(path, "w");
		uint64_t t;

		if (!f)
			die("%s: cannot write", path);
		(void)fprintf(f, "name=\"xl%u\"\ntype=\"pv\"\nkernel=\"%s/noop\"\nmemory=4\n", i,
			      CHAOS_GUEST_DIR);
		if (fclose(f) != 0)
			die("%s: cannot write", path);
		t = spawn_timed(make);
		(void)usleep(SETTLE_US);
		if (i >= 1 && i < 1 + EDGE)
			samples_add(&first, t);
		if (i >= n - EDGE)
			samples_add(&last, t);
		samples_add(&some, t);
		if (some.n == 10) {
			series_print(&some, "xl_create", i + 1);
			some.n = 0;
		}
	}
	(void)unlink(path);
	samples_print(&first, "scale_xl", "xl_create_1st");
	(void)snprintf(metric, sizeof(metric), "xl_create_%uth", n);
	samples_print(&last, "scale_xl", metric);
}
