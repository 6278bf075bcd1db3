/* SPDX-License-Identifier: BSD-3-Clause */
/* The other side of the comparison: the stock toolstack with the same guest. */
#include <stdio.h>
#include <unistd.h>

#include "bench/bench.h"

#define SETTLE_US 200000 /* xl leaves work behind in udev and its own daemon */

static void one_type(const char *type, unsigned int n)
{
	static struct samples create;
	static struct samples destroy;
	char metric[64];
	char path[64];
	const char *const make[] = {"xl", "create", "-q", path, NULL};
	const char *const end[] = {"xl", "destroy", "bench", NULL};
	FILE *f;

	create.n = 0;
	destroy.n = 0;
	(void)snprintf(path, sizeof(path), "/tmp/chaos-bench-%s.cfg", type);
	f = fopen(path, "w");
	if (!f)
		die("%s: cannot write", path);
	(void)fprintf(
		f, "name=\"bench\"\ntype=\"%s\"\nkernel=\"%s/noop\"\nmemory=4\nshadow_memory=2\n",
		type, CHAOS_GUEST_DIR);
	if (fclose(f) != 0)
		die("%s: cannot write", path);
	for (unsigned int i = 0; i < n + 1; i++) {
		uint64_t made = spawn_timed(make);
		uint64_t ended;

		(void)usleep(SETTLE_US);
		ended = spawn_timed(end);
		(void)usleep(SETTLE_US);
		if (i == 0) /* cold caches */
			continue;
		samples_add(&create, made);
		samples_add(&destroy, ended);
	}
	(void)unlink(path);
	(void)snprintf(metric, sizeof(metric), "xl_create_%s_4m", type);
	samples_print(&create, "boot", metric);
	(void)snprintf(metric, sizeof(metric), "xl_destroy_%s_4m", type);
	samples_print(&destroy, "boot", metric);
}

void bench_boot_xl(unsigned int n)
{
	one_type("pv", n);
	one_type("pvh", n);
}
