/* SPDX-License-Identifier: BSD-3-Clause */
/* Cold creates and destroys through a running chaosd: as a command, and over an open connection. */
#include <stdio.h>
#include <unistd.h>

#include "bench/conn.h"

/* Between samples the worker gives the memory of the last VM back, and the guest goes idle. */
#define SETTLE_US 20000

static void print(struct samples *s, const char *what, const char *type, const char *size)
{
	char metric[64];

	(void)snprintf(metric, sizeof(metric), "%s_%s_%s", what, type, size);
	samples_print(s, "boot", metric);
}

static void connection(struct chaos *c, const char *type, const char *memory, const char *size,
		       unsigned int n)
{
	static struct samples ready;
	static struct samples reply;
	static struct samples end;
	int kernel = open_noop();

	ready.n = reply.n = end.n = 0;
	for (unsigned int i = 0; i < n + 2; i++) { /* two for the caches */
		uint64_t t = conn_create(c, "bench", type, memory, kernel, CHAOS_READY, "cold");
		uint64_t d;

		(void)usleep(SETTLE_US);
		d = conn_destroy(c, "bench");
		(void)usleep(SETTLE_US);
		if (i >= 2) {
			samples_add(&ready, t);
			samples_add(&end, d);
		}
		t = conn_create(c, "bench", type, memory, kernel, 0, "cold");
		(void)usleep(SETTLE_US);
		(void)conn_destroy(c, "bench");
		(void)usleep(SETTLE_US);
		if (i >= 2)
			samples_add(&reply, t);
	}
	(void)close(kernel);
	print(&ready, "conn_ready", type, size);
	print(&reply, "conn_reply", type, size);
	print(&end, "conn_destroy", type, size);
}

static void command(struct chaos *c, const char *type, const char *memory, const char *size,
		    unsigned int n)
{
	static struct samples s;
	const char *const argv[] = {
		"chaos",  "create", "-q",	"--kernel", CHAOS_GUEST_DIR "/noop",
		"--type", type,	    "--memory", memory,	    "--name",
		"bench",  NULL};

	s.n = 0;
	for (unsigned int i = 0; i < n + 2; i++) {
		uint64_t t = spawn_timed(argv);

		(void)usleep(SETTLE_US);
		(void)conn_destroy(c, "bench");
		(void)usleep(SETTLE_US);
		if (i >= 2)
			samples_add(&s, t);
	}
	print(&s, "chaos_cmd", type, size);
}

void bench_boot_chaos(unsigned int n)
{
	static const struct {
		const char *type, *memory, *size;
	} kinds[] = {{"pv", "256K", "256k"},
		     {"pvh", "256K", "256k"},
		     {"pv", "4", "4m"},
		     {"pvh", "4", "4m"}};
	struct chaos *c = conn_open();
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		connection(c, kinds[i].type, kinds[i].memory, kinds[i].size, n);
		command(c, kinds[i].type, kinds[i].memory, kinds[i].size, n);
	}
	chaos_close(c);
}
