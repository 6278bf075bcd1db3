/* SPDX-License-Identifier: BSD-3-Clause */
/* A container of a static program beside fork+exec of it: what LightVM compares with Docker. */
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bench/bench.h"

#define BUNDLE "/run/chaos-bench-bundle"

static const char config[] =
	"{\"ociVersion\":\"1.0.0\",\"process\":{\"terminal\":false,\"user\":{\"uid\":0,\"gid\":0},"
	"\"args\":[\"/true\"],\"cwd\":\"/\",\"env\":[\"PATH=/\"]},\"root\":{\"path\":\"rootfs\"},"
	"\"hostname\":\"bench\",\"mounts\":[{\"destination\":\"/proc\",\"type\":\"proc\","
	"\"source\":\"proc\"}],\"linux\":{\"namespaces\":[{\"type\":\"pid\"},{\"type\":\"mount\"},"
	"{\"type\":\"ipc\"},{\"type\":\"uts\"},{\"type\":\"network\"}]}}";

static void make_bundle(void)
{
	FILE *f;

	if (system("mkdir -p " BUNDLE "/rootfs/proc " BUNDLE "/rootfs/dev && cp " CHAOS_BENCH_TRUE
		   " " BUNDLE "/rootfs/true") != 0)
		die("%s: cannot make the bundle", BUNDLE);
	f = fopen(BUNDLE "/config.json", "w");
	if (!f || fputs(config, f) < 0 || fclose(f) != 0)
		die("%s: cannot write", BUNDLE);
}

void bench_process(unsigned int n)
{
	static struct samples s;
	const char *const argv[] = {"crun",	   "--cgroup-manager=disabled",
				    "run",	   "--no-pivot",
				    "--bundle",	   BUNDLE,
				    "chaos-bench", NULL};

	make_bundle();
	(void)spawn_timed(argv);
	for (unsigned int i = 0; i < n; i++)
		samples_add(&s, spawn_timed(argv));
	samples_print(&s, "process", "crun_run");
	(void)!system("rm -rf " BUNDLE);
}
